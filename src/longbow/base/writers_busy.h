// Whether puts are arriving: work behind them that can wait for a while then leaves them the processors and
// the disk.
#pragma once

#include "longbow/base/memory_ledger.h"

namespace longbow {

// By the bytes that are between the socket and apply: less than this is there between any two calls.
inline bool WritersBusy(const MemoryLedger& ledger) {
  constexpr int64_t kBusyBytes = 1 << 20;
  return ledger.used(MemoryUse::kNetwork) >= kBusyBytes;
}

}  // namespace longbow
