// Minus the dot product. Included by an instruction set's file inside its unnamed namespace.

struct InnerProduct {
  static constexpr Metric kMetric = Metric::kInnerProduct;
  static constexpr const char* kNames[] = {"ip", "inner_product", "dot_product", "dot"};
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
    return Lanes::MulAdd(query, row, sum);
  }
  template <typename Scalar>
  LONGBOW_INLINE static float Finish(Scalar dot, Scalar) {
    return static_cast<float>(0 - dot);  // not -dot: that would turn 0 into -0
  }
  // Terms of both signs may overflow on the way to a dot product that fits.
  template <typename Scalar>
  LONGBOW_INLINE static bool Trusted(Scalar dot, Scalar) {
    return dot - dot == 0;
  }

  static float UserDistance(float distance) { return distance; }
  static float UserScore(float distance) { return 0 - distance; }
};
