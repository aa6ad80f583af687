#include "longbow/text/analyzers/analyzers.h"

namespace longbow::text {

std::unique_ptr<Analyzer> MakePortuguese() {
  return MakeLanguage(
      "portuguese", Apostrophe::kJoins,
      "a ao aos aquela aquele aquilo as até com como da das de do dos e ela elas ele eles em entre era "
      "eram essa essas esse esses esta estar estas estava este estes está estão eu foi foram há isso "
      "isto já lhe lhes mais mas me meu meus minha minhas muito na nas nem no nos nossa nossas nosso "
      "nossos não nós o onde os ou para pela pelas pelo pelos por porque quais qual quando que quem se "
      "sem ser seu seus sido sob sobre somos sou sua suas são também te tem ter teu tinha tu tua têm "
      "um uma umas uns vós à às é és");
}

}  // namespace longbow::text
