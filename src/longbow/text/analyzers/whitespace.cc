#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {
namespace {

class Whitespace final : public Analyzer {
 public:
  void Analyze(std::string_view text, TokenList* tokens) override {
    constexpr std::string_view kSpaces = " \t\n\v\f\r";
    for (size_t begin; (begin = text.find_first_not_of(kSpaces)) != text.npos;) {
      const size_t end = std::min(text.find_first_of(kSpaces, begin), text.size());
      tokens->Add(text.substr(begin, end - begin));
      text.remove_prefix(end);
    }
  }
};

}  // namespace

std::unique_ptr<Analyzer> MakeWhitespace() { return std::make_unique<Whitespace>(); }

}  // namespace longbow::text
