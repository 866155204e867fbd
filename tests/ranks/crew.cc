#include "tests/ranks/crew.h"

#include <chrono>
#include <sstream>
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

Answer configured(int rank, const std::string& state) {
  if (state == "bad") return {Fate::fails, "a bad state"};
  Answer a;
  std::istringstream clauses(state);
  for (std::string clause; std::getline(clauses, clause, ';');) {
    std::istringstream words(clause);
    std::string verb;
    double number = 0.0;
    if (!(words >> verb >> number)) continue;
    if (verb == "slow") a.seconds = number;
    if (number != rank) continue;
    if (verb == "fail_on") a = {Fate::fails, "cannot open eval.bin", a.seconds};
    if (verb == "differ_on") a = {Fate::differs, "another eval.bin", a.seconds};
    if (verb == "die_on") a.fate = Fate::dies;
  }
  return a;
}

Error configure_error(const Answer& answer) {
  const bool differs = answer.fate == Fate::differs;
  return {differs ? ErrorCode::mismatch : ErrorCode::not_found, answer.text, "data", "Copy it"};
}

StopFlag::StopFlag(double after_s)
    : timer_([this, after_s] {
        std::unique_lock lock(mutex_);
        const auto time = std::chrono::duration<double>(after_s);
        if (!changed_.wait_for(lock, time, [this] { return is_over_; })) flag_ = true;
      }) {}

StopFlag::~StopFlag() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  timer_.join();
}

void TextHandler::configure(ByteView state) {
  const std::string text(as_text(state));
  const Answer a = configured(rank_, text);
  std::this_thread::sleep_for(std::chrono::duration<double>(a.seconds));
  if (a.fate == Fate::dies) die_();
  if (a.fate != Fate::answers) throw configure_error(a);
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
