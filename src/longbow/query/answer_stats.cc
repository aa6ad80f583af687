#include <arrow/record_batch.h>
#include <arrow/util/key_value_metadata.h>

#include <array>
#include <charconv>
#include <utility>

#include "longbow/query/request.h"

namespace longbow::query {
namespace {

std::string NumberText(double number) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  return {digits.data(), end.ptr};
}

}  // namespace

std::string_view CoverageName(index::Coverage coverage) {
  switch (coverage) {
    case index::Coverage::kExact:
      return "exact";
    case index::Coverage::kApproximate:
      return "approximate";
    case index::Coverage::kPartial:
      return "partial";
  }
  return "unknown";
}

// Built by hand: it accompanies every answer, and nothing in it needs escaping.
std::string StatsJson(const SearchAnswer& answer) {
  std::string out = "{\"method\":\"";
  out.reserve(256);
  out.append(answer.plan).push_back('"');
  const std::pair<std::string_view, int64_t> numbers[] = {{"distances", answer.work.distances},
                                                          {"codes", answer.work.codes},
                                                          {"hops", answer.work.hops},
                                                          {"bytes", answer.work.bytes},
                                                          {"rows", static_cast<int64_t>(answer.rows)},
                                                          {"selected", static_cast<int64_t>(answer.selected)},
                                                          {"nanos", answer.nanos}};
  for (const auto& [name, value] : numbers) {
    out.append(",\"").append(name).append("\":").append(std::to_string(value));
  }
  if (answer.coverage == index::Coverage::kPartial) out.append(",\"covered\":" + NumberText(answer.covered));
  if (answer.postings > 0) out.append(",\"postings\":").append(std::to_string(answer.postings));
  if (answer.recall) out.append(",\"recall\":" + NumberText(*answer.recall));
  if (answer.cached) out.append(",\"cached\":true");
  return out.append("}");
}

void Describe(SearchAnswer* answer) {
  auto metadata =
      arrow::key_value_metadata({"longbow.coverage", "longbow.stats"},
                                {std::string(CoverageName(answer->coverage)), StatsJson(*answer)});
  answer->hits = answer->hits->ReplaceSchemaMetadata(std::move(metadata));
}

}  // namespace longbow::query
