// Random numbers, asked for in one place so that a seed can decide them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace longbow {

// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  std::string HexToken(int bytes);  // for identities and tokens; only as secret as the source
};

Random* SystemRandom();                                   // the kernel's; lives for ever
std::unique_ptr<Random> MakeSeededRandom(uint64_t seed);  // for tests

}  // namespace longbow
