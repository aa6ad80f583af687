// Words of a text by Unicode's rules (UAX #29), case-folded and in one normal form (NFKC_Casefold).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "longbow/text/analyzer.h"

namespace longbow::text {

// Confined. ASCII takes a path of its own that gives what ICU gives.
class WordBreaker {
 public:
  WordBreaker();
  ~WordBreaker();
  // Appends the words that hold a letter, a digit or an ideograph.
  void Break(std::string_view text, TokenList* words);
  // For tests: the same by ICU alone.
  void BreakByIcu(std::string_view text, TokenList* words);
  // The whole text case-folded, spaces and all; good until the next call.
  std::string_view Fold(std::string_view text);

 private:
  struct Icu;
  std::unique_ptr<Icu> icu_;
  std::string folded_;
};

}  // namespace longbow::text
