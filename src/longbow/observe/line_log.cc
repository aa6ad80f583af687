#include "longbow/observe/line_log.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

namespace longbow::observe {
namespace {

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "unknown";
}

void AppendEscaped(std::string* out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof(code), "\\u%04x", byte);
      *out += code;
    } else {
      *out += c;
    }
  }
}

std::string TimeText(int64_t micros) {
  const std::time_t seconds = micros / 1000000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32], text[48];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text, sizeof(text), "%s.%06dZ", date, static_cast<int>(micros % 1000000));
  return text;
}

std::string JsonLine(std::string_view time, LogLevel level, std::string_view message,
                     const LogFields& fields) {
  std::string line = "{\"time\":\"";
  line += time;
  line += "\",\"level\":\"";
  line += LevelName(level);
  line += "\",\"message\":\"";
  AppendEscaped(&line, message);
  line += '"';
  for (const auto& [name, value] : fields) {
    line += ",\"";
    AppendEscaped(&line, name);
    line += "\":\"";
    AppendEscaped(&line, value);
    line += '"';
  }
  line += "}\n";
  return line;
}

std::string ConsoleLine(std::string_view time, LogLevel level, std::string_view message,
                        const LogFields& fields) {
  std::string line(time);
  char name[8];
  std::snprintf(name, sizeof(name), " %-5s ", std::string(LevelName(level)).c_str());
  line += name;
  AppendEscaped(&line, message);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    const bool quote = value.empty() || value.find(' ') != std::string::npos;
    if (quote) line += '"';
    AppendEscaped(&line, value);
    if (quote) line += '"';
  }
  line += '\n';
  return line;
}

}  // namespace

void LineLog::Write(LogLevel level, std::string_view message, const LogFields& fields) {
  if (level < least_) return;
  const std::string time = TimeText(clock_->WallMicros());
  const std::string line = format_ == LogFormat::kJson ? JsonLine(time, level, message, fields)
                                                       : ConsoleLine(time, level, message, fields);
  std::lock_guard lock(mutex_);
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = ::write(descriptor_, line.data() + written, line.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nowhere left to say so
    written += static_cast<size_t>(n);
  }
}

}  // namespace longbow::observe
