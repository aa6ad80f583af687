#include "longbow/text/analyzers/analyzers.h"
#include "longbow/text/word_breaker.h"

namespace longbow::text {
namespace {

class Standard final : public Analyzer {
 public:
  void Analyze(std::string_view text, TokenList* tokens) override { breaker_.Break(text, tokens); }

 private:
  WordBreaker breaker_;
};

}  // namespace

std::unique_ptr<Analyzer> MakeStandard() { return std::make_unique<Standard>(); }

}  // namespace longbow::text
