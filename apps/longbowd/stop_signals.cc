#include "stop_signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace longbow {
namespace {

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

void BlockStopSignals() {
  const sigset_t set = StopSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Result<std::unique_ptr<StopSignals>> StopSignals::Make() {
  const sigset_t set = StopSet();
  const int signals = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  const int wakes = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signals < 0 || wakes < 0) {
    return MakeError(ErrorCode::kUnavailable,
                     std::string("cannot wait for signals: ") + std::strerror(errno));
  }
  return std::unique_ptr<StopSignals>(new StopSignals(signals, wakes));
}

StopSignals::~StopSignals() {
  ::close(signals_);
  ::close(wakes_);
}

StopEvent StopSignals::Wait(std::optional<std::chrono::milliseconds> timeout) {
  using Clock = std::chrono::steady_clock;
  const auto end = timeout ? Clock::now() + *timeout : Clock::time_point::max();
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    if (timeout && left <= 0) return StopEvent::kTimeout;
    pollfd waits[] = {{signals_, POLLIN, 0}, {wakes_, POLLIN, 0}};
    if (::poll(waits, 2, timeout ? static_cast<int>(std::min<int64_t>(left, 60'000)) : -1) <= 0) continue;
    signalfd_siginfo signal;
    if (::read(signals_, &signal, sizeof(signal)) > 0) return StopEvent::kSignal;
    eventfd_t wakes;
    if (::eventfd_read(wakes_, &wakes) == 0) return StopEvent::kWoken;
  }
}

void StopSignals::Wake() { ::eventfd_write(wakes_, 1); }

}  // namespace longbow
