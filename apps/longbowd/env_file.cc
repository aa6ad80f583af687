#include "env_file.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

namespace longbow {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool IsName(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

char Escaped(char c) { return c == 'n' ? '\n' : c == 't' ? '\t' : c; }

// Of a value that begins with a quote; none when it does not end with one.
std::optional<std::string> Unquoted(std::string_view text) {
  const char quote = text[0];
  std::string value;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == quote) return value;
    const bool escape = quote == '"' && text[i] == '\\' && i + 1 < text.size();
    value += escape ? Escaped(text[++i]) : text[i];
  }
  return std::nullopt;
}

std::optional<std::string> ValueOf(std::string_view text) {
  if (!text.empty() && (text[0] == '"' || text[0] == '\'')) return Unquoted(text);
  const size_t comment = text.starts_with('#') ? 0 : text.find(" #");
  return std::string(Trim(text.substr(0, comment)));
}

}  // namespace

std::map<std::string, std::string> ParseEnvFile(std::string_view content) {
  constexpr std::string_view kExport = "export ";
  std::map<std::string, std::string> variables;
  while (!content.empty()) {
    const size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = Trim(content.substr(0, end));
    content.remove_prefix(std::min(end + 1, content.size()));
    if (line.starts_with(kExport)) line.remove_prefix(kExport.size());
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = Trim(line.substr(0, equals));
    if (!IsName(name)) continue;
    if (auto value = ValueOf(Trim(line.substr(equals + 1)))) variables[std::string(name)] = std::move(*value);
  }
  return variables;
}

std::map<std::string, std::string> ReadEnvFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (!file || !(content << file.rdbuf())) return {};
  return ParseEnvFile(content.str());
}

}  // namespace longbow
