#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {

std::unique_ptr<Analyzer> MakeItalian() {
  return MakeLanguage(
      "italian", Apostrophe::kSeparates,
      "all dall dell nell sull c d s t v m a abbiamo agli ai al alla alle allo anche avere avete aveva che "
      "chi ci come con cui da dagli "
      "dai dal dalla dalle dallo degli dei del della delle dello di dove e ed era erano essere fra gli "
      "ha hai hanno ho i il in io l la le lei lo loro lui ma mi mia mie miei mio molto ne negli nei "
      "nel nella nelle nello noi non nostra nostro o per perché più quando quella quelle quelli quello "
      "questa queste questi questo se sei si siamo siete sono stata stato su sua sue sugli sui sul "
      "sulla sulle sullo suo suoi ti tra tu tua tuo un una uno vi voi vostra vostro è");
}

}  // namespace longbow::text
