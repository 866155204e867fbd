#include "ranks/messages.h"

#include <gtest/gtest.h>

#include "src/base/error.h"
#include "src/base/hash.h"

namespace qsweep {
namespace {

Bytes to_bytes(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

TEST(MessagesTest, decoding_gives_back_what_was_encoded) {
  const auto hello = message::decode_hello(
      {1, message::hello, message::encode_hello({.fingerprint = "v1 avx2", .host = "node1"})});
  EXPECT_EQ(hello.fingerprint, "v1 avx2");
  EXPECT_EQ(hello.host, "node1");
  const auto state = message::decode_configure(
      {0, message::configure, message::encode_configure(7, as_bytes("state"))});
  EXPECT_EQ(state.number, 7u);
  EXPECT_EQ(as_text(state.state.view()), "state");
  const auto task =
      message::decode_task({0, message::task, message::encode_task(3, 9, as_bytes("p"))});
  EXPECT_EQ(task.round, 3u);
  EXPECT_EQ(task.index, 9u);
  EXPECT_EQ(as_text(task.payload.view()), "p");
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

TEST(MessagesTest, an_answer_to_a_configuration_is_ok_or_says_why) {
  const auto through = [](const message::ConfiguredMessage& m) {
    return message::decode_configured({1, message::configured, message::encode_configured(m)});
  };
  EXPECT_EQ(through({.number = 3}).number, 3u);
  EXPECT_FALSE(through({.number = 3}).refusal.has_value());
  for (const ErrorCode code : {ErrorCode::usage, ErrorCode::mismatch, ErrorCode::internal}) {
    const auto answer =
        through({.number = 4, .refusal = Refusal{.code = code, .reason = "why", .hint = "do"}});
    ASSERT_TRUE(answer.refusal.has_value());
    EXPECT_EQ(answer.refusal->code, code);
    EXPECT_EQ(answer.refusal->reason, "why");
    EXPECT_EQ(answer.refusal->hint, "do");
  }
  const auto strange = static_cast<ErrorCode>(static_cast<int>(ErrorCode::internal) + 1);
  EXPECT_THROW((void)through({.number = 4, .refusal = Refusal{.code = strange}}), Error);
}

TEST(MessagesTest, a_hello_of_another_protocol_says_so_whatever_follows) {
  ByteWriter out;
  out.u32(message::kProtocolVersion + 1);
  out.str("fields of the future");
  const auto kind = static_cast<std::byte>(message::hello);
  out.u32(crc32c(out.bytes(), crc32c(ByteView(&kind, 1))));
  EXPECT_EQ(message::decode_hello({1, message::hello, Payload(out.take())}).fingerprint,
            "protocol version 3");
}

TEST(MessagesTest, every_changed_or_missing_byte_is_noticed) {
  const Payload keeper = message::encode_task(3, 9, as_bytes("payload"));
  const Bytes whole(keeper.view().begin(), keeper.view().end());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes flipped = whole;
    flipped[i] ^= std::byte{0x10};
    EXPECT_THROW((void)message::decode_task({1, message::task, Payload(flipped)}), Error) << i;
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THROW((void)message::decode_task({1, message::task, Payload(cut)}), Error) << i;
  }
  EXPECT_THROW((void)message::decode_task({1, message::outcome, keeper}), Error);
}

TEST(MessagesTest, decoded_states_and_tasks_share_the_buffer_of_their_message) {
  const auto lies_in = [](ByteView part, ByteView whole) {
    return part.data() > whole.data() && part.data() + part.size() < whole.data() + whole.size();
  };
  const Payload state = message::encode_configure(1, as_bytes("state"));
  EXPECT_TRUE(lies_in(message::decode_configure({0, message::configure, state}).state.view(),
                      state.view()));
  const Payload task = message::encode_task(1, 2, as_bytes("task"));
  EXPECT_TRUE(lies_in(message::decode_task({0, message::task, task}).payload.view(), task.view()));
}

TEST(MessagesTest, texts_are_cut_to_their_limit) {
  const std::string longer(message::kMaxTextBytes + 100, 'e');
  const auto hello = message::decode_hello(
      {1, message::hello, message::encode_hello({.fingerprint = longer, .host = longer})});
  EXPECT_EQ(hello.fingerprint.size(), message::kMaxTextBytes);
  EXPECT_EQ(hello.host.size(), message::kMaxTextBytes);
  const auto answer = message::decode_configured(
      {1, message::configured,
       message::encode_configured({.refusal = Refusal{.reason = longer, .hint = longer}})});
  EXPECT_EQ(answer.refusal->reason.size(), message::kMaxTextBytes);
  EXPECT_EQ(answer.refusal->hint.size(), message::kMaxTextBytes);
  const Payload outcome = message::encode_outcome({.error = longer});
  EXPECT_EQ(message::decode_outcome({1, message::outcome, outcome}).error.size(),
            message::kMaxTextBytes);
}

}  // namespace
}  // namespace qsweep
