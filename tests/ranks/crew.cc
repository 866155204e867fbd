#include "tests/ranks/crew.h"

#include <chrono>
#include <stdexcept>
#include <thread>

namespace qsweep::testing {

Answer answer(int rank, const std::string& state, const std::string& task) {
  const std::size_t space = task.find(' ');
  const std::string verb = task.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : task.substr(space + 1);
  if (verb == "echo") return {Fate::answers, state + rest, 0.0};
  if (verb == "sleep") return {Fate::answers, state + rest, std::stod(rest)};
  if (verb == "fail") return {Fate::fails, "cannot do " + rest, 0.0};
  if (verb == "fail_on" && std::stoi(rest) == rank) return {Fate::fails, "not on " + rest, 0.0};
  if (verb == "die_on" && std::stoi(rest) == rank) return {Fate::dies, "", 0.0};
  return {Fate::answers, state + "done", 0.001};
}

void TextHandler::configure(ByteView state) {
  const std::string text(as_text(state));
  if (text == "bad") throw std::runtime_error("a bad state");
  state_ = text;
}

Bytes TextHandler::run(ByteView task) {
  const Answer a = answer(rank_, state_, std::string(as_text(task)));
  std::this_thread::sleep_for(std::chrono::duration<double>(a.seconds));
  if (a.fate == Fate::dies) die_();
  if (a.fate == Fate::fails) throw std::runtime_error(a.text);
  const ByteView bytes = as_bytes(a.text);
  return {bytes.begin(), bytes.end()};
}

}  // namespace qsweep::testing
