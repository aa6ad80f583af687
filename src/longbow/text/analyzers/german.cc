#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {

std::unique_ptr<Analyzer> MakeGerman() {
  return MakeLanguage(
      "german", Apostrophe::kJoins,
      "aber als am an ans auch auf aus bei beim bin bis bist da dann darf das dass dein deine dem den "
      "denn der des dich die diese diesem diesen dieser dieses dir doch dort du durch ein eine einem "
      "einen einer eines er es euch euer eure für gegen habe haben hat hatte hatten hier hinter ich "
      "ihm ihn ihnen ihr im in ins ist jede jeder jedes jene jener jenes kann kein keine keinem keinen "
      "keiner keines konnte können man mehr mein meine mich mir mit muss müssen nach neben nicht "
      "nichts noch nun nur ob oder ohne schon sehr seid sein seine seit sich sie sind so soll sollen "
      "sondern um und uns unser unsere unter vom von vor wann war waren warst warum was weil welche "
      "welcher welches wenn wer werden wie will wir wird wo wollen worden wurde wurden zu zum zur "
      "zwischen über");
}

}  // namespace longbow::text
