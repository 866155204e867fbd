#include <condition_variable>
#include <deque>
#include <mutex>

#include "src/base/error.h"

#include "ranks/transport.h"

namespace qsweep {
namespace {

struct Mailbox {
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<Message> messages;
};

class ThreadTransport final : public Transport {
 public:
  ThreadTransport(int rank, std::shared_ptr<std::vector<Mailbox>> boxes)
      : rank_(rank), boxes_(std::move(boxes)) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(boxes_->size()); }
  bool has_process() const override { return false; }

  void send(int to, std::uint8_t kind, Payload payload) override {
    if (payload.size() > kMaxMessageBytes)
      throw Error(ErrorCode::resource, "a message between ranks is too large");
    Mailbox& box = boxes_->at(static_cast<std::size_t>(to));
    {
      const std::lock_guard lock(box.mutex);
      box.messages.push_back(
          {.from = rank_, .kind = kind, .payload = std::move(payload), .is_in_memory = true});
    }
    box.arrived.notify_one();
  }

  std::optional<Message> receive(std::chrono::microseconds timeout) override {
    Mailbox& box = (*boxes_)[static_cast<std::size_t>(rank_)];
    std::unique_lock lock(box.mutex);
    if (!box.arrived.wait_for(lock, timeout, [&] { return !box.messages.empty(); }))
      return std::nullopt;
    Message message = std::move(box.messages.front());
    box.messages.pop_front();
    return message;
  }

  double now() const override {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

 private:
  int rank_;
  std::shared_ptr<std::vector<Mailbox>> boxes_;
};

}  // namespace

std::vector<std::unique_ptr<Transport>> make_thread_transports(int n) {
  auto boxes = std::make_shared<std::vector<Mailbox>>(static_cast<std::size_t>(n));
  std::vector<std::unique_ptr<Transport>> transports;
  for (int rank = 0; rank < n; ++rank)
    transports.push_back(std::make_unique<ThreadTransport>(rank, boxes));
  return transports;
}

}  // namespace qsweep
