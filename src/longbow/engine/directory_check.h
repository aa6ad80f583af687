// A data directory that no engine has open, looked at and mended.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "longbow/base/environment.h"
#include "longbow/base/status.h"

namespace longbow::engine {

struct Damage {
  std::string file;
  std::string what;
  // Acknowledged rows that are in this file and nowhere else; 0 when all can be made again from other files.
  int64_t rows = 0;
  std::string dataset;  // of the rows
};

struct DirectoryReport {
  std::vector<Damage> damage;
  int64_t files = 0, bytes = 0;  // looked at
  int64_t datasets = 0, rows = 0, log_records = 0;
  std::string torn_tail;  // where the log ends in something that was never acknowledged; empty: it does not
  std::vector<std::string> put_aside;  // by RepairDirectory, where to
};

// Reads identity, manifest, every block, every derived file and every log record, and checks every byte of
// them; changes nothing. FailedPrecondition when an engine has the directory. An error is about the looking;
// what is wrong with the files is in the report.
Result<DirectoryReport> VerifyDirectory(const Environment& environment);

// Verifies, and moves what is damaged to quarantine/: derived files are built anew by the next start; damaged
// blocks are taken out of the manifest with their rows, which the report names and counts. Rows in the log
// are never given up: a damaged log, manifest or identity is left as it is.
Result<DirectoryReport> RepairDirectory(const Environment& environment);

}  // namespace longbow::engine
