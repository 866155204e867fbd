#include "ranks/mpi/mpi_transport.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <list>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

constexpr std::chrono::microseconds kShortestNap{50};
constexpr std::chrono::microseconds kLongestNap{1000};
/// How long the end of a session waits for sends that nobody receives.
constexpr std::chrono::seconds kFlushTime{10};

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(status, text.data(), &length);
  throw Error(ErrorCode::resource,
              fmt::format("MPI: {} failed: {}", what,
                          std::string(text.data(), static_cast<std::size_t>(length))));
}

class MpiTransport final : public Transport {
 public:
  MpiTransport() {
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    MPI_Comm node = MPI_COMM_NULL;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node),
          "MPI_Comm_split_type");
    check(MPI_Comm_size(node, &node_size_), "MPI_Comm_size");
    check(MPI_Comm_free(&node), "MPI_Comm_free");
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int node_size() const override { return node_size_; }
  std::string host() const override {
    std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
    int length = 0;
    check(MPI_Get_processor_name(name.data(), &length), "MPI_Get_processor_name");
    return {name.data(), static_cast<std::size_t>(length)};
  }
  double now() const override { return MPI_Wtime(); }

  void send(int to, std::uint8_t kind, Payload payload) override {
    if (payload.size() > kMaxMessageBytes)
      throw Error(ErrorCode::resource, "a message between ranks is too large");
    collect_sent();
    pending_.push_back({std::move(payload), MPI_REQUEST_NULL, to});
    Pending& p = pending_.back();
    // Sends to several ranks may read one buffer at the same time.
    check(MPI_Isend(p.payload.view().data(), static_cast<int>(p.payload.size()), MPI_BYTE, to, kind,
                    MPI_COMM_WORLD, &p.request),
          "MPI_Isend");
  }

  std::optional<Message> receive(std::chrono::microseconds timeout) override {
    collect_sent();
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    for (;;) {
      while (accept_one()) {
      }
      if (auto message = take_arrived()) {
        nap_ = kShortestNap;
        return message;
      }
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= std::chrono::steady_clock::duration::zero()) return std::nullopt;
      std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(nap_, left));
      nap_ = std::min(2 * nap_, kLongestNap);
    }
  }

  void give_up(int rank) override { lost_.insert(rank); }
  [[nodiscard]] bool has_lost() const { return !lost_.empty(); }

  /// Ends what is under way with ranks that are not lost. @return false when some did not complete
  bool flush() {
    const auto deadline = std::chrono::steady_clock::now() + kFlushTime;
    const auto is_lost = [this](int rank) { return lost_.contains(rank); };
    for (;;) {
      collect_sent();
      while (take_arrived()) {
      }
      if (std::ranges::all_of(pending_, is_lost, &Pending::to) &&
          std::ranges::all_of(arriving_, is_lost, &Arriving::from))
        return true;
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(kShortestNap);
    }
  }

 private:
  struct Pending {
    Payload payload;
    MPI_Request request;
    int to;
  };

  struct Arriving {
    int from;
    std::uint8_t kind;
    Bytes payload;
    MPI_Request request;
  };

  /// Begins to receive a message that a rank offers. Large ones come in parts as their sender finds
  /// time for them, or never when it dies: nobody waits in MPI for their end.
  bool accept_one() {
    int found = 0;
    MPI_Message handle = MPI_MESSAGE_NULL;
    MPI_Status status;
    check(MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, &handle, &status),
          "MPI_Improbe");
    if (!found) return false;
    int bytes = 0;
    check(MPI_Get_count(&status, MPI_BYTE, &bytes), "MPI_Get_count");
    arriving_.push_back({status.MPI_SOURCE, static_cast<std::uint8_t>(status.MPI_TAG),
                         Bytes(static_cast<std::size_t>(bytes)), MPI_REQUEST_NULL});
    Arriving& a = arriving_.back();
    check(MPI_Imrecv(a.payload.data(), bytes, MPI_BYTE, &handle, &a.request), "MPI_Imrecv");
    return true;
  }

  /// The first message that has arrived and is its sender's oldest.
  std::optional<Message> take_arrived() {
    std::set<int> waited_for;
    for (auto a = arriving_.begin(); a != arriving_.end(); ++a) {
      if (waited_for.contains(a->from)) continue;
      int done = 0;
      // A transfer that fails is silence of its sender, like one that never ends.
      const bool ok = MPI_Test(&a->request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS;
      if (!ok || !done) {
        waited_for.insert(a->from);
        continue;
      }
      Message message{.from = a->from, .kind = a->kind, .payload = Payload(std::move(a->payload))};
      arriving_.erase(a);
      return message;
    }
    return std::nullopt;
  }

  void collect_sent() {
    // A send that fails cannot be repeated: its rank is found out by its silence.
    std::erase_if(pending_, [](Pending& p) {
      int done = 0;
      return MPI_Test(&p.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done != 0;
    });
  }

  int rank_ = 0;
  int size_ = 1;
  int node_size_ = 1;
  std::chrono::microseconds nap_ = kShortestNap;
  std::set<int> lost_;
  // Lists: the buffers stay MPI's, in place, until they are sent or filled.
  std::list<Pending> pending_;
  std::list<Arriving> arriving_;
};

/// Ranks of one node need no fabric, and looking for one takes Open MPI a fifth of a second. What
/// the environment or mpirun's options choose stays.
void skip_fabrics_on_one_node() {
  const char* all = std::getenv("OMPI_COMM_WORLD_SIZE");
  const char* on_this_node = std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE");
  constexpr int kKeep = 0;
  if (all && on_this_node && std::string_view(all) == on_this_node)
    (void)::setenv("OMPI_MCA_pml", "ob1", kKeep);
}

}  // namespace

class MpiSession::Impl {
 public:
  MpiTransport transport;
  bool abandoned = false;
};

bool MpiSession::launched_by_mpi() {
  constexpr std::array kSigns = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"};
  return std::any_of(kSigns.begin(), kSigns.end(),
                     [](const char* name) { return std::getenv(name) != nullptr; });
}

MpiSession::MpiSession() {
  skip_fabrics_on_one_node();
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  if (provided < MPI_THREAD_FUNNELED)
    throw Error(ErrorCode::resource,
                "this MPI does not allow threads beside the one that communicates");
  check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  impl_ = std::make_unique<Impl>();
}

MpiSession::~MpiSession() {
  const bool all_sent = !impl_->abandoned && impl_->transport.flush();
  if (all_sent && !impl_->transport.has_lost()) {
    MPI_Finalize();
  } else {
    // What is still under way reads its buffers until the process ends.
    (void)impl_.release();
  }
}

Transport& MpiSession::transport() {
  return impl_->transport;
}
void MpiSession::abandon() {
  impl_->abandoned = true;
}

std::string mpi_library_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string all(text.data(), static_cast<std::size_t>(length));
  return all.substr(0, all.find(','));
}

}  // namespace qsweep
