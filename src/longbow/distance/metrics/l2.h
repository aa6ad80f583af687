// Squared Euclidean distance. Included by an instruction set's file inside its unnamed namespace.

struct L2 {
  static constexpr Metric kMetric = Metric::kL2;
  static constexpr const char* kNames[] = {"l2", "euclidean"};
  static constexpr bool kNeedsRowNorm = false;
  static constexpr bool kUnitQuery = false;

  template <typename Lanes>
  LONGBOW_INLINE static typename Lanes::Vector Init() {
    return Lanes::Zero();
  }
  template <typename Lanes>
  LONGBOW_INLINE static typename Lanes::Vector Accumulate(typename Lanes::Vector sum,
                                                          typename Lanes::Vector query,
                                                          typename Lanes::Vector row) {
    const typename Lanes::Vector difference = Lanes::Sub(query, row);
    return Lanes::MulAdd(difference, difference, sum);
  }
  template <typename Scalar>
  LONGBOW_INLINE static float Finish(Scalar sum, Scalar) {
    return static_cast<float>(sum);
  }
  // Terms are positive, so a sum that overflowed stands for a distance that does not fit either.
  template <typename Scalar>
  LONGBOW_INLINE static bool Trusted(Scalar, Scalar) {
    return true;
  }

  static float UserDistance(float squares) { return SquareRoot(squares); }
  static float UserScore(float squares) { return 1 / (1 + SquareRoot(squares)); }
};
