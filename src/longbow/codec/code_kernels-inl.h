// The kernels that are the same for every instruction set, on vectors of 16 lanes that the compiler maps to
// what the file's flags allow; sums are taken in one order, so all levels agree to the last bit. Included
// inside an instruction set's unnamed namespace, after its
//   int32_t Dot(const int8_t* a, const int8_t* b, int32_t sum_b, size_t n)
//   void BlockSums(const uint8_t* block, uint32_t bits, const uint8_t* entries, size_t n, float* sums)
//   uint32_t NotAbove(const float* x, float limit)
// BlockSums giving for each of kBlock codes the sum of the entries its planes choose, plane b taken 2^b
// times, and NotAbove a bit for each of 16 values at an aligned address.

typedef float Float16 __attribute__((vector_size(64)));
typedef float Float16Unaligned __attribute__((vector_size(64), aligned(4)));
typedef int32_t Int16 __attribute__((vector_size(64)));

LONGBOW_CODE_INLINE Float16 Load(const float* p) { return *reinterpret_cast<const Float16Unaligned*>(p); }
LONGBOW_CODE_INLINE void Store(float* p, Float16 x) { *reinterpret_cast<Float16Unaligned*>(p) = x; }
LONGBOW_CODE_INLINE Float16 All(float x) { return Float16{} + x; }
LONGBOW_CODE_INLINE Float16 Abs(Float16 x) {
  return reinterpret_cast<Float16>(reinterpret_cast<Int16>(x) & 0x7fffffff);
}
LONGBOW_CODE_INLINE float Sum(Float16 x) {
  float s = 0;
  for (int i = 0; i < 16; ++i) s += x[i];
  return s;
}
LONGBOW_CODE_INLINE float Largest(Float16 x) {
  float m = x[0];
  for (int i = 1; i < 16; ++i) m = x[i] > m ? x[i] : m;
  return m;
}
LONGBOW_CODE_INLINE Float16 Max(Float16 a, Float16 b) { return a > b ? a : b; }

template <int kHalf>
LONGBOW_CODE_INLINE Float16 ButterflyInLanes(Float16 x) {
  Int16 partner;
  Float16 sign;
  for (int i = 0; i < 16; ++i) partner[i] = i ^ kHalf, sign[i] = (i & kHalf) != 0 ? -1.0f : 1.0f;
#if defined(__clang__)
  Float16 swapped;
  for (int i = 0; i < 16; ++i) swapped[i] = x[i ^ kHalf];
  return swapped + x * sign;
#else
  return __builtin_shuffle(x, partner) + x * sign;
#endif
}

void Hadamard(float* x, size_t n) {
  const float scale = 1.0f / __builtin_sqrtf(static_cast<float>(n));
  for (size_t i = 0; i < n; i += 16) {
    Float16 v = Load(x + i);
    v = ButterflyInLanes<8>(ButterflyInLanes<4>(ButterflyInLanes<2>(ButterflyInLanes<1>(v))));
    Store(x + i, v * scale);
  }
  size_t half = 16;
  for (; half * 4 <= n; half *= 4) {  // two levels a pass
    for (size_t i = 0; i < n; i += 4 * half) {
      for (size_t j = i; j < i + half; j += 16) {
        const Float16 a = Load(x + j), b = Load(x + j + half), c = Load(x + j + 2 * half),
                      d = Load(x + j + 3 * half);
        const Float16 ab = a + b, ba = a - b, cd = c + d, dc = c - d;
        Store(x + j, ab + cd), Store(x + j + half, ba + dc);
        Store(x + j + 2 * half, ab - cd), Store(x + j + 3 * half, ba - dc);
      }
    }
  }
  for (; half < n; half *= 2) {
    for (size_t i = 0; i < n; i += 2 * half) {
      for (size_t j = i; j < i + half; j += 16) {
        const Float16 a = Load(x + j), b = Load(x + j + half);
        Store(x + j, a + b), Store(x + j + half, a - b);
      }
    }
  }
}

void Multiply(float* a, const float* b, size_t n) {
  for (size_t i = 0; i < n; i += 16) Store(a + i, Load(a + i) * Load(b + i));
}

// To the nearest, ties to even, for |x| < 2^22: the sum has no room for a fraction.
LONGBOW_CODE_INLINE float Round(float x) {
  constexpr float kNoFraction = 12582912.0f;  // 1.5 * 2^23
  return (x + kNoFraction) - kNoFraction;
}

LONGBOW_CODE_INLINE float LargestMagnitude(const float* x, size_t n) {
  Float16 largest{};
  for (size_t i = 0; i < n; i += 16) largest = Max(Abs(Load(x + i)), largest);
  return Largest(largest);
}

// Components may be as large as floats get, or so small that a step between codes has no inverse; a rotation
// makes infinite what was nearly so. Then the largest that is a number stands for the one, nothing for the
// other.
CodeFactors EncodeSq8(const float* x, size_t n, std::byte* to) {
  constexpr float kMost = 3.4028234e38f, kLeast = 1e-36f;
  auto* code = reinterpret_cast<int8_t*>(to);
  CodeFactors factors;
  const float found = LargestMagnitude(x, n);
  const float most = found < kMost ? found : kMost;
  factors.scale = most > kLeast ? most / 127.0f : 1.0f;
  const float inverse = most > kLeast ? 127.0f / most : 0.0f;
  int32_t sum = 0, squares = 0;
  for (size_t i = 0; i < n; ++i) {
    const float exact = x[i] * inverse;
    const float below = exact < 127.0f ? exact : 127.0f;  // also for what is no number
    const int32_t c = static_cast<int32_t>(Round(below > -127.0f ? below : -127.0f));
    code[i] = static_cast<int8_t>(c);
    sum += c;
    squares += c * c;
  }
  factors.sum = sum;
  factors.square = factors.scale * factors.scale * static_cast<float>(squares);
  return factors;
}

void DecodeSq8(const std::byte* from, float scale, size_t n, float* out) {
  const auto* code = reinterpret_cast<const int8_t*>(from);
  for (size_t i = 0; i < n; ++i) out[i] = scale * static_cast<float>(code[i]);
}

float DotSq8(const std::byte* a, const std::byte* b, int32_t sum_b, size_t n) {
  return static_cast<float>(
      Dot(reinterpret_cast<const int8_t*>(a), reinterpret_cast<const int8_t*>(b), sum_b, n));
}

// IEEE 754 binary16 of numbers up to 1 in magnitude, without an instruction for it: the exponents differ by
// 112.
LONGBOW_CODE_INLINE Float16 LoadHalves(const std::byte* p) {
  uint16_t halves[16];
  __builtin_memcpy(halves, p, sizeof(halves));
  Int16 bits;
  for (int i = 0; i < 16; ++i) bits[i] = halves[i];
  const Int16 sign = (bits & 0x8000) << 16;
  const Float16 magnitude = reinterpret_cast<Float16>((bits & 0x7fff) << 13) * 0x1p112f;
  return reinterpret_cast<Float16>(reinterpret_cast<Int16>(magnitude) | sign);
}

LONGBOW_CODE_INLINE void StoreHalves(std::byte* p, Float16 x) {
  const Int16 sign = reinterpret_cast<Int16>(x) >> 16 & 0x8000;
  const Int16 bits = reinterpret_cast<Int16>(Abs(x) * 0x1p-112f);
  const Int16 rounded = ((bits + 0x0fff + (bits >> 13 & 1)) >> 13) | sign;  // to the nearest, ties to even
  uint16_t halves[16];
  for (int i = 0; i < 16; ++i) halves[i] = static_cast<uint16_t>(rounded[i]);
  __builtin_memcpy(p, halves, sizeof(halves));
}

float DotHalves(const std::byte* a, const std::byte* b, int32_t, size_t n) {
  Float16 sum{}, sum2{};
  for (size_t i = 0; i < n; i += 32) {
    sum += LoadHalves(a + 2 * i) * LoadHalves(b + 2 * i);
    sum2 += LoadHalves(a + 2 * i + 32) * LoadHalves(b + 2 * i + 32);
  }
  return Sum(sum + sum2);
}

CodeFactors EncodeHalves(const float* x, size_t n, std::byte* code) {
  CodeFactors factors;
  const float most = LargestMagnitude(x, n);
  factors.scale = most > 0 ? most : 1.0f;
  const float inverse = 1.0f / factors.scale;
  for (size_t i = 0; i < n; i += 16) StoreHalves(code + 2 * i, Load(x + i) * inverse);
  factors.square = factors.scale * factors.scale * DotHalves(code, code, 0, n);
  return factors;
}

void DecodeHalves(const std::byte* code, float scale, size_t n, float* out) {
  for (size_t i = 0; i < n; i += 16) Store(out + i, LoadHalves(code + 2 * i) * scale);
}

float DotFloats(const std::byte* a, const std::byte* b, int32_t, size_t n) {
  const auto* x = reinterpret_cast<const float*>(a);
  const auto* y = reinterpret_cast<const float*>(b);
  Float16 sum{}, sum2{};
  for (size_t i = 0; i < n; i += 32) {
    sum += Load(x + i) * Load(y + i);
    sum2 += Load(x + i + 16) * Load(y + i + 16);
  }
  return Sum(sum + sum2);
}

CodeFactors CopyFloats(const float* x, size_t n, std::byte* code) {
  __builtin_memcpy(code, x, n * sizeof(float));
  return {1, 0, DotFloats(code, code, 0, n)};
}

void ReadFloats(const std::byte* code, float, size_t n, float* out) {
  __builtin_memcpy(out, code, n * sizeof(float));
}

// Groups of 16 dimensions are four tables t0..t3 of 4 dimensions. A group's entries lie as t0 t0 t1 t1 | t2
// t2 t3 t3, 16 each; its codes as 32 bytes with t0 in the low and t2 in the high half, then 32 with t1 and
// t3.
LONGBOW_CODE_INLINE size_t EntriesAt(size_t table) {
  return table / 4 * 128 + (table & 2) * 32 + (table & 1) * 32;
}

// Two entries fit 8 bits together. Rounding to it errs by a tenth of what the codes themselves do, or less.
constexpr float kMostEntry = 127;

NeighborTable MakeTable(const float* query, size_t n, uint8_t* entries) {
  Float16 sign[4];
  for (int c = 0; c < 16; ++c) {
    for (int b = 0; b < 4; ++b) sign[b][c] = (c >> b & 1) != 0 ? 1.0f : -1.0f;
  }
  float most = 0, all = 0;
  for (size_t i = 0; i < n; i += 4) {
    float reach = 0;
    for (size_t j = i; j < i + 4; ++j) reach += __builtin_fabsf(query[j]);
    most = reach > most ? reach : most;
    all += reach;
  }
  NeighborTable table;
  table.entries = entries;
  // No step for what is too small, too large, or no number after a rotation: it is told apart by other means.
  constexpr float kLeastReach = 1e-34f, kMostReach = 1e38f;
  if (!(most > kLeastReach && all < kMostReach)) {
    for (size_t i = 0; i < n; i += 4) __builtin_memset(entries + EntriesAt(i / 4), 0, 32);
    table.step = 1;
    table.offset = 0;
    return table;
  }
  table.step = 2 * most / kMostEntry;
  table.offset = -all;
  const float inverse = 1.0f / table.step;
  for (size_t i = 0; i < n; i += 4) {
    const float* v = query + i;
    const float reach =
        __builtin_fabsf(v[0]) + __builtin_fabsf(v[1]) + __builtin_fabsf(v[2]) + __builtin_fabsf(v[3]);
    const Float16 x =
        ((sign[0] * v[0] + sign[1] * v[1]) + (sign[2] * v[2] + sign[3] * v[3]) + reach) * inverse + 0.5f;
    uint8_t* at = entries + EntriesAt(i / 4);
    for (int c = 0; c < 16; ++c) at[c] = static_cast<uint8_t>(static_cast<int32_t>(x[c]));
    __builtin_memcpy(at + 16, at, 16);
  }
  return table;
}

// One bit of each of four levels, as a number of four bits.
LONGBOW_CODE_INLINE uint32_t Gather4(const uint8_t* levels, uint32_t bit) {
  uint32_t four;
  __builtin_memcpy(&four, levels, 4);
  return ((four >> bit & 0x01010101u) * 0x01020408u) >> 24 & 15;
}

LONGBOW_CODE_INLINE void WritePlanes(const uint8_t* levels, size_t n, uint32_t bits, uint32_t position,
                                     uint8_t* block) {
  for (uint32_t bit = 0; bit < bits; ++bit, block += BlockBytes(n, 1)) {
    for (size_t group = 0; group < n / 16; ++group) {
      const uint8_t* four = levels + group * 16;
      uint8_t* at = block + group * 64 + position;
      at[0] = static_cast<uint8_t>(Gather4(four, bit) | Gather4(four + 8, bit) << 4);
      at[32] = static_cast<uint8_t>(Gather4(four + 4, bit) | Gather4(four + 12, bit) << 4);
    }
  }
}

// <r, code> / |code| for levels of width `step`: how well such a code points where r does, squared.
LONGBOW_CODE_INLINE float Alignment(const float* from, const float* to, size_t n, float step, float reach) {
  const float inverse = 1.0f / step;
  Float16 along{}, square{};
  for (size_t i = 0; i < n; i += 16) {
    const Float16 r = Load(to + i) - Load(from + i);
    Float16 level;
    for (int j = 0; j < 16; ++j) level[j] = Round(r[j] * inverse - 0.5f) + 0.5f;
    level = level > reach ? All(reach) : level;
    level = level < -reach ? All(-reach) : level;
    along += level * r;
    square += level * level;
  }
  const float a = Sum(along);
  return a * a / Sum(square);
}

// Widths of a level, in units of the difference's deviation, around the best one for a normal distribution.
inline constexpr float kLevelWidths[kMaxBits + 1][3] = {
    {}, {}, {0.9f, 1.0f, 1.1f}, {0.49f, 0.586f, 0.68f}, {0.28f, 0.335f, 0.39f}};

NeighborFactors EncodeNeighbor(const float* from, const float* to, size_t n, uint32_t bits, uint32_t position,
                               uint8_t* block, uint8_t* levels) {
  Float16 squares{};
  for (size_t i = 0; i < n; i += 16) {
    const Float16 r = Load(to + i) - Load(from + i);
    squares += r * r;
  }
  NeighborFactors factors;
  factors.square = Sum(squares);
  const float reach = static_cast<float>((1u << bits) - 1) * 0.5f;
  float step = 1;
  if (bits > 1) {
    const float deviation = __builtin_sqrtf(factors.square / static_cast<float>(n)) + 1e-30f;
    float best = -1;
    for (float width : kLevelWidths[bits]) {
      const float aligned = Alignment(from, to, n, width * deviation, reach);
      if (aligned > best) best = aligned, step = width * deviation;
    }
  }
  // The code counts in half levels, so that a plane adds +-2^bit for each dimension.
  const float inverse = bits > 1 ? 1.0f / step : 1e30f;
  Float16 along{}, of_from{};
  for (size_t i = 0; i < n; i += 16) {
    const Float16 f = Load(from + i);
    const Float16 r = Load(to + i) - f;
    Float16 level;
    if (bits == 1) {
      level = r < 0.0f ? All(-0.5f) : All(0.5f);
    } else {
      for (int j = 0; j < 16; ++j) level[j] = Round(r[j] * inverse - 0.5f) + 0.5f;
      level = level < reach ? level : All(reach);  // also what is no number
      level = level > -reach ? level : All(-reach);
    }
    const Float16 code = level + level;
    along += code * r;
    of_from += code * f;
    const Float16 number = level + reach;
    for (int j = 0; j < 16; ++j)
      levels[i + static_cast<size_t>(j)] = static_cast<uint8_t>(static_cast<int32_t>(number[j]));
  }
  WritePlanes(levels, n, bits, position, block);
  const float length = Sum(along);
  const float stretch = length > 0 ? factors.square / length : 0;  // |r|^2 / <code, r>
  factors.constant = factors.square + 2 * stretch * Sum(of_from);
  factors.slope = -2 * stretch;
  return factors;
}

uint32_t Estimate(const uint8_t* block, uint32_t bits, size_t n, const NeighborTable& table,
                  const EstimateTerms& terms, float limit, float* out) {
  alignas(64) float sums[kBlock];
  BlockSums(block, bits, table.entries, n, sums);
  const float offset = table.offset * static_cast<float>((1u << bits) - 1);
  uint32_t near = 0;
  for (size_t i = 0; i < kBlock; i += 16) {
    const Float16 product = Load(sums + i) * table.step + offset;
    Float16 x = Load(terms.slopes + i) * product + (Load(terms.constants + i) + terms.base);
    if (terms.more != nullptr) x += Load(terms.more + i) * terms.weight;
    Store(out + i, x);
    near |= NotAbove(out + i, limit) << i;
  }
  return near;
}

uint32_t NotAboveInBlock(const float* x, float limit) {
  return NotAbove(x, limit) | NotAbove(x + 16, limit) << 16;
}

constexpr CodeKernels StampKernels(std::string_view name) {
  return {name,
          &Hadamard,
          &Multiply,
          {{&EncodeSq8, &DecodeSq8, &DotSq8},
           {&EncodeHalves, &DecodeHalves, &DotHalves},
           {&CopyFloats, &ReadFloats, &DotFloats}},
          &MakeTable,
          &EncodeNeighbor,
          &Estimate,
          &NotAboveInBlock};
}
