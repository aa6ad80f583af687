// What an instruction set's file needs before its vector types. Included inside its unnamed namespace, so
// that no function compiled with its flags is shared with the rest of the program.

#define LONGBOW_INLINE __attribute__((always_inline)) inline
#define LONGBOW_INLINE_LAMBDA __attribute__((always_inline))
#define LONGBOW_UNROLL _Pragma("GCC unroll 16")

struct Half {
  uint16_t bits;
};

template <typename Element>
struct Of {};

template <typename Element>
inline constexpr ElementType kElementTypeOf = ElementType::kFloat32;
template <>
inline constexpr ElementType kElementTypeOf<Half> = ElementType::kFloat16;
template <>
inline constexpr ElementType kElementTypeOf<double> = ElementType::kFloat64;
template <>
inline constexpr ElementType kElementTypeOf<int8_t> = ElementType::kInt8;
template <>
inline constexpr ElementType kElementTypeOf<int16_t> = ElementType::kInt16;
template <>
inline constexpr ElementType kElementTypeOf<int32_t> = ElementType::kInt32;
template <>
inline constexpr ElementType kElementTypeOf<int64_t> = ElementType::kInt64;
template <>
inline constexpr ElementType kElementTypeOf<uint8_t> = ElementType::kUInt8;
template <>
inline constexpr ElementType kElementTypeOf<uint16_t> = ElementType::kUInt16;
template <>
inline constexpr ElementType kElementTypeOf<uint32_t> = ElementType::kUInt32;
template <>
inline constexpr ElementType kElementTypeOf<uint64_t> = ElementType::kUInt64;

LONGBOW_INLINE float SquareRoot(float x) { return __builtin_sqrtf(x); }
LONGBOW_INLINE double SquareRoot(double x) { return __builtin_sqrt(x); }
LONGBOW_INLINE long double SquareRoot(long double x) { return __builtin_sqrtl(x); }

template <typename T>
LONGBOW_INLINE T LoadUnaligned(const std::byte* p) {
  T value;
  __builtin_memcpy(&value, p, sizeof(T));
  return value;
}

// IEEE 754 binary16 to binary32, exactly.
LONGBOW_INLINE float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = half >> 10 & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  uint32_t bits;
  if (exponent == 0) {  // zero or subnormal: mantissa x 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    __builtin_memcpy(&bits, &magnitude, sizeof(bits));
    bits |= sign;
  } else if (exponent == 0x1f) {
    bits = sign | 0x7f800000 | mantissa << 13;
  } else {
    bits = sign | (exponent + 112) << 23 | mantissa << 13;
  }
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}
