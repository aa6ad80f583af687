#include "longbow/text/analyzers/analyzers.h"
#include "longbow/text/word_breaker.h"

namespace longbow::text {
namespace {

// Words are UTF-8 after folding, so a character begins where a byte does not continue one.
bool Begins(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

class Ngrams final : public Analyzer {
 public:
  explicit Ngrams(size_t n) : n_(n) {}
  void Analyze(std::string_view text, TokenList* tokens) override {
    words_.Clear();
    breaker_.Break(text, &words_);
    for (size_t i = 0; i < words_.size(); ++i) Cut(words_[i], tokens);
  }

 private:
  void Cut(std::string_view word, TokenList* tokens) {
    starts_.clear();
    for (size_t i = 0; i < word.size(); ++i) {
      if (Begins(word[i])) starts_.push_back(i);
    }
    if (starts_.size() <= n_) return tokens->Add(word);
    starts_.push_back(word.size());
    for (size_t i = 0; i + n_ < starts_.size(); ++i) {
      tokens->Add(word.substr(starts_[i], starts_[i + n_] - starts_[i]));
    }
  }

  const size_t n_;
  WordBreaker breaker_;
  TokenList words_;
  std::vector<size_t> starts_;
};

}  // namespace

std::unique_ptr<Analyzer> MakeBigrams() { return std::make_unique<Ngrams>(2); }
std::unique_ptr<Analyzer> MakeTrigrams() { return std::make_unique<Ngrams>(3); }

}  // namespace longbow::text
