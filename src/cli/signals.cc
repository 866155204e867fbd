#include "src/cli/signals.h"

#include <csignal>

#include <unistd.h>

namespace qsweep {
namespace {

std::atomic<bool> stop{false};
std::atomic<int> received{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void on_signal(int signal) {
  if (signal == SIGINT && stop.exchange(true)) _exit(130);
  received = signal;
  stop = true;
}

void install(void (*handler)(int)) {
  for (int signal : {SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) std::signal(signal, handler);
  // nohup has it ignored, so that the end of a terminal does not end the run.
  if (std::signal(SIGHUP, handler) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
}

}  // namespace

const std::atomic<bool>& stop_on_signals() {
  install(on_signal);
  return stop;
}

void ignore_stop_signals() {
  install(SIG_IGN);
}

int stop_signal() {
  return received;
}

}  // namespace qsweep
