#include "longbow/text/word_breaker.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/stringpiece.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <algorithm>
#include <array>

#include "longbow/base/check.h"

namespace longbow::text {
namespace {

enum Kind : uint8_t { kOther, kLetter, kDigit, kExtend, kMidNumber, kMidBoth };

// The word break classes of ASCII.
constexpr std::array<uint8_t, 128> MakeKinds() {
  std::array<uint8_t, 128> kinds{};
  for (int c = 'a'; c <= 'z'; ++c) kinds[static_cast<size_t>(c)] = kLetter;
  for (int c = 'A'; c <= 'Z'; ++c) kinds[static_cast<size_t>(c)] = kLetter;
  for (int c = '0'; c <= '9'; ++c) kinds[static_cast<size_t>(c)] = kDigit;
  kinds['_'] = kExtend;
  kinds['.'] = kinds['\''] = kMidBoth;
  kinds[','] = kinds[';'] = kMidNumber;
  return kinds;
}
constexpr auto kKinds = MakeKinds();

Kind KindOf(char c) { return static_cast<Kind>(kKinds[static_cast<unsigned char>(c)]); }
bool InWord(Kind kind) { return kind == kLetter || kind == kDigit || kind == kExtend; }

bool IsAscii(std::string_view text) {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

// Whether text[at], which ends no word by itself, stands between two letters or two digits that it joins.
bool Joins(std::string_view text, size_t at) {
  if (at + 1 >= text.size()) return false;
  const Kind before = KindOf(text[at - 1]), middle = KindOf(text[at]), after = KindOf(text[at + 1]);
  if (before != after) return false;
  if (before == kLetter) return middle == kMidBoth;
  return before == kDigit && (middle == kMidNumber || middle == kMidBoth);
}

bool HasLetterOrDigit(std::string_view word) {
  return std::any_of(word.begin(), word.end(), [](char c) { return c != '_'; });
}

void BreakAscii(std::string_view text, TokenList* words) {
  char word[TokenList::kMaxTokenBytes + 1];
  for (size_t at = 0; at < text.size();) {
    if (!InWord(KindOf(text[at]))) {
      ++at;
      continue;
    }
    const size_t begin = at;
    while (at < text.size() && (InWord(KindOf(text[at])) || Joins(text, at))) ++at;
    const size_t size = at - begin;
    if (size > TokenList::kMaxTokenBytes) continue;
    for (size_t i = 0; i < size; ++i) {
      const char c = text[begin + i];
      word[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    }
    if (HasLetterOrDigit({word, size})) words->Add({word, size});
  }
}

}  // namespace

struct WordBreaker::Icu {
  const icu::Normalizer2* fold = nullptr;  // ICU's own, for the whole process
  UBreakIterator* words = nullptr;
  UText text = UTEXT_INITIALIZER;
  ~Icu() {
    if (words != nullptr) ubrk_close(words);
    utext_close(&text);
  }
};

WordBreaker::WordBreaker() = default;
WordBreaker::~WordBreaker() = default;

std::string_view WordBreaker::Fold(std::string_view text) {
  if (icu_ == nullptr) {
    UErrorCode error = U_ZERO_ERROR;
    auto made = std::make_unique<Icu>();
    made->fold = icu::Normalizer2::getNFKCCasefoldInstance(error);
    made->words = ubrk_open(UBRK_WORD, "", nullptr, 0, &error);
    LB_CHECK(U_SUCCESS(error));
    icu_ = std::move(made);
  }
  folded_.clear();
  icu::StringByteSink<std::string> sink(&folded_);
  UErrorCode error = U_ZERO_ERROR;
  icu_->fold->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
                            nullptr, error);
  LB_CHECK(U_SUCCESS(error));
  return folded_;
}

// Versions of ICU differ in what @ and : join, so here they join nothing.
void WordBreaker::BreakByIcu(std::string_view text, TokenList* words) {
  Fold(text);
  for (char& c : folded_) {
    if (c == '@' || c == ':') c = ' ';
  }
  const std::string_view folded = folded_;
  UErrorCode error = U_ZERO_ERROR;
  utext_openUTF8(&icu_->text, folded.data(), static_cast<int64_t>(folded.size()), &error);
  ubrk_setUText(icu_->words, &icu_->text, &error);
  LB_CHECK(U_SUCCESS(error));
  int32_t begin = ubrk_first(icu_->words);
  for (int32_t end; (end = ubrk_next(icu_->words)) != UBRK_DONE; begin = end) {
    if (ubrk_getRuleStatus(icu_->words) < UBRK_WORD_NUMBER) continue;
    const auto word = folded.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    if (HasLetterOrDigit(word)) words->Add(word);
  }
}

void WordBreaker::Break(std::string_view text, TokenList* words) {
  if (IsAscii(text)) return BreakAscii(text, words);
  // ICU counts in 32 bits; a text is cut where it would not.
  constexpr size_t kMost = size_t{1} << 28;
  for (; text.size() > kMost; text.remove_prefix(kMost)) BreakByIcu(text.substr(0, kMost), words);
  BreakByIcu(text, words);
}

}  // namespace longbow::text
