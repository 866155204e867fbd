#pragma once

#include <atomic>

namespace qsweep {

/// Turns SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2, with which people, schedulers and terminals
/// announce an end, into a request to stop: the running tasks drain, state is saved. A second
/// SIGINT ends the process at once. A SIGHUP that was ignored at the start (nohup) stays ignored.
const std::atomic<bool>& stop_on_signals();

/// Ranks other than 0 leave stopping to rank 0: launchers send their signals to everyone.
void ignore_stop_signals();

/// The signal that asked for the stop, or 0.
[[nodiscard]] int stop_signal();

}  // namespace qsweep
