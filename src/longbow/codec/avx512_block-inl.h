// Block sums for AVX-512; included inside an instruction set's unnamed namespace.

constexpr size_t kGroupsATurn = 64;  // 4 * 64 * 255 fits 16 bits

// Sixteen-bit lanes take a byte of even place and 256 times one of odd place; the odd ones are summed beside
// and taken out at the end. Both halves of a vector hold the same neighbours.
LONGBOW_CODE_INLINE void BlockSums(const uint8_t* block, uint32_t bits, const uint8_t* all_entries, size_t n,
                                   float* sums) {
  const __m512i low = _mm512_set1_epi8(15);
  __m512 sum = _mm512_setzero_ps(), sum2 = sum;
  __m512 weight = _mm512_set1_ps(1);
  const uint8_t* plane = block;
  const uint8_t* entries = all_entries;
  for (size_t bit = 0, left = n / 16; bit < bits;) {
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
    const __m256i low_half = _mm256_permute2x128_si256(first, second, 0x20),
                  high_half = _mm256_permute2x128_si256(first, second, 0x31);
    sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(low_half)), weight, sum);
    sum2 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(high_half)), weight, sum2);
    if (left > 0) continue;
    ++bit, left = n / 16, entries = all_entries;
    weight = _mm512_add_ps(weight, weight);
  }
  _mm512_store_ps(sums, sum);
  _mm512_store_ps(sums + 16, sum2);
}

LONGBOW_CODE_INLINE uint32_t NotAbove(const float* x, float limit) {
  return _mm512_cmp_ps_mask(_mm512_load_ps(x), _mm512_set1_ps(limit), _CMP_LE_OQ);
}
