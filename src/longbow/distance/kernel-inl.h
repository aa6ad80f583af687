// The loop of every kernel: a block of queries x rows, a vector at a time, then the ragged tail, then the
// reduction. Included by an instruction set's file inside its unnamed namespace.
//
// Lanes is that file's vector type: Scalar, Vector, kLanes; Zero, Sub, MulAdd; Load(Of<Element>, p) of kLanes
// elements widened to Scalar; Tail(count, preceded) and LoadTail(Of<Element>, p, tail) of fewer than kLanes
// with zeros for the rest, reading no byte outside the row; ReduceFour(a, b, c, d, out): the sums over the
// lanes of four vectors.
//
// A pair of query and row has one accumulator whatever the shape of the block, so rows, gather and tile agree
// to the last bit. The width of the block hides the latency of the multiply-adds.

template <typename Lanes, typename Element, typename M>
struct Kernel {
  using Scalar = typename Lanes::Scalar;
  using Vector = typename Lanes::Vector;
  using Bytes = const std::byte*;

  static constexpr size_t kRows = Lanes::kRowBlock;  // rows of a block with one query
  static constexpr size_t kTileQueries = Lanes::kTileQueries;
  static constexpr size_t kTileRows = Lanes::kTileRows;
  static constexpr size_t kFew = 4;  // of a block for the last rows

  template <size_t Q, size_t R>
  struct Sums {
    Vector pair[Q][R];
    Vector norm[R];
  };

  template <size_t Q, size_t R>
  LONGBOW_INLINE static void Step(Sums<Q, R>& sums, const Vector (&query)[Q], size_t r, Vector row) {
    if constexpr (M::kNeedsRowNorm) sums.norm[r] = Lanes::MulAdd(row, row, sums.norm[r]);
    LONGBOW_UNROLL
    for (size_t q = 0; q < Q; ++q) {
      sums.pair[q][r] = M::template Accumulate<Lanes>(sums.pair[q][r], query[q], row);
    }
  }

  template <size_t Q, size_t R>
  LONGBOW_INLINE static void Accumulate(const Bytes (&queries)[Q], const Bytes (&rows)[R], size_t scalars,
                                        Sums<Q, R>& sums) {
    LONGBOW_UNROLL
    for (size_t r = 0; r < R; ++r) {
      sums.norm[r] = Lanes::Zero();
      LONGBOW_UNROLL
      for (size_t q = 0; q < Q; ++q) sums.pair[q][r] = M::template Init<Lanes>();
    }
    Vector query[Q];
    size_t i = 0;
    for (; i + Lanes::kLanes <= scalars; i += Lanes::kLanes) {
      LONGBOW_UNROLL
      for (size_t q = 0; q < Q; ++q) query[q] = Lanes::Load(Of<Scalar>(), queries[q] + i * sizeof(Scalar));
      LONGBOW_UNROLL
      for (size_t r = 0; r < R; ++r)
        Step(sums, query, r, Lanes::Load(Of<Element>(), rows[r] + i * sizeof(Element)));
    }
    if (i == scalars) return;
    const typename Lanes::Tail tail(scalars - i, i > 0);
    LONGBOW_UNROLL
    for (size_t q = 0; q < Q; ++q)
      query[q] = Lanes::LoadTail(Of<Scalar>(), queries[q] + i * sizeof(Scalar), tail);
    LONGBOW_UNROLL
    for (size_t r = 0; r < R; ++r) {
      Step(sums, query, r, Lanes::LoadTail(Of<Element>(), rows[r] + i * sizeof(Element), tail));
    }
  }

  // out[q * out_stride + r]. Not inline: the calls below share it, which more than halves what there is to
  // compile.
  template <size_t Q, size_t R>
  __attribute__((noinline)) static void Block(const Bytes (&queries)[Q], const Bytes (&rows)[R],
                                              size_t scalars, float* out, size_t out_stride) {
    static_assert(R % 4 == 0);
    Sums<Q, R> sums;
    Accumulate(queries, rows, scalars, sums);
    Scalar pair[Q][R];
    Scalar norm[R] = {};
    bool trusted = true;
    LONGBOW_UNROLL
    for (size_t r = 0; r < R; r += 4) {
      if constexpr (M::kNeedsRowNorm) {
        Lanes::ReduceFour(sums.norm[r], sums.norm[r + 1], sums.norm[r + 2], sums.norm[r + 3], norm + r);
      }
      LONGBOW_UNROLL
      for (size_t q = 0; q < Q; ++q) {
        Vector(&p)[R] = sums.pair[q];
        Lanes::ReduceFour(p[r], p[r + 1], p[r + 2], p[r + 3], pair[q] + r);
      }
    }
    LONGBOW_UNROLL
    for (size_t q = 0; q < Q; ++q) {
      LONGBOW_UNROLL
      for (size_t r = 0; r < R; ++r) {
        out[q * out_stride + r] = M::Finish(pair[q][r], norm[r]);
        trusted &= M::Trusted(pair[q][r], norm[r]);
      }
    }
    if (!trusted) [[unlikely]]
      Retake<Q, R>(queries, rows, scalars, pair, norm, out, out_stride);
  }

  template <size_t Q, size_t R>
  __attribute__((noinline, cold)) static void Retake(const Bytes (&queries)[Q], const Bytes (&rows)[R],
                                                     size_t scalars, const Scalar (&pair)[Q][R],
                                                     const Scalar (&norm)[R], float* out, size_t out_stride) {
    for (size_t q = 0; q < Q; ++q) {
      for (size_t r = 0; r < R; ++r) {
        if (M::Trusted(pair[q][r], norm[r])) continue;
        out[q * out_stride + r] =
            WideDistance(M::kMetric, kElementTypeOf<Element>, queries[q], rows[r], scalars);
      }
    }
  }

  // `count` of R rows are meant; the others repeat the last one.
  template <size_t R, typename RowAt>
  LONGBOW_INLINE static void RowBlock(Bytes query, const RowAt& row_at, size_t first, size_t count,
                                      size_t scalars, float* out) {
    const Bytes queries[1] = {query};
    Bytes rows[R];
    for (size_t r = 0; r < R; ++r) rows[r] = row_at(first + (r < count ? r : count - 1));
    if (count == R) {
      Block<1, R>(queries, rows, scalars, out + first, R);
    } else {
      float all[R];
      Block<1, R>(queries, rows, scalars, all, R);
      for (size_t r = 0; r < count; ++r) out[first + r] = all[r];
    }
  }

  template <typename RowAt>
  LONGBOW_INLINE static void LastRows(Bytes query, const RowAt& row_at, size_t first, size_t rows,
                                      size_t scalars, float* out) {
    if (first == rows) return;
    if (rows - first > kFew) return RowBlock<kRows>(query, row_at, first, rows - first, scalars, out);
    RowBlock<kFew>(query, row_at, first, rows - first, scalars, out);
  }

  static void Rows(const void* query, Bytes first_row, size_t row_bytes, size_t rows, size_t scalars,
                   float* out) {
    const auto row_at = [&](size_t i) LONGBOW_INLINE_LAMBDA { return first_row + i * row_bytes; };
    const Bytes q = static_cast<Bytes>(query);
    size_t i = 0;
    for (; i + kRows <= rows; i += kRows) RowBlock<kRows>(q, row_at, i, kRows, scalars, out);
    LastRows(q, row_at, i, rows, scalars, out);
  }

  // The processor's own prefetching carries on within a row once its first lines have been asked for.
  LONGBOW_INLINE static void PrefetchRow(Bytes row, size_t row_bytes) {
    constexpr size_t kLine = 64, kAhead = 8 * kLine;
    for (size_t at = 0; at < row_bytes && at < kAhead; at += kLine) __builtin_prefetch(row + at);
  }

  static void Gather(const void* query, const Bytes* rows_at, size_t rows, size_t scalars, float* out) {
    const auto row_at = [&](size_t i) LONGBOW_INLINE_LAMBDA { return rows_at[i]; };
    const Bytes q = static_cast<Bytes>(query);
    for (size_t i = 0; i < rows && i < kRows; ++i) PrefetchRow(rows_at[i], scalars * sizeof(Element));
    size_t i = 0;
    for (; i + kRows <= rows; i += kRows) {
      const size_t end = i + 2 * kRows < rows ? i + 2 * kRows : rows;
      for (size_t next = i + kRows; next < end; ++next) PrefetchRow(rows_at[next], scalars * sizeof(Element));
      RowBlock<kRows>(q, row_at, i, kRows, scalars, out);
    }
    LastRows(q, row_at, i, rows, scalars, out);
  }

  // `count` of the block's queries are meant; the others repeat the last one.
  LONGBOW_INLINE static void TileBlock(Bytes queries, size_t query_bytes, size_t count,
                                       const Bytes (&rows)[kTileRows], size_t scalars, float* out,
                                       size_t out_stride) {
    Bytes query[kTileQueries];
    for (size_t q = 0; q < kTileQueries; ++q) query[q] = queries + (q < count ? q : count - 1) * query_bytes;
    if (count == kTileQueries) return Block<kTileQueries, kTileRows>(query, rows, scalars, out, out_stride);
    float all[kTileQueries * kTileRows];
    Block<kTileQueries, kTileRows>(query, rows, scalars, all, kTileRows);
    for (size_t q = 0; q < count; ++q) {
      for (size_t r = 0; r < kTileRows; ++r) out[q * out_stride + r] = all[q * kTileRows + r];
    }
  }

  static void Tile(const void* queries, size_t query_bytes, size_t query_count, Bytes first_row,
                   size_t row_bytes, size_t rows, size_t scalars, float* out) {
    const Bytes first_query = static_cast<Bytes>(queries);
    const size_t whole = rows - rows % kTileRows;
    for (size_t i = 0; i < whole; i += kTileRows) {
      Bytes row[kTileRows];
      for (size_t r = 0; r < kTileRows; ++r) row[r] = first_row + (i + r) * row_bytes;
      for (size_t q = 0; q < query_count; q += kTileQueries) {
        const size_t count = query_count - q < kTileQueries ? query_count - q : kTileQueries;
        TileBlock(first_query + q * query_bytes, query_bytes, count, row, scalars, out + q * rows + i, rows);
      }
    }
    if (whole == rows) return;
    for (size_t q = 0; q < query_count; ++q) {
      Rows(first_query + q * query_bytes, first_row + whole * row_bytes, row_bytes, rows - whole, scalars,
           out + q * rows + whole);
    }
  }
};
