// Filters as JSON, or as text behind a first byte '@', against rows: whatever parses is evaluated, and no row
// matches a filter and its negation.
#include <arrow/array.h>
#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>

#include "fuzz_database.h"
#include "longbow/protocol/ticket.h"

using namespace longbow;

namespace {

constexpr int64_t kRows = 64;

// Ids of the rows that match; -1 alone when the filter is refused.
std::set<int64_t> Matching(query::QueryEngine& query, const filter::FilterTree& filter) {
  query::ScanRequest request;
  request.dataset = "d";
  request.filter = filter;
  request.columns = {"id"};
  const auto scan = query.OpenScan(request);
  if (!scan.ok()) return {-1};
  std::set<int64_t> ids;
  for (;;) {
    const auto batch = (*scan)->Next();
    fuzz::Require(batch.ok(), "a filter that was taken is evaluated");
    if (*batch == nullptr) return ids;
    fuzz::Require((*batch)->ValidateFull().ok(), "a scanned batch is sound");
    const auto column = std::static_pointer_cast<arrow::Int64Array>((*batch)->column(0));
    for (int64_t i = 0; i < column->length(); ++i) ids.insert(column->Value(i));
  }
}

std::optional<filter::FilterTree> Read(std::string_view bytes) {
  if (bytes.starts_with('@')) {
    auto parsed = filter::ParseFilter(bytes.substr(1));
    return parsed.ok() ? std::optional(*std::move(parsed)) : std::nullopt;
  }
  std::string ticket = R"({"name":"d","filters":)";
  ticket.append(bytes).push_back('}');
  const auto request = protocol::ReadTicket(ticket);
  if (!request.ok() || !std::holds_alternative<query::ScanRequest>(*request)) return std::nullopt;
  return std::get<query::ScanRequest>(*request).filter;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto database = [] {
    auto made = std::make_unique<fuzz::FuzzDatabase>();
    made->MakeRows();
    return made;
  }();
  const auto filter = Read({reinterpret_cast<const char*>(data), size});
  if (!filter) return 0;
  const auto matching = Matching(database->query(), *filter);
  if (matching.contains(-1)) return 0;
  const auto reread = filter::ParseFilter(filter->ToString());
  fuzz::Require(reread.ok() && *reread == *filter, "a filter's text is read as the same filter");
  filter::FilterTree negation;
  negation.op = filter::Operator::kNot;
  negation.children = {*filter};
  const auto others = Matching(database->query(), negation);
  if (others.contains(-1)) return 0;  // nested one level deeper than filters may be
  for (const int64_t id : others)
    fuzz::Require(!matching.contains(id), "a row does not match a filter and its negation");
  fuzz::Require(static_cast<int64_t>(matching.size() + others.size()) <= kRows, "no row comes twice");
  return 0;
}
