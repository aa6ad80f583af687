// The kernels of one instruction set each; a new one is a file isa_*.cc and a line here and in
// code_kernels.cc.
#pragma once

#include <utility>

#include "longbow/codec/code_kernels.h"

#define LONGBOW_CODE_INLINE __attribute__((always_inline)) inline

namespace longbow::codec {

extern const CodeKernels kScalarCodeKernels;
extern const CodeKernels kAvx2CodeKernels;
extern const CodeKernels kAvx512CodeKernels;
extern const CodeKernels kAvx512VnniCodeKernels;

}  // namespace longbow::codec
