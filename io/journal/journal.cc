#include "io/journal/journal.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/log.h"

#include "io/fs/file_system.h"
#include "io/journal/lock.h"

namespace qsweep {
namespace {

// Layout: FORMATS.md.
constexpr std::string_view kMagic = "QSJ";
constexpr std::uint8_t kVersion = 2;
constexpr std::string_view kMarker = "QSR\n";
constexpr std::size_t kFrameBytes = 12;  ///< marker, u32 length, u32 CRC-32C of length and body
constexpr std::uint32_t kMaxRecordBytes = std::uint32_t{1} << 30;
constexpr auto kSyncInterval = std::chrono::seconds(1);

std::uint32_t checksum(std::uint32_t length, ByteView body) {
  ByteWriter head;
  head.u32(length);
  return crc32c(body, crc32c(head.bytes()));
}

Bytes frame(ByteView body) {
  const auto length = static_cast<std::uint32_t>(body.size());
  ByteWriter out;
  out.raw(as_bytes(kMarker));
  out.u32(length);
  out.u32(checksum(length, body));
  out.raw(body);
  return out.take();
}

Bytes header_frame(const std::string& header) {
  ByteWriter body;
  body.raw(as_bytes(kMagic));
  body.u8(kVersion);
  body.str(header);
  return frame(body.bytes());
}

/// The body of the whole and undamaged frame that starts at `at`, if there is one.
std::optional<ByteView> frame_at(ByteView bytes, std::size_t at) {
  if (bytes.size() - at < kFrameBytes) return std::nullopt;
  ByteReader head(bytes.subspan(at, kFrameBytes), "journal");
  if (as_text(head.raw(kMarker.size())) != kMarker) return std::nullopt;
  const std::uint32_t length = head.u32();
  const std::uint32_t expected = head.u32();
  if (length > bytes.size() - at - kFrameBytes) return std::nullopt;
  const ByteView body = bytes.subspan(at + kFrameBytes, length);
  if (checksum(length, body) != expected) return std::nullopt;
  return body;
}

/// Walks the frames of a journal's bytes.
class FrameReader {
 public:
  FrameReader(ByteView bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  /// The next frame's body; nothing at the end or at a torn tail (then at() < size).
  std::optional<ByteView> next() {
    const auto body = frame_at(bytes_, at_);
    if (body) {
      at_ += kFrameBytes + body->size();
    } else {
      refuse_damage();
    }
    return body;
  }

  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  /// An unfinished write is the last thing in the file; a whole record behind it proves damage.
  void refuse_damage() const {
    const std::string_view text = as_text(bytes_);
    for (std::size_t i = text.find(kMarker, at_ + 1); i != std::string_view::npos;
         i = text.find(kMarker, i + 1)) {
      if (!frame_at(bytes_, i)) continue;
      throw Error(ErrorCode::corrupt_input, fmt::format("the journal is damaged at byte {}", at_),
                  where_, "Restore it from a copy, or delete the run directory and start again");
    }
  }

  ByteView bytes_;
  std::string where_;
  std::size_t at_ = 0;
};

std::string read_header(FrameReader& frames, const std::string& where) {
  const auto body = frames.next();
  if (!body || body->size() <= kMagic.size() || as_text(body->first(kMagic.size())) != kMagic) {
    throw Error(ErrorCode::corrupt_input,
                "this is not a qsweep journal, or its first record is damaged", where,
                "Delete it to start the run again");
  }
  ByteReader in(body->subspan(kMagic.size()), where);
  if (const int version = in.u8(); version != kVersion) {
    throw Error(ErrorCode::unsupported,
                fmt::format("the journal has format version {}, and this qsweep reads {}", version,
                            int{kVersion}),
                where, "Resume with the qsweep that began this run, or choose another --out");
  }
  std::string header = in.str();
  in.finish();
  return header;
}

Journal::Record decode(ByteView body, const std::string& where) {
  ByteReader in(body, where);
  Journal::Record r;
  r.kind = in.u8();
  r.key = in.str();
  const ByteView payload = in.blob();
  r.payload.assign(payload.begin(), payload.end());
  in.finish();
  return r;
}

class FileJournal final : public Journal {
 public:
  FileJournal(std::filesystem::path path,
              std::unique_ptr<RunLock> lock,
              std::unique_ptr<AppendFile> file)
      : path_(std::move(path)), lock_(std::move(lock)), file_(std::move(file)) {}
  ~FileJournal() override {
    if (!is_whole_) return;  // whoever saw it break knows
    try {
      sync();
    } catch (const std::exception& e) {
      log_warning(fmt::format("the last records may not be saved: {}", e.what()));
    }
  }

  void append(const Record& record) override {
    ByteWriter body;
    body.u8(record.kind);
    body.str(record.key);
    body.blob(record.payload);
    if (body.bytes().size() > kMaxRecordBytes)
      throw Error(ErrorCode::resource, "a record is too large for the journal", record.key);
    require_whole();
    is_whole_ = false;
    file_->append(frame(body.bytes()));
    is_whole_ = true;
    dirty_ = true;
    if (std::chrono::steady_clock::now() - synced_ >= kSyncInterval) sync();
  }

  void sync() override {
    if (!dirty_) return;
    require_whole();
    is_whole_ = false;
    file_->sync();
    is_whole_ = true;
    dirty_ = false;
    synced_ = std::chrono::steady_clock::now();
  }

 private:
  /// After a failed append the tail may be torn, and what is written behind it would be lost with
  /// it; after a failed sync the system may have dropped what it could not write.
  void require_whole() const {
    if (!is_whole_)
      throw Error(ErrorCode::io, "the journal cannot be written any more", path_.string(),
                  "Run the same command again to go on from what is saved");
  }

  std::filesystem::path path_;
  std::unique_ptr<RunLock> lock_;
  std::unique_ptr<AppendFile> file_;
  bool dirty_ = false;    ///< something is appended that is not synced
  bool is_whole_ = true;  ///< no operation on the file has failed
  std::chrono::steady_clock::time_point synced_{};
};

}  // namespace

std::unique_ptr<Journal> Journal::open(FileSystem& files,
                                       const std::filesystem::path& path,
                                       const std::string& header,
                                       const std::function<void(const std::string&)>& check,
                                       const std::function<void(const Record&)>& replay) {
  std::filesystem::path lock_path = path;
  lock_path += ".lock";
  auto lock = std::make_unique<RunLock>(lock_path);
  const Bytes bytes = files.exists(path) ? files.read(path) : Bytes{};
  const Bytes first = header_frame(header);
  if (bytes.size() < first.size() && std::equal(bytes.begin(), bytes.end(), first.begin())) {
    files.replace(path, first);  // new, or cut off while its header was written
    return std::make_unique<FileJournal>(path, std::move(lock), files.open_append(path));
  }
  FrameReader frames(bytes, path.string());
  check(read_header(frames, path.string()));
  while (const auto body = frames.next()) replay(decode(*body, path.string()));
  if (frames.at() < bytes.size()) {
    log_info(fmt::format("journal: {} bytes of an unfinished record at its end are dropped",
                         bytes.size() - frames.at()));
    files.truncate(path, frames.at());
  }
  return std::make_unique<FileJournal>(path, std::move(lock), files.open_append(path));
}

void Journal::read(FileSystem& files,
                   const std::filesystem::path& path,
                   const std::function<void(const Record&)>& replay,
                   std::string* header) {
  const Bytes bytes = files.read(path);
  FrameReader frames(bytes, path.string());
  const std::string found = read_header(frames, path.string());
  if (header) *header = found;
  while (const auto body = frames.next()) replay(decode(*body, path.string()));
}

}  // namespace qsweep
