// The kernels of one instruction set, by metric and element type.
#pragma once

#include "longbow/distance/kernels.h"

namespace longbow::distance {

struct KernelTable {
  KernelSet sets[kMetrics][kElementTypes];
  // Whether `count` floats of 16, 32, 64 bits are all finite.
  bool (*finite16)(const void* scalars, size_t count);
  bool (*finite32)(const void* scalars, size_t count);
  bool (*finite64)(const void* scalars, size_t count);
};

// One a file isa_*.cc; simd_level.h says which of them this build has.
extern const KernelTable kScalarKernels;
extern const KernelTable kNeonKernels;
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;

// The distance in extended precision, where a kernel's own sums have overflowed or vanished. Slow, rare,
// never inline: it must not be compiled with an instruction set's flags.
float WideDistance(Metric metric, ElementType type, const void* query, const void* row, size_t scalars);

}  // namespace longbow::distance
