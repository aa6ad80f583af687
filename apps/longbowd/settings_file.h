// The settings file: TOML, flat `name = value` pairs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace longbow {

struct FileSetting {
  std::string name;
  std::string text;  // strings without quotes; numbers and truth values as text
  int line = 0;
};

// In the order of the file. InvalidArgument names the line of what is not TOML, or not a flat string, number
// or truth value.
Result<std::vector<FileSetting>> ParseSettingsFile(std::string_view content);

}  // namespace longbow
