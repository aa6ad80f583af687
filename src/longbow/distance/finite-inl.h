// Whether stored floats are all finite. Included by an instruction set's file inside its unnamed namespace:
// the loops are plain, the flags of the file make them wide.

// An exponent of all ones (infinity or NaN) carries into the sign bit when one is added to it. Four sums, so
// that no addition waits for the one before.
template <typename Bits, Bits kExponent>
bool NoneAllOnes(const void* scalars, size_t count) {
  constexpr Bits kSign = static_cast<Bits>(Bits{1} << (sizeof(Bits) * 8 - 1));
  constexpr Bits kLowestExponentBit = static_cast<Bits>(kExponent & (~kExponent + 1));
  constexpr size_t kBlock = 1024, kQuarter = kBlock / 4;
  const auto carry = [&](size_t i) {
    const auto* at = static_cast<const std::byte*>(scalars) + i * sizeof(Bits);
    const Bits magnitude = static_cast<Bits>(LoadUnaligned<Bits>(at) & ~kSign);
    return static_cast<Bits>(magnitude + kLowestExponentBit);
  };
  size_t first = 0;
  for (; first + kBlock <= count; first += kBlock) {
    Bits a = 0, b = 0, c = 0, d = 0;
    for (size_t i = first; i < first + kQuarter; ++i) {
      a = static_cast<Bits>(a | carry(i));
      b = static_cast<Bits>(b | carry(i + kQuarter));
      c = static_cast<Bits>(c | carry(i + 2 * kQuarter));
      d = static_cast<Bits>(d | carry(i + 3 * kQuarter));
    }
    if (((a | b | c | d) & kSign) != 0) return false;
  }
  Bits rest = 0;
  for (; first < count; ++first) rest = static_cast<Bits>(rest | carry(first));
  return (rest & kSign) == 0;
}
