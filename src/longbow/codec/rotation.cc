#include "longbow/codec/rotation.h"

#include <bit>

namespace longbow::codec {
namespace {

uint64_t SplitMix(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

}  // namespace

Rotation::Rotation(size_t dim, uint64_t seed, const CodeKernels& kernels)
    : kernels_(kernels),
      padded_(PaddedDim(dim)),
      power_(std::bit_floor(padded_)),
      rounds_(power_ == padded_ ? 2 : 4),
      signs_(rounds_ * padded_) {
  for (float& sign : signs_) sign = (SplitMix(seed) >> 63) != 0 ? 1.0f : -1.0f;
}

void Rotation::Apply(float* x) const {
  for (size_t round = 0; round < rounds_; ++round) {
    kernels_.multiply(x, signs_.data() + round * padded_, padded_);
    kernels_.hadamard(round % 2 == 0 ? x : x + padded_ - power_, power_);
  }
}

}  // namespace longbow::codec
