#include <string>

#include "longbow/text/analyzer.h"
#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {
namespace {

constexpr AnalyzerType kTypes[] = {
    {kDefaultAnalyzer, MakeStandard}, {"whitespace", MakeWhitespace}, {"keyword", MakeKeyword},
    {"ngram2", MakeBigrams},          {"ngram3", MakeTrigrams},       {"dutch", MakeDutch},
    {"english", MakeEnglish},         {"french", MakeFrench},         {"german", MakeGerman},
    {"italian", MakeItalian},         {"portuguese", MakePortuguese}, {"spanish", MakeSpanish},
};

}  // namespace

std::span<const AnalyzerType> AnalyzerTypes() { return kTypes; }

Result<const AnalyzerType*> FindAnalyzerType(std::string_view name) {
  std::string known;
  for (const AnalyzerType& type : kTypes) {
    if (type.name == name) return &type;
    known.append(known.empty() ? "" : ", ").append(type.name);
  }
  return InvalidArgument("unknown analyzer \"", name.substr(0, 128), "\"; known are ", known);
}

}  // namespace longbow::text
