// gRPC's own complaints, as lines of our log rather than in a format of their own.
#pragma once

#include "longbow/observe/line_log.h"

namespace longbow {

// While it lives, errors of gRPC are warnings of `log`: most are about what one client did. At most one at a
// time.
class GrpcLog {
 public:
  explicit GrpcLog(observe::LineLog* log);
  ~GrpcLog();
  GrpcLog(const GrpcLog&) = delete;
  GrpcLog& operator=(const GrpcLog&) = delete;
};

}  // namespace longbow
