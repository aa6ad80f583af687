// Kernels that any processor runs, one element at a time; all sums are taken in float64, which costs nothing
// here.
#include <cstddef>
#include <cstdint>

#include "longbow/distance/kernel_table.h"

namespace longbow::distance {
namespace {

#include "longbow/distance/element-inl.h"

template <typename S>
struct ScalarLanes {
  using Scalar = S;
  using Vector = double;
  static constexpr size_t kLanes = 1;
  static constexpr size_t kRowBlock = 4, kTileQueries = 2, kTileRows = 4;

  struct Tail {
    Tail(size_t, bool) {}
  };

  LONGBOW_INLINE static Vector Zero() { return 0; }
  LONGBOW_INLINE static Vector Sub(Vector a, Vector b) { return a - b; }
  LONGBOW_INLINE static Vector MulAdd(Vector a, Vector b, Vector c) { return a * b + c; }

  template <typename Element>
  LONGBOW_INLINE static Vector Load(Of<Element>, const std::byte* p) {
    return static_cast<Vector>(LoadUnaligned<Element>(p));
  }
  LONGBOW_INLINE static Vector Load(Of<Half>, const std::byte* p) {
    return HalfToFloat(LoadUnaligned<uint16_t>(p));
  }
  // A lane is never ragged.
  template <typename Element>
  LONGBOW_INLINE static Vector LoadTail(Of<Element>, const std::byte*, const Tail&) {
    return Zero();
  }
  LONGBOW_INLINE static void ReduceFour(Vector a, Vector b, Vector c, Vector d, Scalar* out) {
    out[0] = static_cast<Scalar>(a), out[1] = static_cast<Scalar>(b);
    out[2] = static_cast<Scalar>(c), out[3] = static_cast<Scalar>(d);
  }
};
using Float32Lanes = ScalarLanes<float>;
using Float64Lanes = ScalarLanes<double>;

#include "longbow/distance/table-inl.h"

}  // namespace

constexpr KernelTable kScalarKernels = StampTable();

}  // namespace longbow::distance
