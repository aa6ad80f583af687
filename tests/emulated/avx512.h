// The AVX-512 instructions that the kernels of codes use, written out lane by lane as Intel's manual has
// them, so that these kernels are compared with the others on any processor with AVX2. Included before all
// else.
#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>

namespace longbow::emulated {

template <typename T>
struct LanesOf {
  typedef T Type __attribute__((vector_size(64)));
};
template <typename T>
using Lanes = typename LanesOf<T>::Type;

template <typename To, typename From>
inline To As(From x) {
  static_assert(sizeof(To) <= sizeof(From));
  To to;
  std::memcpy(&to, &x, sizeof(To));
  return to;
}

template <typename T, typename Of>
inline auto EachOf(Of of) {
  constexpr int kCount = 64 / sizeof(T);
  Lanes<T> to;
  for (int i = 0; i < kCount; ++i) to[i] = static_cast<T>(of(i));
  return to;
}

template <typename T, typename Of>
inline __m512i Ints(Of of) {
  return As<__m512i>(EachOf<T>(of));
}

template <typename Of>
inline __m512 Floats(Of of) {
  return As<__m512>(EachOf<float>(of));
}

template <typename To>
inline To Load(const void* from) {
  To to;
  std::memcpy(&to, from, sizeof(To));
  return to;
}

template <typename T>
inline __m512i Add(__m512i a, __m512i b) {
  return As<__m512i>(As<Lanes<T>>(a) + As<Lanes<T>>(b));
}

inline __m512i AddSaturating8(__m512i a, __m512i b) {
  return Ints<uint8_t>([x = As<Lanes<uint8_t>>(a), y = As<Lanes<uint8_t>>(b)](int i) {
    const int sum = x[i] + y[i];
    return sum < 255 ? sum : 255;
  });
}
inline __m512i Sub16(__m512i a, __m512i b) {
  return As<__m512i>(As<Lanes<uint16_t>>(a) - As<Lanes<uint16_t>>(b));
}
inline __m512i And(__m512i a, __m512i b) {
  return As<__m512i>(As<Lanes<uint32_t>>(a) & As<Lanes<uint32_t>>(b));
}
inline __m512i Xor(__m512i a, __m512i b) {
  return As<__m512i>(As<Lanes<uint32_t>>(a) ^ As<Lanes<uint32_t>>(b));
}
inline __m512i Right16(__m512i a, unsigned by) {
  return Ints<uint16_t>([x = As<Lanes<uint16_t>>(a), by](int i) { return by > 15 ? 0 : x[i] >> by; });
}
inline __m512i Left16(__m512i a, unsigned by) {
  return Ints<uint16_t>([x = As<Lanes<uint16_t>>(a), by](int i) { return by > 15 ? 0 : x[i] << by; });
}
inline __m512i Left16By(__m512i a, __m128i by) {
  return Left16(a, static_cast<unsigned>(_mm_cvtsi128_si32(by)));
}
inline __m512i Set8(int value) {
  return Ints<int8_t>([value](int) { return value; });
}
inline __m512 SetFloat(float value) {
  return Floats([value](int) { return value; });
}
inline __m512i Shuffle8(__m512i a, __m512i by) {
  return Ints<uint8_t>([x = As<Lanes<uint8_t>>(a), y = As<Lanes<uint8_t>>(by)](int i) {
    return (y[i] & 0x80) != 0 ? 0 : x[(i & 0x30) + (y[i] & 0x0F)];
  });
}
inline __m512 FusedMultiplyAdd(__m512 a, __m512 b, __m512 c) {
  return Floats([x = As<Lanes<float>>(a), y = As<Lanes<float>>(b), z = As<Lanes<float>>(c)](int i) {
    return std::fma(x[i], y[i], z[i]);
  });
}
inline __m512 AddFloats(__m512 a, __m512 b) { return As<__m512>(As<Lanes<float>>(a) + As<Lanes<float>>(b)); }
inline void StoreFloats(void* to, __m512 a) { std::memcpy(to, &a, sizeof(a)); }
inline int SumOf32(__m512i a) {
  const auto x = As<Lanes<uint32_t>>(a);
  uint32_t sum = 0;
  for (int i = 0; i < 16; ++i) sum += x[i];
  return static_cast<int>(sum);
}
inline __m256i LowHalf(__m512i a) { return As<__m256i>(a); }
inline __m256i Half(__m512i a, int half) {
  return Load<__m256i>(reinterpret_cast<const char*>(&a) + 32 * half);
}
inline __m512i Widen16(__m256i a) {
  uint16_t x[16];
  std::memcpy(x, &a, sizeof(x));
  return Ints<uint32_t>([&x](int i) { return x[i]; });
}
inline __m512i WidenSigned8(__m256i a) {
  int8_t x[32];
  std::memcpy(x, &a, sizeof(x));
  return Ints<int16_t>([&x](int i) { return x[i]; });
}
inline __m512 ToFloats(__m512i a) {
  return Floats([x = As<Lanes<int32_t>>(a)](int i) { return x[i]; });
}
inline __m512i MultiplyAdd16(__m512i a, __m512i b) {
  return Ints<int32_t>([x = As<Lanes<int16_t>>(a), y = As<Lanes<int16_t>>(b)](int i) {
    return x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
  });
}
// Unsigned bytes of `a` by signed ones of `b`.
inline __m512i DotBytes(__m512i sum, __m512i a, __m512i b) {
  return Ints<int32_t>(
      [s = As<Lanes<int32_t>>(sum), x = As<Lanes<uint8_t>>(a), y = As<Lanes<int8_t>>(b)](int i) {
        int32_t dot = s[i];
        for (int j = 4 * i; j < 4 * i + 4; ++j) dot += x[j] * y[j];
        return dot;
      });
}
inline uint16_t SignMask(__m512i a) {
  const auto x = As<Lanes<int32_t>>(a);
  unsigned mask = 0;
  for (int i = 0; i < 16; ++i) mask |= static_cast<unsigned>(x[i] < 0) << i;
  return static_cast<uint16_t>(mask);
}
inline uint16_t CompareMask(__m512 a, __m512 b, int how) {
  if (how != _CMP_LE_OQ) __builtin_trap();  // the kernels use no other
  const auto x = As<Lanes<float>>(a), y = As<Lanes<float>>(b);
  unsigned mask = 0;
  for (int i = 0; i < 16; ++i) mask |= static_cast<unsigned>(x[i] <= y[i]) << i;
  return static_cast<uint16_t>(mask);
}
inline __m128i Narrow32To8(__m512i a) {
  const auto x = As<Lanes<uint32_t>>(a);
  uint8_t bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = static_cast<uint8_t>(x[i]);
  return Load<__m128i>(bytes);
}

}  // namespace longbow::emulated

#undef _mm512_cmp_ps_mask
#undef _mm512_extracti64x4_epi64
#undef _mm512_slli_epi16
#undef _mm512_srli_epi16

#define _mm512_add_epi16 longbow::emulated::Add<uint16_t>
#define _mm512_add_epi32 longbow::emulated::Add<uint32_t>
#define _mm512_add_epi8 longbow::emulated::Add<uint8_t>
#define _mm512_add_ps longbow::emulated::AddFloats
#define _mm512_adds_epu8 longbow::emulated::AddSaturating8
#define _mm512_and_si512 longbow::emulated::And
#define _mm512_castsi512_si256 longbow::emulated::LowHalf
#define _mm512_cmp_ps_mask longbow::emulated::CompareMask
#define _mm512_cvtepi32_epi8 longbow::emulated::Narrow32To8
#define _mm512_cvtepi32_ps longbow::emulated::ToFloats
#define _mm512_cvtepi8_epi16 longbow::emulated::WidenSigned8
#define _mm512_cvtepu16_epi32 longbow::emulated::Widen16
#define _mm512_dpbusd_epi32 longbow::emulated::DotBytes
#define _mm512_extracti64x4_epi64 longbow::emulated::Half
#define _mm512_fmadd_ps longbow::emulated::FusedMultiplyAdd
#define _mm512_load_ps longbow::emulated::Load<__m512>
#define _mm512_loadu_si512 longbow::emulated::Load<__m512i>
#define _mm512_madd_epi16 longbow::emulated::MultiplyAdd16
#define _mm512_movepi32_mask longbow::emulated::SignMask
#define _mm512_reduce_add_epi32 longbow::emulated::SumOf32
#define _mm512_set1_epi8 longbow::emulated::Set8
#define _mm512_set1_ps longbow::emulated::SetFloat
#define _mm512_setzero_ps() longbow::emulated::SetFloat(0)
#define _mm512_setzero_si512() longbow::emulated::Set8(0)
#define _mm512_shuffle_epi8 longbow::emulated::Shuffle8
#define _mm512_sll_epi16 longbow::emulated::Left16By
#define _mm512_slli_epi16 longbow::emulated::Left16
#define _mm512_srli_epi16 longbow::emulated::Right16
#define _mm512_store_ps longbow::emulated::StoreFloats
#define _mm512_sub_epi16 longbow::emulated::Sub16
#define _mm512_xor_si512 longbow::emulated::Xor
