// How large totals may be (codec/code_kernels.h, ScanTable), in steps; included inside an instruction set's
// unnamed namespace.

// A code may be near up to a total of inverse * (room - constant * inverse_step) + spare, cut to 0 to 255.
struct Rooms {
  float inverse_step, room, spare;
};

// Of queries that are looked for together.
template <size_t kQueries>
struct RoomsOf {
  const uint8_t* entries[kQueries];
  Rooms rooms[kQueries];
};

#if defined(__AVX2__)
LONGBOW_CODE_INLINE __m256i EightRooms(const Rooms& rooms, const float* constants, const float* inverses) {
  const __m256 rest =
      _mm256_sub_ps(_mm256_set1_ps(rooms.room),
                    _mm256_mul_ps(_mm256_loadu_ps(constants), _mm256_set1_ps(rooms.inverse_step)));
  const __m256 most =
      _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(inverses), rest), _mm256_set1_ps(rooms.spare));
  // Of what is no number the second one is taken; what has no integer becomes the smallest, and that 0.
  return _mm256_cvttps_epi32(_mm256_min_ps(most, _mm256_set1_ps(255)));
}

LONGBOW_CODE_INLINE __m256i BlockRooms(const Rooms& rooms, const float* constants, const float* inverses) {
  const __m256i a = EightRooms(rooms, constants, inverses),
                b = EightRooms(rooms, constants + 8, inverses + 8);
  const __m256i c = EightRooms(rooms, constants + 16, inverses + 16),
                d = EightRooms(rooms, constants + 24, inverses + 24);
  return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)),
                                     _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

LONGBOW_CODE_INLINE uint32_t NotAbove(__m256i totals, __m256i rooms) {
  return static_cast<uint32_t>(
      _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(totals, rooms), totals)));
}
#endif
