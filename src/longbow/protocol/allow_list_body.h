// Bodies of the actions about allow-lists.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace arrow {
class Array;
}

namespace longbow::protocol {

struct NamedList {
  std::string name;
  std::shared_ptr<arrow::Array> values;  // may refer to the body
};

struct AllowListBody {
  std::vector<NamedList> lists;
  bool append = false;  // a further part of lists that are there
};
// An Arrow IPC stream, each column of which is a list under the column's name, with the schema's metadata
// "longbow.append": "true" for a further part; or JSON {"name", "values": [...], "append"}, all integers or
// all strings. InvalidArgument says what else was found.
Result<AllowListBody> ReadAllowLists(std::string_view body);

// {"name"}.
Result<std::string> ReadAllowListName(std::string_view body);

}  // namespace longbow::protocol
