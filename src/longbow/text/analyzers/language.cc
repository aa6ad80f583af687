#include <libstemmer.h>

#include <boost/unordered/unordered_flat_set.hpp>

#include "longbow/base/check.h"
#include "longbow/text/analyzers/analyzers.h"
#include "longbow/text/word_breaker.h"

namespace longbow::text {
namespace {

class Language final : public Analyzer {
 public:
  Language(const char* snowball, Apostrophe apostrophe, std::string_view stop_words)
      : stemmer_(sb_stemmer_new(snowball, "UTF_8")), apostrophe_(apostrophe) {
    LB_CHECK(stemmer_ != nullptr);
    for (size_t begin = 0; begin < stop_words.size();) {
      const size_t end = std::min(stop_words.find(' ', begin), stop_words.size());
      if (end > begin) stop_words_.insert(stop_words.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  ~Language() override { sb_stemmer_delete(stemmer_); }
  Language(const Language&) = delete;
  Language& operator=(const Language&) = delete;

  void Analyze(std::string_view text, TokenList* tokens) override {
    words_.Clear();
    breaker_.Break(text, &words_);
    for (size_t i = 0; i < words_.size(); ++i) {
      if (apostrophe_ == Apostrophe::kSeparates) {
        AddParts(words_[i], tokens);
      } else {
        AddStem(words_[i], tokens);
      }
    }
  }

 private:
  void AddParts(std::string_view word, TokenList* tokens) {
    constexpr std::string_view kTypewriter = "'", kTypeset = "\xE2\x80\x99";
    for (;;) {
      const size_t plain = word.find(kTypewriter), curled = word.find(kTypeset);
      const size_t cut = std::min(plain, curled);
      AddStem(word.substr(0, cut), tokens);
      if (cut == word.npos) return;
      word.remove_prefix(cut + (plain < curled ? kTypewriter : kTypeset).size());
    }
  }

  void AddStem(std::string_view word, TokenList* tokens) {
    if (word.empty() || stop_words_.contains(word)) return;
    const auto* stem = sb_stemmer_stem(stemmer_, reinterpret_cast<const sb_symbol*>(word.data()),
                                       static_cast<int>(word.size()));
    LB_CHECK(stem != nullptr);  // null: out of memory
    tokens->Add({reinterpret_cast<const char*>(stem), static_cast<size_t>(sb_stemmer_length(stemmer_))});
  }

  sb_stemmer* const stemmer_;
  const Apostrophe apostrophe_;
  boost::unordered_flat_set<std::string_view> stop_words_;  // point into a literal
  WordBreaker breaker_;
  TokenList words_;
};

}  // namespace

std::unique_ptr<Analyzer> MakeLanguage(const char* snowball, Apostrophe apostrophe,
                                       std::string_view stop_words) {
  return std::make_unique<Language>(snowball, apostrophe, stop_words);
}

}  // namespace longbow::text
