#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {

std::unique_ptr<Analyzer> MakeDutch() {
  return MakeLanguage(
      "dutch", Apostrophe::kJoins,
      "aan al als ben bent bij daar dan dat de den der des deze die dit door dus een en er geen "
      "geworden haar had hadden heb hebben hebt heeft hem hen het hier hij hoe hun ik in is je jij "
      "jouw jullie kan kon kunnen maar mag me meer met mij mijn moet moeten na naar niet nog of om "
      "onder ons onze ook op over te tegen ten ter toch tot tussen u uit van veel voor waar waarom "
      "wanneer want waren was wat we wel welke werd werden wie wij worden wordt zal ze zeer zich zij "
      "zijn zo zonder zou zouden zullen");
}

}  // namespace longbow::text
