// From text to the terms it is found by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"

namespace longbow::text {

// Terms of one text in order, in memory that is reused. Confined.
class TokenList {
 public:
  // Longer words are no words: they are left out.
  static constexpr size_t kMaxTokenBytes = 256;

  void Clear() { bytes_.clear(), ends_.clear(); }
  void Add(std::string_view token) {
    if (token.empty() || token.size() > kMaxTokenBytes) return;
    bytes_.append(token);
    ends_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t i) const {
    const uint32_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

 private:
  std::string bytes_;
  std::vector<uint32_t> ends_;
};

// Confined: one a thread that analyzes.
class Analyzer {
 public:
  virtual ~Analyzer() = default;
  // Appends the terms of `text` (UTF-8; what is not is read as U+FFFD) to `tokens`. Equal texts give equal
  // terms.
  virtual void Analyze(std::string_view text, TokenList* tokens) = 0;
};

// One row of the list of analyzers; a column's `longbow.text` is looked up here.
struct AnalyzerType {
  std::string_view name;
  std::unique_ptr<Analyzer> (*make)();
};
std::span<const AnalyzerType> AnalyzerTypes();
// InvalidArgument that names the known ones.
Result<const AnalyzerType*> FindAnalyzerType(std::string_view name);

inline constexpr std::string_view kDefaultAnalyzer = "standard";

}  // namespace longbow::text
