#include "longbow/base/random.h"

#include <sys/random.h>

#include <atomic>
#include <cerrno>

#include "longbow/base/check.h"

namespace longbow {
namespace {

class KernelRandom : public Random {
 public:
  uint64_t Next() override {
    uint64_t value;
    ssize_t n;
    do {
      n = getrandom(&value, sizeof(value), 0);
    } while (n < 0 && errno == EINTR);
    LB_CHECK_FATAL(n == sizeof(value));  // requests of up to 256 bytes are never cut short
    return value;
  }
};

// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014): its state is a
// counter, so threads share it with one atomic addition.
class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {
    constexpr uint64_t kGamma = 0x9E3779B97F4A7C15;
    uint64_t z = state_.fetch_add(kGamma, std::memory_order_relaxed) + kGamma;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

 private:
  std::atomic<uint64_t> state_;
};

}  // namespace

std::string Random::HexToken(int bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string token;
  token.reserve(static_cast<size_t>(bytes) * 2);
  uint64_t bits = 0;
  for (int i = 0; i < bytes; ++i, bits >>= 8) {
    if (i % 8 == 0) bits = Next();
    token.push_back(kDigits[bits >> 4 & 15]);
    token.push_back(kDigits[bits & 15]);
  }
  return token;
}

Random* SystemRandom() {
  static KernelRandom* const random = new KernelRandom();
  return random;
}

std::unique_ptr<Random> MakeSeededRandom(uint64_t seed) { return std::make_unique<SeededRandom>(seed); }

}  // namespace longbow
