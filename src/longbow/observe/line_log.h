// The log sink: what the server tells its operator, a line an event.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "longbow/base/clock.h"

namespace longbow::observe {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : uint8_t { kJson, kConsole };

// Pairs that stand behind the message. Control characters are escaped in both formats, so that one event is
// one line.
using LogFields = std::vector<std::pair<std::string_view, std::string>>;

// {"time":"2031-05-04T10:11:12.345678Z","level":"info","message":"ready","rows":"4700"} or
// 2031-05-04T10:11:12.345678Z INFO  ready rows=4700. Guarded; a line is one write.
class LineLog {
 public:
  LineLog(int descriptor, LogLevel least, LogFormat format, const Clock* clock)
      : descriptor_(descriptor), least_(least), format_(format), clock_(clock) {}

  void Write(LogLevel level, std::string_view message, const LogFields& fields = {});
  void Info(std::string_view message, const LogFields& fields = {}) {
    Write(LogLevel::kInfo, message, fields);
  }
  void Warn(std::string_view message, const LogFields& fields = {}) {
    Write(LogLevel::kWarn, message, fields);
  }
  void Error(std::string_view message, const LogFields& fields = {}) {
    Write(LogLevel::kError, message, fields);
  }

 private:
  const int descriptor_;
  const LogLevel least_;
  const LogFormat format_;
  const Clock* const clock_;
  std::mutex mutex_;  // guards the descriptor: lines do not mix
};

}  // namespace longbow::observe
