// The words of filters as text, for those who read and those who print them. Internal to filter/.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace longbow::filter {

inline char LowerLetter(char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); }

inline std::string Lowered(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), LowerLetter);
  return lower;
}

inline bool BeginsName(char c) {
  const char lower = LowerLetter(c);
  return (lower >= 'a' && lower <= 'z') || c == '_';
}
inline bool GoesOnInName(char c) { return BeginsName(c) || (c >= '0' && c <= '9') || c == '.' || c == '$'; }

// A name that needs no quotes: a word that is none of the language's own.
inline bool IsPlainName(std::string_view name) {
  constexpr std::string_view kWords[] = {"and",  "or",    "not",     "in",       "like",   "is",    "null",
                                         "true", "false", "between", "contains", "starts", "exists"};
  return !name.empty() && BeginsName(name[0]) && std::all_of(name.begin(), name.end(), GoesOnInName) &&
         std::find(std::begin(kWords), std::end(kWords), Lowered(name)) == std::end(kWords);
}

}  // namespace longbow::filter
