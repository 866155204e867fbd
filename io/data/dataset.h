#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/base/bytes.h"
#include "src/base/node_memory.h"

#include "src/tensor/tensor.h"

namespace qsweep {

/// How a picture is fitted into the model's input size.
struct ResizeSpec {
  std::string mode;                ///< stretch, letterbox, crop
  std::vector<std::int64_t> size;  ///< height, width
  std::string interpolation = "bilinear";
  int pad = 114;                 ///< letterbox: value of the border
  std::string align = "center";  ///< letterbox: center or top_left
  std::int64_t shorter = 0;  ///< crop: the shorter side is made this long first; 0: as `size` needs
  friend bool operator==(const ResizeSpec&, const ResizeSpec&) = default;
};

/// How pixels become the model's input: x' = (x / scale - mean[c]) / std[c], channels in `color`
/// order. Computed in f32 in the order written, each step rounded, as NumPy and PyTorch pipelines
/// do.
struct InputSpec {
  std::string layout = "NCHW";  ///< of the model's input: NCHW or NHWC
  std::string color = "RGB";    ///< RGB or BGR
  double scale = 1.0;
  std::vector<double> mean = {0, 0, 0};  ///< one per channel, or one for all
  std::vector<double> std = {1, 1, 1};
  using Resize = ResizeSpec;
  std::optional<Resize> resize;
  friend bool operator==(const InputSpec&, const InputSpec&) = default;
};

struct DataSpec;

/// A labelled image set. Sample ids are 0..size()-1 in file order. Immutable, thread-safe. Samples
/// are read when they are asked for: opening a set takes neither time nor memory for its pictures.
/// Pictures are decoded once for the ranks of a NodeShare. A file that changes while the set is
/// open is an error of whatever reads it.
class Dataset {
 public:
  virtual ~Dataset() = default;
  [[nodiscard]] virtual std::int64_t size() const = 0;
  [[nodiscard]] virtual std::int64_t classes() const = 0;
  /// True where the data itself says how many classes there are, and not its largest label.
  [[nodiscard]] virtual bool declares_classes() const { return false; }
  /// @throws Error(config) where the sample has none.
  [[nodiscard]] virtual std::int64_t label(std::int64_t sample) const = 0;
  /// False where no sample has a label.
  [[nodiscard]] virtual bool has_labels() const { return true; }
  /// Preprocessed, row_major f32: [ids, C, H, W], or [ids, H, W, C] for a model whose layout is
  /// NHWC. Ids are in 0..size()-1, in any order; they may repeat.
  /// @throws Error naming the file: damaged, changed, or (numeric) of values that are not finite
  [[nodiscard]] virtual Tensor images(std::span<const std::int64_t> ids) const = 0;
  /// The picture as stored, label excluded.
  [[nodiscard]] virtual Bytes sample_bytes(std::int64_t sample) const = 0;
  /// Names a sample in messages.
  [[nodiscard]] virtual std::string sample_name(std::int64_t sample) const;
  /// The first 64 bits of the SHA-256 of sample_bytes(); equal samples are the same picture (leak
  /// check, R049).
  [[nodiscard]] virtual std::uint64_t sample_hash(std::int64_t sample) const;
  /// SHA-256 of what these samples are: ids, pictures, and labels, objects or masks. Two sets give
  /// the same digest for the same ids where evaluating them gives the same; files of other samples
  /// are not read.
  [[nodiscard]] std::string digest(std::span<const std::int64_t> ids) const;
  /// @throws Error(not_found) naming the first few of these samples whose files cannot be opened
  virtual void require(std::span<const std::int64_t> ids) const { static_cast<void>(ids); }
  /// What was left out when the set was opened, and why: a sentence each, for people.
  [[nodiscard]] virtual std::vector<std::string> remarks() const { return {}; }
  /// What was decoded so far, and for whom it is kept: a line for the log. Empty where nothing is.
  [[nodiscard]] virtual std::string decoding() const { return {}; }

 private:
  friend std::unique_ptr<Dataset> open_dataset(const DataSpec&, const InputSpec&, const NodeShare&);
  /// Called once, when the data set is open.
  virtual void share(const NodeShare& share) { static_cast<void>(share); }
  /// What decides a sample's outcome besides its picture, as text: a label, objects, a mask.
  [[nodiscard]] virtual std::string truth_text(std::int64_t sample) const;
};

/// What a data specification names: `cifar10:PATH[,PATH...]`, `cifar100:PATH[,PATH...]`,
/// `npy:IMAGES.npy,LABELS.npy`, `images:LIST.txt`, `folder:DIR`,
/// `coco:IMAGES_DIR,ANNOTATIONS.json`, `masks:IMAGES_DIR,MASKS_DIR`.
struct DataSpec {
  std::string format;
  std::vector<std::filesystem::path> paths;
};
/// Paths start from the current folder and are absolute afterwards.
/// @param where for messages; empty: `text`
/// @throws Error(config) on an unknown format, naming the nearest, or on an empty path;
///         Error(not_found) where a comma or a `~` made a path that does not exist.
[[nodiscard]] DataSpec parse_data_spec(const std::string& text, const std::string& where = {});

/// The formats of data specifications.
[[nodiscard]] std::vector<std::string> data_formats();

/// Paths separated by commas, each as it is. `\,` is a comma of a name; so is one that makes the
/// name of something that exists, be it the whole text or a part of it. Blanks around a path are
/// left out unless they belong to an existing name. An empty path is kept as such.
/// @param folder where relative paths start, to see what exists
[[nodiscard]] std::vector<std::string> split_paths(const std::string& text,
                                                   const std::filesystem::path& folder);

/// cifar10, cifar100: binary records of the data set's home page; cifar100 uses the fine labels.
/// npy: images [N, C, H, W] (or [N, H, W, C] when layout is NHWC) of any type of number, pixels in
/// RGB order, and whole labels [N] or [N, 1].
/// images: lines `path label`, paths relative to the list; JPEG and PNG, fitted to
/// `input.resize.size`.
/// folder: pictures in one subfolder per class and below it, classes by sorted name.
/// coco: pictures and boxes of a COCO instances file, a DetectionData; samples by ascending image
/// id.
/// masks: pictures and PNG masks of the same names, a SegmentationData.
/// Picture files are not looked at: choose_samples() checks those it chooses.
/// @throws Error naming the file: missing, empty, size not a multiple of the record, label out of
/// range;
///         Error(unsupported) when `input` asks for another size than the data has.
[[nodiscard]] std::unique_ptr<Dataset> open_dataset(const DataSpec& spec,
                                                    const InputSpec& input,
                                                    const NodeShare& share = {});

enum class Sampling { first, random, stratified };
[[nodiscard]] Sampling parse_sampling(const std::string& name);

/// `count` sample ids, fixed by the seed, sorted. stratified: equal per class within one (R050),
/// except that a class with fewer samples gives all it has and the others share the rest; random
/// for data without labels.
/// @throws Error(config) when the set has fewer; as Dataset::require() of the ids.
[[nodiscard]] std::vector<std::int64_t> choose_samples(const Dataset& data,
                                                       std::int64_t count,
                                                       Sampling sampling,
                                                       std::uint64_t seed);

/// Sample ids of `a` whose pictures also are among `b_ids` of `b` (by sample_hash, confirmed by
/// bytes), in the order of `a_ids`.
[[nodiscard]] std::vector<std::int64_t> overlapping_samples(const Dataset& a,
                                                            std::span<const std::int64_t> a_ids,
                                                            const Dataset& b,
                                                            std::span<const std::int64_t> b_ids);

}  // namespace qsweep
