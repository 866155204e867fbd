// The messages about wrong job files, as text.
#include <gtest/gtest.h>

#include "src/base/error.h"

#include "io/config/job.h"

#include "tests/io/temp_dir.h"

namespace qsweep {
namespace {

using testing::error_text;
using testing::TempDir;

constexpr const char* kMinimal = R"(model: net.onnx
data:
  calibration: {format: cifar10, path: train.bin}
  evaluation: {format: cifar10, path: test.bin}
)";

/// The message about the minimal job with `more` from line 5 on.
std::string message(const std::string& more, const std::vector<std::string>& overrides = {}) {
  return error_text<Error>(
      [&] { static_cast<void>(parse_job(kMinimal + more, "job.yaml", overrides)); });
}

struct Case {
  const char* more;
  const char* message;
};

class JobErrorTest : public ::testing::TestWithParam<Case> {};

TEST_P(JobErrorTest, says_what_where_and_what_to_do) {
  EXPECT_EQ(message(GetParam().more), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    keys,
    JobErrorTest,
    ::testing::Values(
        Case{"quantization:\n  calibratr: minmax\n",
             "unknown key 'calibratr' [job.yaml:6]. Did you mean 'calibrator'?"},
        Case{"latency: {xyzzyxyzzy: 1}\n",
             "unknown key 'xyzzyxyzzy' [job.yaml:5]. Keys here: source, device, table, roofline, "
             "batch, iterations, warmup_ms, trtexec."},
        Case{"seed: 1\nseed: 2\n", "'seed' is given twice [job.yaml:6]"},
        Case{"[1, 2]: 3\n", "the document has a key that is not plain text [job.yaml:5]"},
        Case{"sweep:\n  families:\n    - {rest: W4A16, keep: W8A8}\n",
             "'sweep.families.0.k' is missing [job.yaml:7]"},
        Case{"sweep: {families: {rest: FP16}}\n", "'sweep.families' must be a list [job.yaml:5]"},
        Case{"quantization: minmax\n",
             "'quantization' must be a mapping of keys to values [job.yaml:5]"},
        Case{"shapes: {input: [1, 0]}\n",
             "'shapes.input.1' must be an integer, from 1 to 16777216, got '0' [job.yaml:5]"},
        Case{"shapes: [1, 3]\n",
             "'shapes' must be a mapping of input names to lists of extents [job.yaml:5]"}));

INSTANTIATE_TEST_SUITE_P(
    values,
    JobErrorTest,
    ::testing::Values(
        Case{"batch: -1\n", "'batch' must be an integer, from 0 to 65536, got '-1' [job.yaml:5]"},
        Case{"batch: 2.5\n", "'batch' must be an integer, from 0 to 65536, got '2.5' [job.yaml:5]"},
        Case{"batch: [1]\n", "'batch' must be a single value, not a list [job.yaml:5]"},
        Case{"batch: {a: 1}\n", "'batch' must be a single value, not a mapping [job.yaml:5]"},
        Case{"batch:\n", "'batch' has no value [job.yaml:5]"},
        Case{"seed: -1\n",
             "'seed' must be an integer, from 0 to 18446744073709551615, got '-1' [job.yaml:5]"},
        Case{"seed: 18446744073709551616\n",
             "'seed' must be an integer, from 0 to 18446744073709551615, got "
             "'18446744073709551616' [job.yaml:5]"},
        Case{"memory_budget_mb: 0\n",
             "'memory_budget_mb' must be an integer, from 1 to 1073741824, got '0' [job.yaml:5]"},
        Case{"sweep: {confidence: 1}\n",
             "'sweep.confidence' must be a number, between 0 and 1, both excluded, got '1' "
             "[job.yaml:5]"},
        Case{"sweep: {confidence: nan}\n",
             "'sweep.confidence' must be a number, between 0 and 1, both excluded, got 'nan' "
             "[job.yaml:5]"},
        Case{"quantization: {percentile: 50}\n",
             "'quantization.percentile' must be a number, above 50, at most 100, got '50' "
             "[job.yaml:5]"},
        Case{"quantization: {weights: {symmetric: maybe}}\n",
             "'quantization.weights.symmetric' must be true or false, got 'maybe' [job.yaml:5]"},
        Case{"quantization: {calibrator: entropi}\n",
             "'quantization.calibrator' must be one of minmax, percentile, entropy, mse, "
             "moving_average, got "
             "'entropi' [job.yaml:5]. Did you mean 'entropy'?"},
        Case{"quantization: {bins: 200}\n",
             "'quantization.bins' must be a power of two from 128 to 4096, got '200' [job.yaml:5]"},
        Case{"sensitivity: {modes: [only, al_but]}\n",
             "'sensitivity.modes.1' must be one of only, all_but, got 'al_but' [job.yaml:5]. Did "
             "you mean 'all_but'?"},
        Case{"sweep: {families: [{rest: W4A16, keep: W8A8, k: [-1]}]}\n",
             "'sweep.families.0.k.0' must be an integer, from 0 to 1000000, got '-1' [job.yaml:5]"},
        Case{"input: {scale: 0}\n",
             "'input.scale' must be a number, above 0 (1e-30 to 1e+30), got '0' [job.yaml:5]"},
        Case{"input: {std: [1, 0, 1]}\n",
             "'input.std.1' must be a number, above 0 (1e-30 to 1e+30), got '0' [job.yaml:5]"},
        Case{"input: {mean: [1, 2], std: [1, 2, 3]}\n",
             "'input.mean' has 2 values and 'input.std' 3 [job.yaml]. Give one of each per "
             "channel."},
        Case{"input: {std: []}\n", "'input.std' is empty [job.yaml]"},
        Case{"shapes: {input: [16777216, 16777216]}\n",
             "'shapes.input' has over 2^40 elements [job.yaml:5]"},
        Case{"objectives: []\n", "'objectives' is empty [job.yaml]"},
        Case{"input: {resize: {mode: crop, size: [32]}}\n",
             "'input.resize.size' must be [height, width] [job.yaml:5]"},
        Case{"latency: {source: roofline}\n",
             "'latency.device' is missing [job.yaml]. Name the device that 'source: roofline' "
             "models."},
        Case{"latency: {source: table}\n",
             "'latency.table' is missing [job.yaml]. Name the file that 'source: table' reads."},
        Case{"latency: {source: none, roofline: t4}\n",
             "'latency.roofline' contradicts 'source', 'device' or 'table' [job.yaml:5]. Give "
             "either "
             "'roofline: DEVICE' or 'source'."}));

INSTANTIATE_TEST_SUITE_P(
    not_served,
    JobErrorTest,
    ::testing::Values(
        Case{"sweep: {search: {method: front}}\n",
             "'front' is not available in this version [job.yaml:5]. Use 'method: exhaustive', "
             "'families' or 'schemes'."},
        Case{"latency: {trtexec: [t.json]}\n",
             "'latency.trtexec' is not available in this version [job.yaml:5]. Use 'source: "
             "measured', 'source: table' or 'roofline: DEVICE'."}));

TEST(JobErrorsTest, not_served_is_another_code_than_wrong) {
  const auto code = [](const std::string& more) {
    try {
      static_cast<void>(parse_job(kMinimal + more, "job.yaml"));
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::internal;
  };
  EXPECT_EQ(code("sweep: {search: {method: greedy}}"), ErrorCode::unsupported);
  EXPECT_EQ(code("latency: {trtexec: x}"), ErrorCode::unsupported);
  EXPECT_EQ(code("batch: -1"), ErrorCode::config);
}

TEST(JobErrorsTest, precision_errors_keep_their_hint_and_gain_the_place) {
  const std::string text = message("sensitivity: {precisions: [W8A8, W5A8]}\n");
  EXPECT_TRUE(text.starts_with("'sensitivity.precisions.1': ")) << text;
  EXPECT_NE(text.find("W5A8"), std::string::npos) << text;
  EXPECT_NE(text.find("[job.yaml:5]"), std::string::npos) << text;
}

TEST(JobErrorsTest, an_unknown_base_is_told_like_other_precisions) {
  const std::string text = message("sensitivity: {base: W8A9}\n");
  EXPECT_TRUE(text.starts_with("'sensitivity.base': ")) << text;
  EXPECT_NE(text.find("W8A9"), std::string::npos) << text;
  EXPECT_NE(text.find("[job.yaml:5]"), std::string::npos) << text;
}

TEST(JobErrorsTest, a_base_that_rounds_inputs_needs_calibration_images) {
  const auto text = [](const std::string& sensitivity) {
    try {
      static_cast<void>(
          parse_job("model: m.onnx\ndata: {evaluation: {format: cifar10, path: t.bin}}\n"
                    "sensitivity: " +
                        sensitivity,
                    "job.yaml"));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(text("{precisions: [W4A16], base: FP16}"), "");
  EXPECT_NE(text("{precisions: [W4A16], base: W8A8}")
                .find("'data.calibration' is missing, and W8A8 needs activation ranges"),
            std::string::npos);
}

TEST(JobErrorsTest, overrides_are_named_as_the_place) {
  EXPECT_EQ(message("", {"quantization.calibratr=minmax"}),
            "unknown key 'calibratr' [--set quantization.calibratr=minmax]. Did you mean "
            "'calibrator'?");
  EXPECT_EQ(message("", {"batch=-1"}),
            "'batch' must be an integer, from 0 to 65536, got '-1' [--set batch=-1]");
  EXPECT_EQ(message("", {"latency={batch: x}"}),
            "'latency.batch' must be an integer, from 1 to 65536, got 'x' "
            "[--set latency={batch: x}]");
  EXPECT_EQ(message("", {"batch"}), "an override is not of the form KEY.KEY=VALUE [--set batch]");
  EXPECT_EQ(message("", {"a..b=1"}), "an override is not of the form KEY.KEY=VALUE [--set a..b=1]");
  EXPECT_EQ(message("seed: 3\n", {"seed.x=1"}),
            "'seed.x' lies below 'seed', which is a single value [--set seed.x=1]");
  EXPECT_EQ(message("objectives: [latency]\n", {"objectives.1=size"}),
            "'objectives.1' names no item of a list of 1 [--set objectives.1=size]");
}

TEST(JobErrorsTest, required_keys) {
  const auto text = [](const char* yaml) {
    return error_text<Error>([&] { static_cast<void>(parse_job(yaml, "job.yaml")); });
  };
  EXPECT_EQ(text("seed: 1\n"), "'model' is missing [job.yaml:1]");
  for (const char* empty : {"", "# a comment only\n", "\xEF\xBB\xBF", "---\n", "~\n"}) {
    EXPECT_EQ(text(empty),
              "the job file is empty [job.yaml]. See `qsweep run --help-job` for its keys.");
  }
  EXPECT_EQ(text("model: m.onnx\n"), "'data' is missing [job.yaml:1]");
  EXPECT_EQ(text("model: m.onnx\ndata: {evaluation: {path: t.bin}}\n"),
            "'data.evaluation.format' is missing [job.yaml:2]");
  EXPECT_EQ(text("- a\n- b\n"), "the document must be a mapping of keys to values [job.yaml:1]");
  EXPECT_EQ(text("model: m.onnx\ndata: {evaluation: {format: cifar10, path: t.bin}}\n"),
            "'data.calibration' is missing, and W8A8 needs activation ranges [job.yaml]. Give "
            "images that are not evaluated.");
}

TEST(JobErrorsTest, malformed_yaml_names_the_line) {
  const std::string text = message("a: [1, 2\nb: }\n");
  EXPECT_TRUE(text.starts_with("not valid YAML: ")) << text;
  EXPECT_NE(text.find("[job.yaml:6]"), std::string::npos) << text;
}

struct Yaml {
  const char* text;
  const char* message;
};

TEST(JobErrorsTest, text_that_no_document_can_begin_with_ends_in_an_error) {
  EXPECT_THROW((void)parse_job("# a job\n, size].seed: 42\n", "/jobs/job.yaml"), Error);
}

TEST(JobErrorsTest, yaml_that_is_not_one_plain_document_is_told_with_its_line) {
  for (const Yaml& yaml : {
           Yaml{"seed: 1\n---\nseed: 2\n", "a second YAML document begins [job.yaml:6]"},
           Yaml{"<<: 3\n", "'<<' must name a mapping, or a list of mappings [job.yaml:5]"},
           Yaml{"<<: {seed: 1}\n<<: {seed: 2}\n", "'<<' is given twice [job.yaml:6]"},
           Yaml{"latency:\n\tbatch: 1\n",
                "not valid YAML: illegal map value [job.yaml:6]. Indent by spaces: this line has "
                "a tab."},
           Yaml{"task: \xff\n", "not UTF-8 text [job.yaml:5]. Is this a YAML file?"},
           Yaml{"task: \x01\n",
                "a control character (0x01) in the text [job.yaml:5]. Is this a YAML file?"},
           Yaml{"shapes: &a {b: *a}\n",
                "aliases repeat or contain themselves too often [job.yaml:5]"},
           Yaml{"a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
                "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
                "aliases repeat or contain themselves too often [job.yaml:5]"},
       }) {
    EXPECT_EQ(message(yaml.text), yaml.message);
  }
}

TEST(JobErrorsTest, a_value_of_a_flag_is_told_by_the_flag) {
  const auto text = [](const Override& flag) {
    return error_text<Error>([&] { static_cast<void>(compose_job("net.onnx", {flag})); });
  };
  EXPECT_EQ(text({"input.scale", "\"0\"", "--scale", "--scale 0"}),
            "--scale must be a number, above 0 (1e-30 to 1e+30), got '0' [--scale 0]");
  EXPECT_EQ(text({"input.std", "[\"1\", \"nan\"]", "--std", "--std 1,nan"}),
            "--std must be a number, above 0 (1e-30 to 1e+30), got 'nan' [--std 1,nan]");
  EXPECT_EQ(text({"input.mean", "[1, 2]", "--mean", "--mean 1,2"}),
            "--mean has 2 values and 'input.std' 3 [--mean 1,2]. Give one of each per channel.");
  EXPECT_EQ(text({"input.color", "RGBB", "--color", "--color RGBB"}),
            "--color must be one of RGB, BGR, got 'RGBB' [--color RGBB]. Did you mean "
            "'RGB'?");
  EXPECT_EQ(text({"quantization.preset", "INT8_DEFAULT", "--preset", "--preset INT8_DEFAULT"}),
            "unknown preset 'INT8_DEFAULT' [--preset INT8_DEFAULT]. Did you mean "
            "'INT8_DEFAULT_CFG', 'FP8_DEFAULT_CFG' or 'MXFP8_DEFAULT_CFG'?");
}

TEST(JobErrorsTest, more_images_than_there_are_is_told_by_the_key) {
  JobConfig job;
  EXPECT_EQ(calibration_images(job, 64), 64);
  EXPECT_EQ(calibration_images(job, 500), 256);
  EXPECT_EQ(evaluation_images(job, 64), 64);
  job.calibration.images = job.evaluation.images = 65;
  EXPECT_EQ(error_text<Error>([&] { static_cast<void>(calibration_images(job, 64)); }),
            "65 images requested, but the data set has only 64 [data.calibration.images]. Ask for "
            "fewer.");
  EXPECT_EQ(error_text<Error>([&] { static_cast<void>(evaluation_images(job, 64)); }),
            "65 images requested, but the data set has only 64 [data.evaluation.images]. Ask for "
            "fewer.");
  EXPECT_EQ(calibration_images(job, 65), 65);
}

TEST(JobErrorsTest, deep_nesting_is_refused_not_followed) {
  const std::string text = message("a: " + std::string(100'000, '[') + "\n");
  EXPECT_TRUE(text.starts_with("not valid YAML: ")) << text;
}

TEST(JobErrorsTest, files_that_cannot_be_read) {
  const TempDir folder;
  const auto path = folder.path() / "none.yaml";
  EXPECT_EQ(error_text<Error>([&] { static_cast<void>(load_job(path)); }),
            "cannot read the file: No such file or directory [" + path.string() + "]");
  const auto large = folder.write("large.yaml", std::string(2 << 20, '#'));
  EXPECT_EQ(error_text<Error>([&] { static_cast<void>(load_job(large)); }),
            "the file is over 1 MiB, which no configuration is [" + large.string() + "]");
  EXPECT_EQ(error_text<Error>([&] { static_cast<void>(load_job(folder.path())); }),
            "this is a folder, not a YAML file [" + folder.path().string() + "]");
  EXPECT_EQ(error_text<Error>([&] { static_cast<void>(load_job("/dev/zero")); }),
            "the file is over 1 MiB, which no configuration is [/dev/zero]");
}

TEST(JobErrorsTest, two_cards_are_one_too_many) {
  const TempDir folder;
  const auto job = folder.write("job.yaml", kMinimal);
  folder.write("net.yml", "input: {scale: 255}\n");
  EXPECT_EQ(load_job(job).input.scale, 255);
  folder.write("net.yaml", "input: {scale: 1}\n");
  EXPECT_EQ(error_text<Error>([&] { static_cast<void>(load_job(job)); }),
            "two YAML files lie beside the model [" + (folder.path() / "net.yml").string() +
                "]. Keep one of 'net.yaml' and 'net.yml'.");
}

TEST(JobErrorsTest, a_wrong_card_is_named_itself) {
  const TempDir folder;
  const auto card = folder.write("net.yaml", "task: classification\ninputs: {scale: 1}\n");
  const auto job = folder.write("job.yaml", kMinimal);
  EXPECT_EQ(error_text<Error>([&] { static_cast<void>(load_job(job)); }),
            "unknown key 'inputs' [" + card.string() + ":2]. Did you mean 'input'?");
}

TEST(JobErrorsTest, unknown_preprocessing_is_never_guessed) {
  JobConfig job;
  job.model = "/models/net.onnx";
  EXPECT_EQ(error_text<Error>([&] { require_input(job); }),
            "preprocessing of 'net.onnx' is unknown [input]. Give input.scale, input.mean "
            "and input.std, or 'net.yaml' beside the model.");
}

}  // namespace
}  // namespace qsweep
