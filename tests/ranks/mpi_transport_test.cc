#include "ranks/mpi/mpi_transport.h"

#include <csignal>
#include <cstdlib>
#include <map>

#include <gtest/gtest.h>

// Rank 0 runs the test. Rank 1 dies in the middle of a message; rank 2 and all above send two.

namespace qsweep {
namespace {

constexpr std::uint8_t kLarge = 1, kSmall = 2, kEnough = 3;
constexpr std::size_t kLargeBytes = std::size_t{32} << 20;

Transport*& transport() {
  static Transport* instance = nullptr;
  return instance;
}

TEST(MpiTransportTest, a_sender_that_dies_within_a_message_holds_up_nobody) {
  const int senders = transport()->size() - 2;
  std::map<int, std::vector<std::uint8_t>> kinds;
  for (int messages = 0; messages < 2 * senders;) {
    const auto m = transport()->receive(std::chrono::seconds(20));
    ASSERT_TRUE(m) << "nothing came";
    if (m->from == 1) continue;  // it may have got through
    EXPECT_EQ(m->payload.size(), m->kind == kLarge ? kLargeBytes : 1);
    for (const std::byte b : m->payload.view()) ASSERT_EQ(b, std::byte(m->from));
    kinds[m->from].push_back(m->kind);
    ++messages;
  }
  for (int r = 2; r < transport()->size(); ++r)
    EXPECT_EQ(kinds[r], (std::vector<std::uint8_t>{kLarge, kSmall}));
  transport()->give_up(1);
  for (int r = 2; r < transport()->size(); ++r) transport()->send(r, kEnough, {});
}

int send_two(int rank) {
  transport()->send(0, kLarge, Payload(Bytes(kLargeBytes, std::byte(rank))));
  if (rank == 1) std::raise(SIGKILL);
  transport()->send(0, kSmall, Payload(Bytes(1, std::byte(rank))));
  const bool told = transport()->receive(std::chrono::seconds(60)).has_value();
  transport()->give_up(1);
  return told ? 0 : 1;
}

}  // namespace
}  // namespace qsweep

int main(int argc, char** argv) {
  // Otherwise the receiver reads the message out of the sender's memory, all at once.
  (void)::setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 1);
  qsweep::MpiSession mpi;
  qsweep::transport() = &mpi.transport();
  if (mpi.transport().rank() != 0) return qsweep::send_two(mpi.transport().rank());
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
