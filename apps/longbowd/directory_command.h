// longbowd --verify and --repair: what to do with a data directory that no server has.
#pragma once

#include "longbow/base/status.h"
#include "settings.h"

namespace longbow {

enum class DirectoryVerdict : int {
  kSound = 0,    // or made sound: nothing is lost
  kDamaged = 1,  // verify: something is damaged; repair: rows are lost, or something is left damaged
};

// Prints what was looked at and everything that is wrong, one line each. Fails when it cannot look.
Result<DirectoryVerdict> CheckDirectory(const Settings& settings, bool repair);

}  // namespace longbow
