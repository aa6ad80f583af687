// The list of index types: a new one is a row here and its folder.
#include <string>

#include "longbow/index/flat/flat_index.h"
#include "longbow/index/graph/graph_index.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {
namespace {

constexpr IndexType kIndexTypes[] = {
    {"flat", &MakeFlatIndex},
    {"graph", &MakeGraphIndex},
};

}  // namespace

std::span<const IndexType> IndexTypes() { return kIndexTypes; }

Result<const IndexType*> FindIndexType(std::string_view name) {
  std::string known;
  for (const IndexType& type : kIndexTypes) {
    if (type.name == name) return &type;
    known += (known.empty() ? "" : ", ") + std::string(type.name);
  }
  return InvalidArgument("longbow.index: unknown index type '", name, "'; use one of: ", known);
}

}  // namespace longbow::index
