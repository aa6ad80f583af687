#include "longbow/text/analyzers/analyzers.h"
#include "longbow/text/word_breaker.h"

namespace longbow::text {
namespace {

class Keyword final : public Analyzer {
 public:
  void Analyze(std::string_view text, TokenList* tokens) override {
    if (text.size() <= 2 * TokenList::kMaxTokenBytes) tokens->Add(breaker_.Fold(text));
  }

 private:
  WordBreaker breaker_;
};

}  // namespace

std::unique_ptr<Analyzer> MakeKeyword() { return std::make_unique<Keyword>(); }

}  // namespace longbow::text
