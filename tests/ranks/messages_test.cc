#include "ranks/messages.h"

#include <gtest/gtest.h>

#include "src/base/error.h"

namespace qsweep {
namespace {

Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

TEST(MessagesTest, decoding_gives_back_what_was_encoded) {
  EXPECT_EQ(message::decode_hello({1, message::hello, message::encode_hello("v1 avx2")}),
            "v1 avx2");
  EXPECT_EQ(message::decode_configure(
                {0, message::configure, message::encode_configure(as_bytes("state"))}),
            to_bytes("state"));
  const auto task =
      message::decode_task({0, message::task, message::encode_task(3, 9, as_bytes("p"))});
  EXPECT_EQ(task.round, 3u);
  EXPECT_EQ(task.index, 9u);
  EXPECT_EQ(task.payload, to_bytes("p"));
  const auto outcome = message::decode_outcome({1, message::outcome,
                                                message::encode_outcome({.round = 1,
                                                                         .index = 2,
                                                                         .ok = true,
                                                                         .seconds = 0.5,
                                                                         .result = to_bytes("r"),
                                                                         .error = "e"})});
  EXPECT_EQ(outcome.round, 1u);
  EXPECT_EQ(outcome.index, 2u);
  EXPECT_TRUE(outcome.ok);
  EXPECT_EQ(outcome.seconds, 0.5);
  EXPECT_EQ(outcome.result, to_bytes("r"));
  EXPECT_EQ(outcome.error, "e");
  EXPECT_EQ(message::decode_leave({0, message::leave, message::encode_leave({4, 7})}),
            (std::vector<int>{4, 7}));
  message::decode_empty({0, message::drain, message::encode_empty(message::drain)});
}

TEST(MessagesTest, every_changed_or_missing_byte_is_noticed) {
  const Bytes whole = message::encode_task(3, 9, as_bytes("payload"));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes flipped = whole;
    flipped[i] ^= std::byte{0x10};
    EXPECT_THROW((void)message::decode_task({1, message::task, flipped}), Error) << i;
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THROW((void)message::decode_task({1, message::task, cut}), Error) << i;
  }
  EXPECT_THROW((void)message::decode_task({1, message::outcome, whole}), Error);
}

TEST(MessagesTest, texts_are_cut_to_their_limit) {
  const std::string longer(message::kMaxTextBytes + 100, 'e');
  const Bytes hello = message::encode_hello(longer);
  EXPECT_EQ(message::decode_hello({1, message::hello, hello}).size(), message::kMaxTextBytes);
  const Bytes outcome = message::encode_outcome({.error = longer});
  EXPECT_EQ(message::decode_outcome({1, message::outcome, outcome}).error.size(),
            message::kMaxTextBytes);
}

}  // namespace
}  // namespace qsweep
