// Block sums and parts of vectors for AVX-512; included inside an instruction set's unnamed namespace.

constexpr size_t kGroupsATurn = 64;  // 4 * 64 * 255 fits 16 bits

// Sums of the entries chosen by 32 codes, in 16 bits: lanes of `both` take a byte of even place and 256 times
// one of odd place; the odd ones are summed beside and taken out at the end. Both halves of a vector hold the
// same neighbours.
struct Sums16 {
  __m512i both = _mm512_setzero_si512(), odd = _mm512_setzero_si512();
};

LONGBOW_CODE_INLINE void AddGroups(const uint8_t* plane, const uint8_t* entries, size_t groups,
                                   Sums16* sums) {
  const __m512i low = _mm512_set1_epi8(15);
  __m512i both = sums->both, odd = sums->odd;
  for (size_t group = 0; group < groups; ++group, plane += 64, entries += 128) {
    const __m512i code = _mm512_loadu_si512(plane);
    const __m512i a = _mm512_shuffle_epi8(_mm512_loadu_si512(entries), _mm512_and_si512(code, low));
    const __m512i b = _mm512_shuffle_epi8(_mm512_loadu_si512(entries + 64),
                                          _mm512_and_si512(_mm512_srli_epi16(code, 4), low));
    const __m512i two = _mm512_add_epi8(a, b);  // entries have 7 bits
    both = _mm512_add_epi16(both, two);
    odd = _mm512_add_epi16(odd, _mm512_srli_epi16(two, 8));
  }
  sums->both = both, sums->odd = odd;
}

// Adds them, `weight` times, to the sums of places 0 to 15 and 16 to 31.
LONGBOW_CODE_INLINE void AddWeighted(const Sums16& sums, __m512 weight, __m512* sum, __m512* sum2) {
  const __m512i even = _mm512_sub_epi16(sums.both, _mm512_slli_epi16(sums.odd, 8));
  const __m256i even2 = _mm256_add_epi16(_mm512_castsi512_si256(even), _mm512_extracti64x4_epi64(even, 1));
  const __m256i odd2 =
      _mm256_add_epi16(_mm512_castsi512_si256(sums.odd), _mm512_extracti64x4_epi64(sums.odd, 1));
  const __m256i first = _mm256_unpacklo_epi16(even2, odd2), second = _mm256_unpackhi_epi16(even2, odd2);
  const __m256i low_half = _mm256_permute2x128_si256(first, second, 0x20),
                high_half = _mm256_permute2x128_si256(first, second, 0x31);
  *sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(low_half)), weight, *sum);
  *sum2 = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(high_half)), weight, *sum2);
}

LONGBOW_CODE_INLINE void BlockSums(const uint8_t* block, uint32_t bits, const uint8_t* entries, size_t n,
                                   float* sums) {
  __m512 sum = _mm512_setzero_ps(), sum2 = sum;
  const size_t groups = n / 16;
  if (4 * groups * 127 * ((1u << bits) - 1) < 65536) {  // of all planes, weighted
    Sums16 all;
    for (size_t plane = 0; plane < bits; ++plane) {  // ascending, as memory is best read
      const __m128i by = _mm_cvtsi32_si128(static_cast<int>(plane));
      Sums16 some;
      AddGroups(block + plane * groups * 64, entries, groups, &some);
      all.both = _mm512_add_epi16(all.both, _mm512_sll_epi16(some.both, by));
      all.odd = _mm512_add_epi16(all.odd, _mm512_sll_epi16(some.odd, by));
    }
    AddWeighted(all, _mm512_set1_ps(1), &sum, &sum2);
  } else {
    __m512 weight = _mm512_set1_ps(1);
    for (size_t plane = 0; plane < bits; ++plane, weight = _mm512_add_ps(weight, weight)) {
      for (size_t done = 0; done < groups; done += kGroupsATurn) {
        const size_t turn = groups - done < kGroupsATurn ? groups - done : kGroupsATurn;
        Sums16 some;
        AddGroups(block + (plane * groups + done) * 64, entries + done * 128, turn, &some);
        AddWeighted(some, weight, &sum, &sum2);
      }
    }
  }
  _mm512_store_ps(sums, sum);
  _mm512_store_ps(sums + 16, sum2);
}

// Both halves of a vector hold the same neighbours here, too.
template <size_t kQueries>
LONGBOW_CODE_INLINE void NearTotals(const uint8_t* block, uint32_t bits, const RoomsOf<kQueries>& queries,
                                    size_t n, const float* constants, const float* inverses, uint32_t* near) {
  const __m512i low = _mm512_set1_epi8(15);
  __m512i totals[kQueries], others[kQueries];  // two sums each, so that one need not wait for the other
  for (size_t q = 0; q < kQueries; ++q) totals[q] = others[q] = _mm512_setzero_si512();
  for (size_t at = 0; at < bits * BlockBytes(n, 1); at += 64) {
    const __m512i code = _mm512_loadu_si512(block + at);
    const __m512i first = _mm512_and_si512(code, low),
                  second = _mm512_and_si512(_mm512_srli_epi16(code, 4), low);
#pragma GCC unroll 4
    for (size_t q = 0; q < kQueries; ++q) {
      const uint8_t* entries = queries.entries[q] + 2 * at;
      totals[q] = _mm512_adds_epu8(totals[q], _mm512_shuffle_epi8(_mm512_loadu_si512(entries), first));
      others[q] = _mm512_adds_epu8(others[q], _mm512_shuffle_epi8(_mm512_loadu_si512(entries + 64), second));
    }
  }
  for (size_t q = 0; q < kQueries; ++q) {
    const __m512i all = _mm512_adds_epu8(totals[q], others[q]);
    near[q] = NotAbove(_mm256_adds_epu8(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1)),
                       BlockRooms(queries.rooms[q], constants, inverses));
  }
}

LONGBOW_CODE_INLINE uint32_t NotAbove(const float* x, float limit) {
  return _mm512_cmp_ps_mask(_mm512_load_ps(x), _mm512_set1_ps(limit), _CMP_LE_OQ);
}

LONGBOW_CODE_INLINE uint32_t SignBits(NativeInt x) {
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(x));
}

LONGBOW_CODE_INLINE void StoreBytes(uint8_t* to, NativeInt x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(x)));
}
