// What codes are made of and scored with, as fast as the machine can, chosen once. Lengths `n` are padded
// dimensions: multiples of kDimStep. Memory of codes may change while it is read (graph nodes under a
// sequence lock): a kernel then gives some number, and touches nothing outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace longbow::codec {

inline constexpr size_t kDimStep = 64;
inline constexpr size_t kBlock = 32;  // neighbours scored at once
inline constexpr uint32_t kMaxBits = 4;

inline constexpr size_t PaddedDim(size_t dim) { return (dim + kDimStep - 1) / kDimStep * kDimStep; }
// Of the codes of kBlock neighbours.
inline constexpr size_t BlockBytes(size_t n, uint32_t bits) { return bits * n * kBlock / 8; }
// Of a query's table for them.
inline constexpr size_t TableBytes(size_t n) { return n * 8; }
// Of a query's table for a scan of them.
inline constexpr size_t ScanTableBytes(size_t n, uint32_t bits) { return bits * TableBytes(n); }

// Beside a vector's code: x ~ scale * code. Everything later is said of the decoded vector, so that distances
// between codes are a metric.
struct CodeFactors {
  float scale = 0;
  int32_t sum = 0;   // of the code, where it has integers
  float square = 0;  // |decoded|^2
};

// Kernels of one way; n * ScalarBytes(code) bytes a vector.
struct VectorCodeKernels {
  CodeFactors (*encode)(const float* x, size_t n, std::byte* code);
  void (*decode)(const std::byte* code, float scale, size_t n, float* out);
  // The product of two codes; sum_b is the sum of b's.
  float (*dot)(const std::byte* a, const std::byte* b, int32_t sum_b, size_t n);
};

// Ways of keeping a whole vector.
enum class VectorCode : uint8_t { kSq8, kFloat16, kFloat32 };
inline constexpr size_t kVectorCodes = 3;
inline constexpr size_t ScalarBytes(VectorCode code) {
  return code == VectorCode::kFloat32 ? 4 : code == VectorCode::kFloat16 ? 2 : 1;
}
// Of the largest coordinate, how far apart neighbouring values of a coordinate may lie at most.
inline constexpr float StepOf(VectorCode code) {
  return code == VectorCode::kFloat32 ? 0.0f : code == VectorCode::kFloat16 ? 1.0f / 2048 : 1.0f / 127;
}

// A query as neighbour codes want it: for each 4 dimensions the 16 signed sums, in 7 bits.
struct NeighborTable {
  const uint8_t* entries = nullptr;
  float step = 0, offset = 0;  // signed sum ~ step * entry + offset, offset that of all entries together
};

// A query as a scan wants it, which only asks which codes may be near: for each plane, weighted, and each 4
// dimensions by how many steps each of the 16 signed sums falls short of the largest. So what is near has a
// small total, and totals are kept in 8 bits that stay at 255: all beyond is far (Quick ADC, arXiv
// 1704.07355).
struct ScanTable {
  const uint8_t* entries = nullptr;
  float step = 0, most = 0;  // product ~ most - step * total
  float base = 0;            // of the estimates
  float doubt = 0;           // by so much a product may be larger
};

struct ScanQuery {
  const ScanTable* table = nullptr;
  float limit = 0;
  uint32_t* near = nullptr;  // one a block
};

// Blocks one behind the other, `stride` bytes apart; pointers are the first one's.
struct ScanBlocks {
  const uint8_t* codes = nullptr;
  const float* constants = nullptr;
  const float* inverses = nullptr;  // of the slopes' magnitudes
  size_t stride = 0, count = 0;
};

// With r = u - v, estimate |q - u|^2 = |q - v|^2 + constant + slope * <q, code of r>  (RaBitQ, arXiv
// 2405.12497, section 3, with the edge's start as the centroid: arXiv 2411.12229). The code's part of <v, r>
// is in the constant, so a query has one table for all nodes.
struct NeighborFactors {
  float constant = 0, slope = 0;
  float square = 0;  // |r|^2
};

// What a block's estimates are put together from beside the codes; kBlock of each.
struct EstimateTerms {
  float base = 0;
  const float* constants = nullptr;
  const float* slopes = nullptr;
  const float* more = nullptr;  // null: nothing more
  float weight = 0;
};

struct CodeKernels {
  std::string_view name;

  // The orthonormal Walsh-Hadamard transform in place; n is a power of two, at least kDimStep.
  void (*hadamard)(float* x, size_t n);
  // a[i] *= b[i]
  void (*multiply)(float* a, const float* b, size_t n);

  VectorCodeKernels vector_codes[kVectorCodes];

  const VectorCodeKernels& of(VectorCode code) const { return vector_codes[static_cast<size_t>(code)]; }

  // Entries go to `entries`, TableBytes(n) of them, aligned to 64 bytes.
  NeighborTable (*make_table)(const float* query, size_t n, uint8_t* entries);
  // Writes the code of `to` as seen from `from` at place `position` of a block.
  NeighborFactors (*encode_neighbor)(const float* from, const float* to, size_t n, uint32_t bits,
                                     uint32_t position, uint8_t* block);
  // out[i] = base + constants[i] + slopes[i] * <query, code i> + more[i] * weight, for the kBlock codes of a
  // block; bit i of what it returns: out[i] <= limit. `out` is aligned to 64 bytes.
  uint32_t (*estimate)(const uint8_t* block, uint32_t bits, size_t n, const NeighborTable& table,
                       const EstimateTerms& terms, float limit, float* out);
  // Entries go to `entries`, ScanTableBytes(n, bits) of them; `all` is the sum of the query's magnitudes.
  // Base and doubt are the caller's.
  ScanTable (*make_scan_table)(const float* query, size_t n, uint32_t bits, float all, float step,
                               uint8_t* entries);
  // Of each query bit i of near[j]: base + constant - <query, code> / inverse may be <= limit for code i of
  // block j, as nearly as its table's step allows and with its doubt. Four queries take half as long as four
  // times one.
  void (*near)(const ScanBlocks& blocks, uint32_t bits, size_t n, const ScanQuery* queries, size_t count);
  // Bit i: x[i] <= limit, i < kBlock; x is aligned to 64 bytes.
  uint32_t (*not_above)(const float* x, float limit);
};

// The best this build has code for and this machine can run.
const CodeKernels& BestCodeKernels();
// All that this machine can run, scalar first; for tests.
struct CodeKernelList {
  const CodeKernels* const* begin_;
  size_t count;
  const CodeKernels* const* begin() const { return begin_; }
  const CodeKernels* const* end() const { return begin_ + count; }
};
CodeKernelList RunnableCodeKernels();

// |a - b|^2 of two decoded vectors.
inline float SquaredDistance(const CodeFactors& a, const CodeFactors& b, float dot) {
  return a.square + b.square - 2 * a.scale * b.scale * dot;
}

}  // namespace longbow::codec
