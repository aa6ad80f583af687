// Variables that the file `.env` of the working directory sets where the environment does not.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace longbow {

// By name; the last of a name counts. Lines are `NAME=value`, also behind `export`; values may be in quotes,
// '...' as they are, "..." with \n, \t, \\ and \"; else they end at a space before `#`. The file is often
// another program's, too: lines that are no such assignment, and comments, are passed over.
std::map<std::string, std::string> ParseEnvFile(std::string_view content);

// Empty when there is no file, or it cannot be read.
std::map<std::string, std::string> ReadEnvFile(const std::string& path);

}  // namespace longbow
