#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {

std::unique_ptr<Analyzer> MakeEnglish() {
  return MakeLanguage(
      "english", Apostrophe::kJoins,
      "a about after again against all also am among an and any are around as at be been before behind "
      "being below beneath beside between beyond both but by can could did do does done down during "
      "each few for from had has have having he her here hers him his how i if in into is it its just "
      "may me might mine more most must my near no nor not of off on once only onto or other our ours "
      "out over own same shall she should since so some such than that the their theirs them then "
      "there these they this those through to too toward under until up upon us very was we were what "
      "when where which while who whom whose why will with within without would yet you your yours");
}

}  // namespace longbow::text
