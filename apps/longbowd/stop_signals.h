// Waiting for SIGTERM and SIGINT in a thread of one's choice, rather than in a handler.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "longbow/base/status.h"

namespace longbow {

// For the whole process; to be called before any thread is made. A closed pipe or socket is an error, not a
// signal.
void BlockStopSignals();

enum class StopEvent : uint8_t { kSignal, kWoken, kTimeout };

// Several may wait at one time; a signal goes to one of them. Wake is thread-safe, the rest is confined.
class StopSignals {
 public:
  static Result<std::unique_ptr<StopSignals>> Make();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // Without a timeout: for ever. A wake that came before stays until a Wait takes it.
  StopEvent Wait(std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  void Wake();

 private:
  StopSignals(int signals, int wakes) : signals_(signals), wakes_(wakes) {}

  const int signals_, wakes_;  // signalfd(2), eventfd(2)
};

}  // namespace longbow
