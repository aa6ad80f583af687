// For tests: the ways in which bytes arrive broken, by seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace longbow::protocol {

class RandomBytes {
 public:
  explicit RandomBytes(uint64_t seed) : engine_(seed) {}
  uint64_t Below(uint64_t n) { return engine_() % n; }
  std::string Noise(size_t size) {
    std::string out(size, '\0');
    for (char& c : out) c = static_cast<char>(engine_());
    return out;
  }
  // One to three bits turned over, or the end cut off, or noise put in.
  std::string Break(std::string bytes) {
    if (bytes.empty()) return Noise(1);
    switch (Below(3)) {
      case 0:
        for (uint64_t flips = 1 + Below(3); flips > 0; --flips) {
          char& c = bytes[Below(bytes.size())];
          c = static_cast<char>(c ^ (1 << Below(8)));
        }
        return bytes;
      case 1:
        return bytes.substr(0, Below(bytes.size()));
      default:
        return bytes.insert(Below(bytes.size()), Noise(1 + Below(8)));
    }
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace longbow::protocol
