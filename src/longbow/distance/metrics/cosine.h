// 1 - cosine, for a query of unit length. Included by an instruction set's file inside its unnamed namespace.

struct Cosine {
  static constexpr Metric kMetric = Metric::kCosine;
  static constexpr const char* kNames[] = {"cosine"};
  static constexpr bool kNeedsRowNorm = true;
  static constexpr bool kUnitQuery = true;

  template <typename Lanes>
  LONGBOW_INLINE static typename Lanes::Vector Init() {
    return Lanes::Zero();
  }
  template <typename Lanes>
  LONGBOW_INLINE static typename Lanes::Vector Accumulate(typename Lanes::Vector sum,
                                                          typename Lanes::Vector query,
                                                          typename Lanes::Vector row) {
    return Lanes::MulAdd(query, row, sum);
  }
  template <typename Scalar>
  LONGBOW_INLINE static float Finish(Scalar dot, Scalar squared_norm) {
    // A row of length zero points nowhere: as far as one at a right angle.
    const Scalar distance = squared_norm > 0 ? 1 - dot / SquareRoot(squared_norm) : 1;
    return static_cast<float>(distance < 0 ? 0 : distance > 2 ? 2 : distance);
  }
  // A cosine always fits, but the squares of a very long or very short row do not.
  template <typename Scalar>
  LONGBOW_INLINE static bool Trusted(Scalar, Scalar squared_norm) {
    constexpr bool kNarrow = sizeof(Scalar) == sizeof(float);
    constexpr Scalar kLeast = static_cast<Scalar>(kNarrow ? 1e-24 : 1e-200);
    constexpr Scalar kMost = static_cast<Scalar>(kNarrow ? 1e38 : 1e300);
    return squared_norm >= kLeast && squared_norm <= kMost;
  }

  static float UserDistance(float distance) { return distance; }
  static float UserScore(float distance) { return 1 - distance; }
};
