// Runs a fuzz target over files that were kept, and over mutations of each: what every build does of the
// fuzzing.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutations = 40;  // of each file

using Bytes = std::vector<uint8_t>;

void Run(const Bytes& input) { LLVMFuzzerTestOneInput(input.data(), input.size()); }

Bytes Mutated(Bytes input, std::mt19937& random) {
  const auto changes = 1 + random() % 4;
  for (uint32_t i = 0; i < changes && !input.empty(); ++i) {
    const size_t at = random() % input.size();
    switch (random() % 4) {
      case 0:
        input[at] = static_cast<uint8_t>(random());
        break;
      case 1:
        input[at] ^= static_cast<uint8_t>(1u << random() % 8);
        break;
      case 2:
        input.resize(at);
        break;
      default:
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), static_cast<uint8_t>(random()));
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  const char* given = std::getenv("LONGBOW_FUZZ_SEED");
  const auto seed =
      given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : std::random_device()();
  std::printf("LONGBOW_FUZZ_SEED=%u\n", seed);
  std::fflush(stdout);
  std::mt19937 random(seed);
  size_t files = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      const Bytes input{std::istreambuf_iterator<char>(file), {}};
      Run(input);
      for (int n = 0; n < kMutations; ++n) Run(Mutated(input, random));
      ++files;
    }
  }
  std::printf("%zu files, %zu inputs\n", files, files * (kMutations + 1));
  return files > 0 ? 0 : 1;
}
