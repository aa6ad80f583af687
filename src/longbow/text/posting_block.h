// 128 integers in as few bits as the largest needs, four lanes side by side (Lemire and Boytsov, "Decoding
// billions of integers per second through vectorization", 2015), so that unpacking is vector code anywhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace longbow::text {

inline constexpr uint32_t kBlockPostings = 128;

constexpr size_t PackedBytes(uint32_t bits) { return size_t{16} * bits; }

// `bits` is at least the width of every value, at most 32. Writes PackedBytes(bits).
void PackBlock(const uint32_t* values, uint32_t bits, uint8_t* out);
void UnpackBlock(const uint8_t* in, uint32_t bits, uint32_t* values);

// Ascending documents as differences to the one four before, the first four to `base`.
uint32_t DifferenceBits(const uint32_t* documents, uint32_t base);
void PackDocuments(const uint32_t* documents, uint32_t base, uint32_t bits, uint8_t* out);
void UnpackDocuments(const uint8_t* in, uint32_t base, uint32_t bits, uint32_t* documents);

}  // namespace longbow::text
