// Ragged tails for instruction sets without masked loads of every width: the last whole vector of the row is
// loaded again and the lanes already counted are cleared. Only a row shorter than a vector is copied to where
// zeros follow. Included inside an instruction set's unnamed namespace.

// Lanes offers KeepLast(vector, count): zeros in all but its last `count` lanes.
template <typename Lanes>
struct OverlappingTail {
  LONGBOW_INLINE OverlappingTail(size_t c, bool p) : count(c), preceded(p) {}

  template <typename Element>
  LONGBOW_INLINE typename Lanes::Vector Load(Of<Element> of, const std::byte* p) const {
    if (preceded) {
      return Lanes::KeepLast(Lanes::Load(of, p - (Lanes::kLanes - count) * sizeof(Element)), count);
    }
    alignas(Lanes::kLanes * sizeof(Element)) std::byte padded[Lanes::kLanes * sizeof(Element)] = {};
    for (size_t i = 0; i < count; ++i) {
      __builtin_memcpy(padded + i * sizeof(Element), p + i * sizeof(Element), sizeof(Element));
    }
    return Lanes::Load(of, padded);
  }

  size_t count;
  bool preceded;  // a whole vector of the row lies before
};
