// Vectors as wide as the instruction set has them; included inside its unnamed namespace, after
// LONGBOW_CODE_VECTOR, their bytes. GCC takes wider ones apart lane by lane.

constexpr size_t kNativeLanes = LONGBOW_CODE_VECTOR / 4;

typedef float NativeFloat __attribute__((vector_size(LONGBOW_CODE_VECTOR)));
typedef float NativeFloatUnaligned __attribute__((vector_size(LONGBOW_CODE_VECTOR), aligned(4)));
typedef int32_t NativeInt __attribute__((vector_size(LONGBOW_CODE_VECTOR)));
typedef uint16_t NativeHalves __attribute__((vector_size(LONGBOW_CODE_VECTOR / 2)));
