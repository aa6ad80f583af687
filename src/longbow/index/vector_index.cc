#include "longbow/index/vector_index.h"

namespace longbow::index {

std::string_view MethodName(Method method) {
  switch (method) {
    case Method::kExactScan:
      return "exact_scan";
    case Method::kSelectionScan:
      return "selection_scan";
    case Method::kCodeScan:
      return "code_scan";
    case Method::kWalk:
      return "walk";
    case Method::kFilteredWalk:
      return "filtered_walk";
  }
  return "";
}

}  // namespace longbow::index
