// What is measured: an index of some library with fixed build settings, and the ways it can be searched.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "ann/dataset.h"

namespace longbow::bench {

// How hard a search tries. What the two mean is the contender's: ef and how many times k are rescored, or
// lists probed and the same; ours: ef, or 0 and the recall asked for in ten-thousandths.
struct Knob {
  uint32_t effort = 0, rescore = 0;
  std::string text() const {
    std::string text = std::to_string(effort);
    if (rescore != 0) text.append("/").append(std::to_string(rescore));
    return text;
  }
};

// What a search did; 0 where the library does not say.
struct Work {
  int64_t distances = 0, codes = 0, hops = 0, bytes = 0;
};

// Confined to one thread, apart from the threads that Build starts.
class Contender {
 public:
  virtual ~Contender() = default;
  // Of all rows of `base`; row i has the id i. Once, on an empty contender.
  virtual void Build(const Matrix& base, int threads) = 0;
  virtual void Save(const std::string& path) const = 0;
  virtual void Load(const std::string& path,
                    const Matrix& base) = 0;  // on an empty contender; the rows it was built of
  // From least to most effort.
  virtual std::vector<Knob> Knobs() const = 0;
  // On the calling thread alone: k ids of each query to `found`, kNoRow where there are fewer.
  virtual void Search(const Matrix& queries, uint32_t k, const Knob& knob, uint32_t* found) = 0;
  virtual Work TakeWork() { return {}; }  // since the last call
};

struct ContenderInput {
  distance::Metric metric;
  size_t rows = 0, dim = 0;
};

struct ContenderType {
  std::string name;      // "hnswlib M=16"
  std::string family;    // at each recall the best of a family counts: "hnswlib"
  std::string settings;  // in words, for the report
  std::unique_ptr<Contender> (*make)(const ContenderInput& input);
};

// One list a library; empty where the library was not found when this was configured.
std::vector<ContenderType> LongbowContenders();
std::vector<ContenderType> HnswlibContenders();
std::vector<ContenderType> FaissContenders();
std::vector<ContenderType> UsearchContenders();
std::vector<ContenderType> VoyagerContenders();

std::vector<ContenderType> AllContenders();

// body(i, thread) for first <= i < end on `threads` threads.
template <typename Body>
void OnThreads(int threads, size_t first, size_t end, Body body) {
  std::atomic<size_t> next{first};
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      for (size_t i; (i = next.fetch_add(1)) < end;) body(i, t);
    });
  }
  for (std::thread& thread : running) thread.join();
}

}  // namespace longbow::bench
