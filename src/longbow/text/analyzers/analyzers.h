// The analyzers there are; analyzer_types.cc lists them.
#pragma once

#include <memory>
#include <string_view>

#include "longbow/text/analyzer.h"

namespace longbow::text {

std::unique_ptr<Analyzer> MakeStandard();    // words
std::unique_ptr<Analyzer> MakeWhitespace();  // what stands between spaces, as it is
std::unique_ptr<Analyzer> MakeKeyword();     // the whole text, case-folded
std::unique_ptr<Analyzer> MakeBigrams();     // every 2 characters of every word
std::unique_ptr<Analyzer> MakeTrigrams();    // every 3 characters of every word; shorter words whole

// Words without the language's stop words, stemmed by Snowball.
std::unique_ptr<Analyzer> MakeDutch();
std::unique_ptr<Analyzer> MakeEnglish();
std::unique_ptr<Analyzer> MakeFrench();
std::unique_ptr<Analyzer> MakeGerman();
std::unique_ptr<Analyzer> MakeItalian();
std::unique_ptr<Analyzer> MakePortuguese();
std::unique_ptr<Analyzer> MakeSpanish();

// For those files: `snowball` names the stemmer, `stop_words` are separated by spaces and folded. Where a
// language elides (l'acqua), both sides of an apostrophe are words.
enum class Apostrophe : uint8_t { kJoins, kSeparates };
std::unique_ptr<Analyzer> MakeLanguage(const char* snowball, Apostrophe apostrophe,
                                       std::string_view stop_words);

}  // namespace longbow::text
