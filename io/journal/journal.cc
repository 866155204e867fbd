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
constexpr std::string_view kMagic = "QSJ1";
constexpr std::size_t kFrameBytes = 8;  ///< u32 length, u32 CRC-32C of the body
constexpr std::uint32_t kMaxRecordBytes = std::uint32_t{1} << 30;
constexpr auto kSyncInterval = std::chrono::seconds(1);

Bytes frame(ByteView body) {
  ByteWriter out;
  out.u32(static_cast<std::uint32_t>(body.size()));
  out.u32(crc32c(body));
  out.raw(body);
  return out.take();
}

Bytes header_frame(const std::string& fingerprint) {
  ByteWriter body;
  body.raw(as_bytes(kMagic));
  body.str(fingerprint);
  return frame(body.bytes());
}

/// Walks the frames of a journal's bytes.
class FrameReader {
 public:
  FrameReader(ByteView bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  /// The next frame's body; nothing at the end or at a torn tail (then at() < size).
  std::optional<ByteView> next() {
    const std::size_t left = bytes_.size() - at_;
    if (left < kFrameBytes) return std::nullopt;
    ByteReader head(bytes_.subspan(at_, kFrameBytes), where_);
    const std::uint32_t length = head.u32();
    const std::uint32_t checksum = head.u32();
    // A length that runs past the end is what a torn write leaves; so is a last frame with a wrong
    // checksum.
    if (length > left - kFrameBytes) return std::nullopt;
    const ByteView body = bytes_.subspan(at_ + kFrameBytes, length);
    if (crc32c(body) != checksum) {
      if (at_ + kFrameBytes + length < bytes_.size()) damaged();
      return std::nullopt;
    }
    at_ += kFrameBytes + length;
    return body;
  }

  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  [[noreturn]] void damaged() const {
    throw Error(ErrorCode::corrupt_input, fmt::format("the journal is damaged at byte {}", at_),
                where_, "Restore it from a copy, or delete the run directory and start again");
  }

  ByteView bytes_;
  std::string where_;
  std::size_t at_ = 0;
};

std::string read_header(FrameReader& frames, const std::string& where) {
  const auto body = frames.next();
  if (!body || body->size() < kMagic.size() || as_text(body->first(kMagic.size())) != kMagic) {
    throw Error(ErrorCode::corrupt_input,
                "this is not a qsweep journal, or its first record is damaged", where,
                "Delete it to start the run again");
  }
  ByteReader in(body->subspan(kMagic.size()), where);
  std::string fingerprint = in.str();
  in.finish();
  return fingerprint;
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
  FileJournal(std::unique_ptr<RunLock> lock, std::unique_ptr<AppendFile> file)
      : lock_(std::move(lock)), file_(std::move(file)) {}
  ~FileJournal() override {
    try {
      sync();
    } catch (const Error& e) {
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
    // After a failed append the tail may be torn; another append behind it would be lost with it.
    if (broken_) throw Error(ErrorCode::io, "the journal cannot be written any more");
    broken_ = true;
    file_->append(frame(body.bytes()));
    broken_ = false;
    dirty_ = true;
    if (std::chrono::steady_clock::now() - synced_ >= kSyncInterval) sync();
  }

  void sync() override {
    if (!dirty_) return;
    file_->sync();
    dirty_ = false;
    synced_ = std::chrono::steady_clock::now();
  }

 private:
  std::unique_ptr<RunLock> lock_;
  std::unique_ptr<AppendFile> file_;
  bool dirty_ = false;
  bool broken_ = false;
  std::chrono::steady_clock::time_point synced_{};
};

}  // namespace

std::unique_ptr<Journal> Journal::open(FileSystem& files,
                                       const std::filesystem::path& path,
                                       const std::string& fingerprint,
                                       const std::function<void(const Record&)>& replay) {
  std::filesystem::path lock_path = path;
  lock_path += ".lock";
  auto lock = std::make_unique<RunLock>(lock_path);
  const Bytes bytes = files.exists(path) ? files.read(path) : Bytes{};
  const Bytes header = header_frame(fingerprint);
  if (bytes.size() < header.size() && std::equal(bytes.begin(), bytes.end(), header.begin())) {
    files.replace(path, header);  // new, or cut off while its header was written
    return std::make_unique<FileJournal>(std::move(lock), files.open_append(path));
  }
  FrameReader frames(bytes, path.string());
  const std::string found = read_header(frames, path.string());
  if (found != fingerprint) {
    throw Error(
        ErrorCode::mismatch,
        "this run directory belongs to another model, data set, configuration or kind of machine",
        path.string(),
        "Choose another --out, or restore what the run was started with (its run_config.yaml)");
  }
  while (const auto body = frames.next()) replay(decode(*body, path.string()));
  if (frames.at() < bytes.size()) {
    log_info(fmt::format("journal: {} bytes of an unfinished record at its end are dropped",
                         bytes.size() - frames.at()));
    files.truncate(path, frames.at());
  }
  return std::make_unique<FileJournal>(std::move(lock), files.open_append(path));
}

void Journal::read(FileSystem& files,
                   const std::filesystem::path& path,
                   const std::function<void(const Record&)>& replay,
                   std::string* fingerprint) {
  const Bytes bytes = files.read(path);
  FrameReader frames(bytes, path.string());
  const std::string found = read_header(frames, path.string());
  if (fingerprint) *fingerprint = found;
  while (const auto body = frames.next()) replay(decode(*body, path.string()));
}

}  // namespace qsweep
