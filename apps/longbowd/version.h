// What this program is made of.
#pragma once

#include <string>
#include <string_view>

namespace longbow {

std::string_view Version();
std::string ArrowVersion();
std::string GrpcVersion();

}  // namespace longbow
