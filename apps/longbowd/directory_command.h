// longbowd --verify, --repair, --export and --import: what to do with a data directory beside serving it.
#pragma once

#include <string>

#include "longbow/base/status.h"
#include "settings.h"

namespace longbow {

enum class DirectoryVerdict : int {
  kSound = 0,    // or made sound: nothing is lost
  kDamaged = 1,  // verify: something is damaged; repair: rows are lost, or something is left damaged
};

// Prints what was looked at and everything that is wrong, one line each. Fails when it cannot look.
Result<DirectoryVerdict> CheckDirectory(const Settings& settings, bool repair);

// Copies the directory's newest snapshot to `place`, also while a server has it; or fills a new directory
// from there. Prints what was copied.
Status ExportDirectory(const Settings& settings, const std::string& place);
Status ImportDirectory(const Settings& settings, const std::string& place);

}  // namespace longbow
