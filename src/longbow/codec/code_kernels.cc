#include "longbow/codec/code_kernels.h"

#include <array>

#include "longbow/codec/code_kernel_table.h"
#include "longbow/distance/simd_level.h"

namespace longbow::codec {
namespace {

struct Runnable {
  std::array<const CodeKernels*, 4> kernels{};
  size_t count = 0;

  Runnable() {
    Add(kScalarCodeKernels);
#if defined(__x86_64__)
    const bool avx2 = distance::Supported(distance::SimdLevel::kAvx2);
#if defined(LONGBOW_EMULATED_AVX512)  // tests/emulated
    const bool avx512 = avx2, vnni = avx2;
#else
    const bool avx512 = distance::Supported(distance::SimdLevel::kAvx512);
    const bool vnni = avx512 && __builtin_cpu_supports("avx512vnni");
#endif
    if (avx2) Add(kAvx2CodeKernels);
    if (avx512) Add(kAvx512CodeKernels);
    if (vnni) Add(kAvx512VnniCodeKernels);
#endif
  }
  void Add(const CodeKernels& k) { kernels[count++] = &k; }
};

const Runnable& All() {
  static const Runnable runnable;
  return runnable;
}

}  // namespace

const CodeKernels& BestCodeKernels() { return *All().kernels[All().count - 1]; }
CodeKernelList RunnableCodeKernels() { return {All().kernels.data(), All().count}; }

}  // namespace longbow::codec
