// Kernels for AArch64, whose NEON every such processor has.
#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "longbow/distance/kernel_table.h"

namespace longbow::distance {
namespace {

#include "longbow/distance/element-inl.h"
#include "longbow/distance/overlapping_tail-inl.h"

struct Float32Lanes {
  using Scalar = float;
  using Vector = float32x4_t;
  static constexpr size_t kLanes = 4;
  static constexpr size_t kRowBlock = 8, kTileQueries = 4, kTileRows = 4;
  using Tail = OverlappingTail<Float32Lanes>;

  LONGBOW_INLINE static Vector Zero() { return vdupq_n_f32(0); }
  LONGBOW_INLINE static Vector Sub(Vector a, Vector b) { return vsubq_f32(a, b); }
  LONGBOW_INLINE static Vector MulAdd(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
  LONGBOW_INLINE static Vector KeepLast(Vector x, size_t count) {
    static constexpr uint32_t kMask[8] = {0, 0, 0, 0, ~0u, ~0u, ~0u, ~0u};
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), vld1q_u32(kMask + count)));
  }

  LONGBOW_INLINE static Vector Load(Of<float>, const std::byte* p) {
    return vreinterpretq_f32_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(p)));
  }
  LONGBOW_INLINE static Vector Load(Of<Half>, const std::byte* p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(Load8(p)));
  }
  LONGBOW_INLINE static Vector Load(Of<int8_t>, const std::byte* p) {
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(Load4(p))))));
  }
  LONGBOW_INLINE static Vector Load(Of<uint8_t>, const std::byte* p) {
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(Load4(p)))));
  }
  LONGBOW_INLINE static Vector Load(Of<int16_t>, const std::byte* p) {
    return vcvtq_f32_s32(vmovl_s16(vreinterpret_s16_u8(Load8(p))));
  }
  LONGBOW_INLINE static Vector Load(Of<uint16_t>, const std::byte* p) {
    return vcvtq_f32_u32(vmovl_u16(vreinterpret_u16_u8(Load8(p))));
  }
  template <typename Element>
  LONGBOW_INLINE static Vector LoadTail(Of<Element> of, const std::byte* p, const Tail& tail) {
    return tail.Load(of, p);
  }

  LONGBOW_INLINE static void ReduceFour(Vector a, Vector b, Vector c, Vector d, float* out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
  }

 private:
  LONGBOW_INLINE static uint8x8_t Load8(const std::byte* p) {
    return vld1_u8(reinterpret_cast<const uint8_t*>(p));
  }
  LONGBOW_INLINE static uint8x8_t Load4(const std::byte* p) { return vcreate_u8(LoadUnaligned<uint32_t>(p)); }
};

struct Float64Lanes {
  using Scalar = double;
  using Vector = float64x2_t;
  static constexpr size_t kLanes = 2;
  static constexpr size_t kRowBlock = 8, kTileQueries = 4, kTileRows = 4;
  using Tail = OverlappingTail<Float64Lanes>;

  LONGBOW_INLINE static Vector Zero() { return vdupq_n_f64(0); }
  LONGBOW_INLINE static Vector Sub(Vector a, Vector b) { return vsubq_f64(a, b); }
  LONGBOW_INLINE static Vector MulAdd(Vector a, Vector b, Vector c) { return vfmaq_f64(c, a, b); }
  LONGBOW_INLINE static Vector KeepLast(Vector x, size_t count) {
    static constexpr uint64_t kMask[4] = {0, 0, ~uint64_t{0}, ~uint64_t{0}};
    return vreinterpretq_f64_u64(vandq_u64(vreinterpretq_u64_f64(x), vld1q_u64(kMask + count)));
  }

  LONGBOW_INLINE static Vector Load(Of<double>, const std::byte* p) {
    return vreinterpretq_f64_u8(Load16(p));
  }
  LONGBOW_INLINE static Vector Load(Of<int32_t>, const std::byte* p) {
    return vcvtq_f64_s64(vmovl_s32(vreinterpret_s32_u8(Load8(p))));
  }
  LONGBOW_INLINE static Vector Load(Of<uint32_t>, const std::byte* p) {
    return vcvtq_f64_u64(vmovl_u32(vreinterpret_u32_u8(Load8(p))));
  }
  LONGBOW_INLINE static Vector Load(Of<int64_t>, const std::byte* p) {
    return vcvtq_f64_s64(vreinterpretq_s64_u8(Load16(p)));
  }
  LONGBOW_INLINE static Vector Load(Of<uint64_t>, const std::byte* p) {
    return vcvtq_f64_u64(vreinterpretq_u64_u8(Load16(p)));
  }
  template <typename Element>
  LONGBOW_INLINE static Vector LoadTail(Of<Element> of, const std::byte* p, const Tail& tail) {
    return tail.Load(of, p);
  }

  LONGBOW_INLINE static void ReduceFour(Vector a, Vector b, Vector c, Vector d, double* out) {
    vst1q_f64(out, vpaddq_f64(a, b));
    vst1q_f64(out + 2, vpaddq_f64(c, d));
  }

 private:
  LONGBOW_INLINE static uint8x8_t Load8(const std::byte* p) {
    return vld1_u8(reinterpret_cast<const uint8_t*>(p));
  }
  LONGBOW_INLINE static uint8x16_t Load16(const std::byte* p) {
    return vld1q_u8(reinterpret_cast<const uint8_t*>(p));
  }
};

#include "longbow/distance/table-inl.h"

}  // namespace

constexpr KernelTable kNeonKernels = StampTable();

}  // namespace longbow::distance
