// One random orthogonal transform for all vectors of an index: distances stay, coordinates become alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "longbow/codec/code_kernels.h"

namespace longbow::codec {

// Random signs and Walsh-Hadamard transforms in turn; where the padded dimension is no power of two,
// transforms of the first and of the last power of two that fits. The same dimension and seed give the same
// rotation. Immutable.
class Rotation {
 public:
  Rotation(size_t dim, uint64_t seed, const CodeKernels& kernels);

  size_t padded_dim() const { return padded_; }
  // x has padded_dim() values, those beyond the dimension being zero.
  void Apply(float* x) const;

 private:
  const CodeKernels& kernels_;
  const size_t padded_, power_;
  const size_t rounds_;
  std::vector<float> signs_;  // padded_ a round
};

}  // namespace longbow::codec
