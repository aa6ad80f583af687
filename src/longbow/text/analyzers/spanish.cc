#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {

std::unique_ptr<Analyzer> MakeSpanish() {
  return MakeLanguage(
      "spanish", Apostrophe::kJoins,
      "a al ante aquel aquella bajo como con contra cual cuales cuando de del desde donde durante e el "
      "ella ellas ello ellos en entre era eran eres es esa esas ese eso esos esta estaba estar estas "
      "este esto estos está están fue fueron ha haber había hacia han hasta hay he la las le les lo "
      "los me mi mis muy más ni no nos nosotras nosotros nuestra nuestras nuestro nuestros o os para "
      "pero por porque que quien quienes se según ser si sido sin sino sobre somos son soy su sus "
      "también te tras tu tus tú u un una unas unos vosotros vuestro y ya yo él");
}

}  // namespace longbow::text
