#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {

std::unique_ptr<Analyzer> MakeFrench() {
  return MakeLanguage(
      "french", Apostrophe::kSeparates,
      "a ai as au aussi aux avaient avait avec avez avoir avons c car ce cela ces cet cette chez comme "
      "d dans de des donc dont du elle elles en entre es est et eux fait il ils j je l la le les leur "
      "leurs lui m ma mais me mes moi mon même ne ni nos notre nous on ont or ou où par pas plus pour "
      "qu quand que qui quoi s sa sans se ses si soi sommes son sont sous suis sur t ta te tes toi ton "
      "tous tout toute toutes très tu un une vers vos votre vous y à ça étaient était été êtes être");
}

}  // namespace longbow::text
