// Which of two rows comes first when what they are ranked by is equal.
#pragma once

#include "longbow/base/ids.h"

namespace longbow {

// Asked rarely; thread-safe.
class TieOrder {
 public:
  virtual ~TieOrder() = default;
  virtual bool Before(RowOrdinal a, RowOrdinal b) const = 0;
};

}  // namespace longbow
