#include "settings_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>

namespace longbow {
namespace {

Status ErrorAt(int line, const std::string& what) {
  return MakeError(ErrorCode::kInvalidArgument, "line " + std::to_string(line) + ": " + what);
}

std::string FloatText(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

}  // namespace

Result<std::vector<FileSetting>> ParseSettingsFile(std::string_view content) try {
  const toml::table table = toml::parse(content);
  std::vector<FileSetting> settings;
  for (const auto& [key, node] : table) {
    FileSetting setting{std::string(key.str()), {}, static_cast<int>(key.source().begin.line)};
    if (const auto* text = node.as_string()) {
      setting.text = text->get();
    } else if (const auto* number = node.as_integer()) {
      setting.text = std::to_string(number->get());
    } else if (const auto* real = node.as_floating_point()) {
      setting.text = FloatText(real->get());
    } else if (const auto* truth = node.as_boolean()) {
      setting.text = truth->get() ? "true" : "false";
    } else {
      return ErrorAt(setting.line,
                     "setting " + setting.name +
                         ": expected a string, a number or true or false, given a table, list or date; "
                         "settings are flat `name = value` pairs");
    }
    settings.push_back(std::move(setting));
  }
  std::stable_sort(settings.begin(), settings.end(),
                   [](const FileSetting& a, const FileSetting& b) { return a.line < b.line; });
  return settings;
} catch (const toml::parse_error& error) {
  return ErrorAt(static_cast<int>(error.source().begin.line), std::string(error.description()));
}

}  // namespace longbow
