// The kernels that are the same for every instruction set, on 16 lanes held in as many of its vectors as it
// takes; sums are taken in one order, so all levels agree to the last bit. Included inside an instruction
// set's unnamed namespace, after LONGBOW_CODE_VECTOR, the bytes of its vectors, and its
//   int32_t Dot(const int8_t* a, const int8_t* b, int32_t sum_b, size_t n)
//   void BlockSums(const uint8_t* block, uint32_t bits, const uint8_t* entries, size_t n, float* sums)
//   template <size_t kQueries> void NearTotals(const uint8_t* block, uint32_t bits, const RoomsOf<kQueries>&
//       queries, size_t n, const float* constants, const float* inverses, uint32_t* near)
//   uint32_t NotAbove(const float* x, float limit)
//   uint32_t SignBits(NativeInt x)
//   void StoreBytes(uint8_t* to, NativeInt x)
// BlockSums giving for each of kBlock codes the sum of the entries its planes choose, plane b taken 2^b
// times, NearTotals for each query a bit for each whose total has room (codec/rooms-inl.h), NotAbove one for
// each of 16 values at an aligned address, SignBits one for each lane of a vector
// (codec/native_vector-inl.h), and StoreBytes writes their lowest bytes.

constexpr size_t kParts = 64 / LONGBOW_CODE_VECTOR;

struct Float16 {
  NativeFloat part[kParts];
};
struct Int16 {
  NativeInt part[kParts];
};

// Of an operation on one part each, as the compiler keeps them in registers.
template <typename Lanes, typename Operation, size_t... kPart>
LONGBOW_CODE_INLINE Lanes Each(const Operation& operation, std::index_sequence<kPart...>) {
  return {{operation(kPart)...}};
}
template <typename Lanes, typename Operation>
LONGBOW_CODE_INLINE Lanes Each(const Operation& operation) {
  return Each<Lanes>(operation, std::make_index_sequence<kParts>());
}

LONGBOW_CODE_INLINE Float16 Load(const float* p) {
  return Each<Float16>([&](size_t i) -> NativeFloat {
    return *reinterpret_cast<const NativeFloatUnaligned*>(p + i * kNativeLanes);
  });
}
LONGBOW_CODE_INLINE void Store(float* p, const Float16& x) {
  for (size_t i = 0; i < kParts; ++i)
    *reinterpret_cast<NativeFloatUnaligned*>(p + i * kNativeLanes) = x.part[i];
}
LONGBOW_CODE_INLINE Float16 All(float x) {
  return Each<Float16>([&](size_t) { return NativeFloat{} + x; });
}
LONGBOW_CODE_INLINE Float16 operator+(const Float16& a, const Float16& b) {
  return Each<Float16>([&](size_t i) { return a.part[i] + b.part[i]; });
}
LONGBOW_CODE_INLINE Float16 operator-(const Float16& a, const Float16& b) {
  return Each<Float16>([&](size_t i) { return a.part[i] - b.part[i]; });
}
LONGBOW_CODE_INLINE Float16 operator*(const Float16& a, const Float16& b) {
  return Each<Float16>([&](size_t i) { return a.part[i] * b.part[i]; });
}
LONGBOW_CODE_INLINE Float16 operator+(const Float16& a, float b) { return a + All(b); }
LONGBOW_CODE_INLINE Float16 operator-(const Float16& a, float b) { return a - All(b); }
LONGBOW_CODE_INLINE Float16 operator*(const Float16& a, float b) { return a * All(b); }
LONGBOW_CODE_INLINE void operator+=(Float16& a, const Float16& b) { a = a + b; }
LONGBOW_CODE_INLINE Int16 operator*(const Int16& a, const Int16& b) {
  return Each<Int16>([&](size_t i) { return a.part[i] * b.part[i]; });
}
LONGBOW_CODE_INLINE void operator+=(Int16& a, const Int16& b) {
  a = Each<Int16>([&](size_t i) { return a.part[i] + b.part[i]; });
}
LONGBOW_CODE_INLINE Float16 Abs(const Float16& x) {
  return Each<Float16>([&](size_t i) {
    return reinterpret_cast<NativeFloat>(reinterpret_cast<NativeInt>(x.part[i]) & 0x7fffffff);
  });
}
// b where a is no number.
LONGBOW_CODE_INLINE Float16 Max(const Float16& a, const Float16& b) {
  return Each<Float16>([&](size_t i) { return a.part[i] > b.part[i] ? a.part[i] : b.part[i]; });
}
LONGBOW_CODE_INLINE Float16 Min(const Float16& a, const Float16& b) {
  return Each<Float16>([&](size_t i) { return a.part[i] < b.part[i] ? a.part[i] : b.part[i]; });
}
LONGBOW_CODE_INLINE Int16 Truncated(const Float16& x) {
  return Each<Int16>([&](size_t i) { return __builtin_convertvector(x.part[i], NativeInt); });
}
LONGBOW_CODE_INLINE uint32_t LowBits(const Int16& x, uint32_t bit) {  // one of each lane
  uint32_t bits = 0;
  for (size_t i = 0; i < kParts; ++i) bits |= SignBits(x.part[i] << (31 - bit)) << (i * kNativeLanes);
  return bits;
}
LONGBOW_CODE_INLINE void StoreBytes(uint8_t* to, const Int16& x) {
  for (size_t i = 0; i < kParts; ++i) StoreBytes(to + i * kNativeLanes, x.part[i]);
}

template <size_t kHalf>
LONGBOW_CODE_INLINE NativeFloat SwappedInLanes(NativeFloat x) {
#if defined(__clang__)
  NativeFloat swapped;
  for (size_t i = 0; i < kNativeLanes; ++i) swapped[i] = x[i ^ kHalf];
  return swapped;
#else
  NativeInt partner;
  for (size_t i = 0; i < kNativeLanes; ++i) partner[i] = static_cast<int32_t>(i ^ kHalf);
  return __builtin_shuffle(x, partner);
#endif
}
template <size_t kHalf>
LONGBOW_CODE_INLINE Float16 Swapped(const Float16& x) {  // each lane with the one kHalf away
  if constexpr (kHalf >= kNativeLanes) {
    return Each<Float16>([&](size_t i) { return x.part[i ^ (kHalf / kNativeLanes)]; });
  } else {
    return Each<Float16>([&](size_t i) { return SwappedInLanes<kHalf>(x.part[i]); });
  }
}
template <size_t kHalf>
LONGBOW_CODE_INLINE Float16 ButterflyInLanes(const Float16& x) {
  Float16 sign;
  for (size_t i = 0; i < 16; ++i)
    sign.part[i / kNativeLanes][i % kNativeLanes] = (i & kHalf) != 0 ? -1.0f : 1.0f;
  return Swapped<kHalf>(x) + x * sign;
}

LONGBOW_CODE_INLINE float Sum(Float16 x) {
  x += Swapped<8>(x);
  x += Swapped<4>(x);
  x += Swapped<2>(x);
  x += Swapped<1>(x);
  return x.part[0][0];
}
LONGBOW_CODE_INLINE int32_t Sum(const Int16& x) {
  int32_t sum = 0;
  for (size_t i = 0; i < 16; ++i) sum += x.part[i / kNativeLanes][i % kNativeLanes];
  return sum;
}
LONGBOW_CODE_INLINE float Largest(Float16 x) {
  x = Max(x, Swapped<8>(x));
  x = Max(x, Swapped<4>(x));
  x = Max(x, Swapped<2>(x));
  x = Max(x, Swapped<1>(x));
  return x.part[0][0];
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
template <typename Number>
LONGBOW_CODE_INLINE Number Round(const Number& x) {
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
  auto* code = reinterpret_cast<uint8_t*>(to);
  CodeFactors factors;
  const float found = LargestMagnitude(x, n);
  const float most = found < kMost ? found : kMost;
  factors.scale = most > kLeast ? most / 127.0f : 1.0f;
  const float inverse = most > kLeast ? 127.0f / most : 0.0f;
  Int16 sum{}, squares{};
  for (size_t i = 0; i < n; i += 16) {
    const Float16 below = Min(Load(x + i) * inverse, All(127));  // 127 also for what is no number
    const Int16 c = Truncated(Round(Max(below, All(-127))));
    StoreBytes(code + i, c);
    sum += c;
    squares += c * c;
  }
  factors.sum = Sum(sum);
  factors.square = factors.scale * factors.scale * static_cast<float>(Sum(squares));
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
  return Each<Float16>([&](size_t i) {
    NativeHalves halves;
    __builtin_memcpy(&halves, p + i * sizeof(halves), sizeof(halves));
    const NativeInt bits = __builtin_convertvector(halves, NativeInt);
    const NativeInt sign = (bits & 0x8000) << 16;
    const NativeFloat magnitude = reinterpret_cast<NativeFloat>((bits & 0x7fff) << 13) * 0x1p112f;
    return reinterpret_cast<NativeFloat>(reinterpret_cast<NativeInt>(magnitude) | sign);
  });
}

LONGBOW_CODE_INLINE void StoreHalves(std::byte* p, const Float16& x) {
  const Float16 small = Abs(x) * 0x1p-112f;
  for (size_t i = 0; i < kParts; ++i) {
    const NativeInt sign = reinterpret_cast<NativeInt>(x.part[i]) >> 16 & 0x8000;
    const NativeInt bits = reinterpret_cast<NativeInt>(small.part[i]);
    const NativeInt rounded =
        ((bits + 0x0fff + (bits >> 13 & 1)) >> 13) | sign;  // to the nearest, ties to even
    const NativeHalves halves = __builtin_convertvector(rounded, NativeHalves);
    __builtin_memcpy(p + i * sizeof(halves), &halves, sizeof(halves));
  }
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

// The signed sums of 4 dimensions, by their signs.
struct SignedSums {
  Float16 sign[4];

  SignedSums() {
    float signs[4][16];
    for (int c = 0; c < 16; ++c) {
      for (int b = 0; b < 4; ++b) signs[b][c] = (c >> b & 1) != 0 ? 1.0f : -1.0f;
    }
    for (int b = 0; b < 4; ++b) sign[b] = Load(signs[b]);
  }
  Float16 Of(const float* v) const {
    return (sign[0] * v[0] + sign[1] * v[1]) + (sign[2] * v[2] + sign[3] * v[3]);
  }
  static float Reach(const float* v) {
    return __builtin_fabsf(v[0]) + __builtin_fabsf(v[1]) + __builtin_fabsf(v[2]) + __builtin_fabsf(v[3]);
  }
};

// Twice, for tables are looked up in halves of a vector.
LONGBOW_CODE_INLINE void StoreEntries(uint8_t* at, const Float16& x) {
  StoreBytes(at, Truncated(x));
  __builtin_memcpy(at + 16, at, 16);
}

NeighborTable MakeTable(const float* query, size_t n, uint8_t* entries) {
  const SignedSums sums;
  float most = 0, all = 0;
  for (size_t i = 0; i < n; i += 4) {
    const float reach = SignedSums::Reach(query + i);
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
    const Float16 x = (sums.Of(query + i) + SignedSums::Reach(query + i)) * inverse + 0.5f;
    StoreEntries(entries + EntriesAt(i / 4), x);
  }
  return table;
}

ScanTable MakeScanTable(const float* query, size_t n, uint32_t bits, float all, float step,
                        uint8_t* entries) {
  const SignedSums sums;
  const float inverse = 1.0f / step;
  for (size_t i = 0; i < n; i += 4) {
    Float16 steps = (All(SignedSums::Reach(query + i)) - sums.Of(query + i)) * inverse;
    uint8_t* at = entries + EntriesAt(i / 4);
    for (uint32_t plane = 0; plane < bits; ++plane, at += TableBytes(n), steps = steps + steps)
      StoreEntries(at, Min(steps + 0.5f, All(255)));
  }
  return {entries, step, all * static_cast<float>((1u << bits) - 1), 0, 0};
}

// A bit of each of 16 levels into a plane of a block, whose `at` is the place of the 16 dimensions.
LONGBOW_CODE_INLINE void WritePlane(uint32_t bits, uint8_t* at) {
  at[0] = static_cast<uint8_t>((bits & 15) | (bits >> 4 & 0xf0));
  at[32] = static_cast<uint8_t>((bits >> 4 & 15) | (bits >> 8 & 0xf0));
}

// The nearest of the levels -reach, 1 - reach .. reach; the highest for what is no number.
LONGBOW_CODE_INLINE Float16 Level(const Float16& r, float inverse, float reach) {
  return Max(Min(Round(r * inverse - 0.5f) + 0.5f, All(reach)), All(-reach));
}

// <r, code> / |code| for levels of width `step`: how well such a code points where r does, squared.
LONGBOW_CODE_INLINE float Alignment(const float* from, const float* to, size_t n, float step, float reach) {
  const float inverse = 1.0f / step;
  Float16 along{}, square{};
  for (size_t i = 0; i < n; i += 16) {
    const Float16 r = Load(to + i) - Load(from + i);
    const Float16 level = Level(r, inverse, reach);
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
                               uint8_t* block) {
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
    const Float16 level = bits == 1 ? Each<Float16>([&](size_t j) {
      return r.part[j] < 0.0f ? NativeFloat{} - 0.5f : NativeFloat{} + 0.5f;
    })
                                    : Level(r, inverse, reach);
    const Float16 code = level + level;
    along += code * r;
    of_from += code * f;
    const Int16 number = Truncated(level + reach);
    uint8_t* at = block + i * 4 + position;
    for (uint32_t bit = 0; bit < bits; ++bit, at += BlockBytes(n, 1)) WritePlane(LowBits(number, bit), at);
  }
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

template <size_t kQueries>
void NearOf(const ScanBlocks& blocks, uint32_t bits, size_t n, const ScanQuery* queries) {
  RoomsOf<kQueries> of;
  for (size_t q = 0; q < kQueries; ++q) {
    const ScanTable& table = *queries[q].table;
    const float inverse = 1.0f / table.step;
    of.entries[q] = table.entries;
    of.rooms[q] = {inverse, (queries[q].limit - table.base) * inverse, (table.most + table.doubt) * inverse};
  }
  for (size_t i = 0; i < blocks.count; ++i) {
    const size_t at = i * blocks.stride;
    uint32_t near[kQueries];
    NearTotals<kQueries>(blocks.codes + at, bits, of, n, blocks.constants + at / sizeof(float),
                         blocks.inverses + at / sizeof(float), near);
    for (size_t q = 0; q < kQueries; ++q) queries[q].near[i] = near[q];
  }
}

void Near(const ScanBlocks& blocks, uint32_t bits, size_t n, const ScanQuery* queries, size_t count) {
  for (; count >= 4; queries += 4, count -= 4) NearOf<4>(blocks, bits, n, queries);
  if (count >= 2) NearOf<2>(blocks, bits, n, queries), queries += 2, count -= 2;
  if (count > 0) NearOf<1>(blocks, bits, n, queries);
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
          &MakeScanTable,
          &Near,
          &NotAboveInBlock};
}
