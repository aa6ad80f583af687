// Indexes the documents of one file, a line each, asks the queries of another, and prints a line a query:
// nanoseconds of the fastest round, then document:score of the hits. bench/text_bench.py runs it beside
// tantivy.
//
//   text_bench DOCUMENTS QUERIES ROUNDS K
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "longbow/text/text_index.h"
#include "longbow/text/text_scratch.h"

namespace {

using longbow::RowOrdinal;
namespace text = longbow::text;

std::vector<std::string> ReadLines(const char* path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class Lines final : public text::DocumentSource {
 public:
  explicit Lines(const std::vector<std::string>& lines) : lines_(lines) {}
  void Read(RowOrdinal first, RowOrdinal end, text::DocumentVisitor* visitor) const override {
    for (RowOrdinal row = first; row < end; ++row) visitor->Text(row, lines_[row]);
  }

 private:
  const std::vector<std::string>& lines_;
};

int64_t Nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return std::fprintf(stderr, "usage: %s DOCUMENTS QUERIES ROUNDS K\n", argv[0]), 2;
  const auto documents = ReadLines(argv[1]), questions = ReadLines(argv[2]);
  const int rounds = std::atoi(argv[3]);
  const Lines source(documents);
  longbow::MemoryLedger ledger(0, 0);
  longbow::RowVersions versions(&ledger);
  const auto rows = static_cast<RowOrdinal>(documents.size());
  versions.Grow(rows);
  for (RowOrdinal row = 0; row < rows; ++row) versions.SetBorn(row, 1);

  text::TextIndex index({*text::FindAnalyzerType("whitespace"), &source, &versions, nullptr, &ledger});
  const int64_t begin = Nanos();
  index.RowsAppended(0, rows);
  std::printf("index %ld\nsegments %zu\nbytes %ld\n", static_cast<long>(Nanos() - begin), index.segments(),
              static_cast<long>(index.memory_bytes()));

  std::vector<text::TextQuery> queries;
  for (const auto& question : questions) queries.push_back(text::ParseTextQuery(question).ValueOrDie());
  text::TextSearchSpec spec;
  spec.k = static_cast<uint32_t>(std::atoi(argv[4]));
  spec.visibility = {&versions, 1, rows};
  const auto scratch = index.NewScratch();
  std::vector<int64_t> nanos(queries.size(), std::numeric_limits<int64_t>::max());
  std::vector<text::TextHits> hits(queries.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < queries.size(); ++i) {
      spec.query = &queries[i];
      const int64_t asked = Nanos();
      if (!index.Search(spec, scratch.get(), &hits[i]).ok()) return 1;
      nanos[i] = std::min(nanos[i], Nanos() - asked);
    }
  }
  for (size_t i = 0; i < queries.size(); ++i) {
    std::printf("%ld", static_cast<long>(nanos[i]));
    for (const auto& hit : hits[i].hits) std::printf(" %u:%.9g", hit.row, static_cast<double>(hit.score));
    std::printf("\n");
  }
}
