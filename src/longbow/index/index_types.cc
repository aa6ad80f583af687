// The list of index types: a new one is a row here and its folder.
#include <string>

#include "longbow/index/flat/flat_index.h"
#include "longbow/index/graph/graph_index.h"
#include "longbow/index/vector_index.h"

namespace longbow::index {
namespace {

constexpr std::string_view kFlatCodecs[] = {"auto", "f32"};  // one and the same: it has no codes
constexpr std::string_view kGraphCodecs[] = {"auto", "f32", "f16", "sq8", "rabitq"};

int64_t NoBytes(distance::Metric, size_t, std::string_view) { return 0; }

constexpr IndexType kIndexTypes[] = {
    {"flat", &MakeFlatIndex, kFlatCodecs, &NoBytes},
    {"graph", &MakeGraphIndex, kGraphCodecs, &GraphRowBytes},
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

Status CheckCodec(const IndexType& type, std::string_view codec) {
  std::string known;
  for (const std::string_view name : type.codecs) {
    if (name == codec) return Status::OK();
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  return InvalidArgument("longbow.codec: index type '", type.name, "' has no codec '", codec,
                         "'; use one of: ", known);
}

}  // namespace longbow::index
