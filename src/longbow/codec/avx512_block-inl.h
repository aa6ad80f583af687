// Block sums for AVX-512; included inside an instruction set's unnamed namespace.

constexpr size_t kGroupsATurn = 64;  // 4 * 64 * 255 fits 16 bits

LONGBOW_CODE_INLINE void AddWeighted(__m256i sixteen, __m512 weight, float* sums) {
  const __m512 x = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(sixteen));
  _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_loadu_ps(sums), _mm512_mul_ps(x, weight)));
}

// Sixteen-bit lanes take a byte of even place and 256 times one of odd place; the odd ones are summed beside
// and taken out at the end. Both halves of a vector hold the same neighbours.
void AddBlockSums(const uint8_t* plane, const uint8_t* entries, size_t n, float weight, float* sums) {
  const __m512i low = _mm512_set1_epi8(15);
  for (size_t left = n / 16; left > 0;) {
    const size_t turn = left < kGroupsATurn ? left : kGroupsATurn;
    left -= turn;
    __m512i both = _mm512_setzero_si512(), odd = both;
    for (size_t group = 0; group < turn; ++group, plane += 64, entries += 128) {
      const __m512i code = _mm512_loadu_si512(plane);
      const __m512i a = _mm512_shuffle_epi8(_mm512_loadu_si512(entries), _mm512_and_si512(code, low));
      const __m512i b = _mm512_shuffle_epi8(_mm512_loadu_si512(entries + 64),
                                            _mm512_and_si512(_mm512_srli_epi16(code, 4), low));
      both = _mm512_add_epi16(both, _mm512_add_epi16(a, b));
      odd = _mm512_add_epi16(odd, _mm512_add_epi16(_mm512_srli_epi16(a, 8), _mm512_srli_epi16(b, 8)));
    }
    const __m512i even = _mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8));
    const __m256i even2 = _mm256_add_epi16(_mm512_castsi512_si256(even), _mm512_extracti64x4_epi64(even, 1));
    const __m256i odd2 = _mm256_add_epi16(_mm512_castsi512_si256(odd), _mm512_extracti64x4_epi64(odd, 1));
    const __m256i first = _mm256_unpacklo_epi16(even2, odd2), second = _mm256_unpackhi_epi16(even2, odd2);
    const __m512 w = _mm512_set1_ps(weight);
    AddWeighted(_mm256_permute2x128_si256(first, second, 0x20), w, sums);
    AddWeighted(_mm256_permute2x128_si256(first, second, 0x31), w, sums + 16);
  }
}
