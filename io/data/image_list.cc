#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/text.h"

#include "io/data/detail/containers.h"
#include "io/data/detail/picture_dataset.h"
#include "io/data/detail/text_file.h"

namespace qsweep {
namespace {

constexpr std::int32_t kMostLines = 10'000'000;
constexpr std::int64_t kMaxLabel = 1'000'000;
constexpr std::int32_t kNoLabel = -1;
constexpr const char* kForm = "'path label'";

template <class Number>
bool is_all_of(std::string_view word) {
  Number value{};
  if (word.starts_with('+')) word.remove_prefix(1);
  const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), value);
  return status != std::errc::invalid_argument && end == word.data() + word.size();
}

/// Lines `path label` or `path`, paths relative to the list's folder; empty lines and `#` comments.
/// The path is all before the last blank, in quotes or not.
class ImageList final : public PictureDataset<Dataset> {
 public:
  ImageList(const DataSpec& spec, const InputSpec& input)
      : PictureDataset(input,
                       spec.paths.at(0),
                       fmt::format("Lines are {}, paths relative to the list", kForm)) {
    const std::string& where = pictures_.where();
    folder_ = spec.paths.at(0).parent_path();
    const std::string text = read_text(spec.paths.at(0));
    for_each_line(text, [&](std::string_view line) {
      if (++line_ > kMostLines)
        throw Error(ErrorCode::corrupt_input, "the list is too long", where);
      line = trim(line);
      if (!line.empty() && line.front() != '#') add(line);
    });
    if (entries_.empty()) throw Error(ErrorCode::corrupt_input, "the list names no picture", where);
  }

  [[nodiscard]] std::int64_t classes() const override { return classes_; }
  [[nodiscard]] std::int64_t label(std::int64_t sample) const override {
    const Entry& entry = entries_.at(static_cast<std::size_t>(sample));
    if (entry.label == kNoLabel) {
      throw Error(ErrorCode::corrupt_input,
                  fmt::format("the line has no label, as {} has: {}", kForm, path(sample)),
                  fmt::format("{}:{}", pictures_.where(), entry.line),
                  "Write the label behind the path, or sample without classes");
    }
    return entry.label;
  }
  [[nodiscard]] bool has_labels() const override { return classes_ > 0; }
  [[nodiscard]] std::string sample_name(std::int64_t sample) const override {
    return fmt::format("{} (line {})", path_below(folder_, sample),
                       entries_.at(static_cast<std::size_t>(sample)).line);
  }

 private:
  struct Entry {
    std::int32_t label, line;
  };

  [[nodiscard]] std::string truth_text(std::int64_t sample) const override {
    return std::to_string(entries_.at(static_cast<std::size_t>(sample)).label);
  }

  void add(std::string_view line) {
    std::int64_t label = kNoLabel;
    std::string_view path = line;
    if (const std::size_t blank = line.find_last_of(" \t"); blank != std::string_view::npos) {
      const std::string_view word = line.substr(blank + 1);
      const auto [end, status] = std::from_chars(word.data(), word.data() + word.size(), label);
      if (status == std::errc{} && end == word.data() + word.size()) {
        path = trim(line.substr(0, blank));
        if (label < 0 || label > kMaxLabel)
          refuse(fmt::format("label {} is outside 0 to {}", label, kMaxLabel));
      } else if (is_all_of<double>(word)) {
        refuse_form(line);  // 1.0, 99999999999999999999
      } else {
        label = kNoLabel;  // a path with a blank in it
      }
    }
    // Fields of another kind of table: `a.png,1`, `a.png, 1`.
    const std::size_t mark = path.find_last_of(",;|");
    if (mark != std::string_view::npos &&
        (mark + 1 == path.size() || is_all_of<double>(trim(path.substr(mark + 1)))))
      refuse_form(line);
    if (path.size() > 1 && path.front() == '"' && path.back() == '"')
      path = path.substr(1, path.size() - 2);
    if (path.empty()) refuse_form(line);
    pictures_.add((folder_ / path).string());
    entries_.push_back({static_cast<std::int32_t>(label), line_});
    classes_ = std::max(classes_, label + 1);
  }

  [[noreturn]] void refuse(const std::string& problem) const {
    throw Error(ErrorCode::corrupt_input, problem, fmt::format("{}:{}", pictures_.where(), line_));
  }
  [[noreturn]] void refuse_form(std::string_view line) const {
    throw Error(ErrorCode::corrupt_input,
                fmt::format("line {} has no label in the form {}: {}", line_, kForm, line),
                fmt::format("{}:{}", pictures_.where(), line_),
                "Write the path, a blank and the class as a whole number");
  }

  std::filesystem::path folder_;
  std::vector<Entry> entries_;
  std::int32_t line_ = 0;
  std::int64_t classes_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_image_list(const DataSpec& spec, const InputSpec& input) {
  if (spec.paths.size() != 1) {
    throw Error(ErrorCode::config,
                fmt::format("images data takes one list, not {} files", spec.paths.size()),
                "images", "Write images:LIST.txt with lines `path label`");
  }
  return std::make_unique<ImageList>(spec, input);
}

}  // namespace qsweep
