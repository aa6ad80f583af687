// Bodies of DoAction: requests from JSON, answers to JSON. Which actions there are is server/'s affair.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/engine/engine.h"
#include "longbow/protocol/ticket.h"

namespace arrow {
class RecordBatch;
}

namespace longbow::protocol {

inline constexpr size_t kMaxActionBodyBytes = size_t{1} << 20;
inline constexpr size_t kMaxSearchBodyBytes = size_t{16} << 20;  // vectors as text

// All readers: InvalidArgument "invalid action body format: ..." for bad JSON; unknown keys are ignored.

struct VectorSearchBody {
  SearchCall call;
  bool json = false;  // "format": "json": ids and scores instead of Arrow
};
// search_json.h, and format. Payload comes only when `columns` asks for it.
Result<VectorSearchBody> ReadVectorSearch(std::string_view body);
// {"dataset", "id": string or number, "k", ...}: the neighbours of a stored row.
Result<SearchCall> ReadVectorSearchByKey(std::string_view body);

// The same with payload, which comes with all of it or with `columns`; always answered as JSON.
Result<SearchCall> ReadHybridSearch(std::string_view body);

struct DeleteBody {
  std::string dataset;
  std::vector<std::string> keys;  // never empty
};
// {"dataset", "id": string or number} or {"dataset", "ids": [...]}.
Result<DeleteBody> ReadDelete(std::string_view body);

struct RowNumberBody {
  std::string dataset;
  int64_t row = 0;
};
// {"dataset", "vector_id": number}.
Result<RowNumberBody> ReadRowNumber(std::string_view body);

struct PutStatusBody {
  std::string dataset;  // may be empty
  std::string client, stream;
};
// {"client", "stream"} as in DoPut's frames, and if wanted "dataset".
Result<PutStatusBody> ReadPutStatus(std::string_view body);
std::string PutStatusJson(uint64_t acked_through);  // {"acked_through": n}

// What an action is about. Old clients mix the two words up, so what each means is the action's affair.
struct Subject {
  std::string dataset, name;  // empty when absent
};
// An empty body is an empty object.
Result<Subject> ReadSubject(std::string_view body);

// {"token": of an acknowledgement}: the sequence it stands for; nothing for {}.
Result<std::optional<uint64_t>> ReadDurabilityToken(std::string_view body);

std::string StatusJson(std::string_view status);  // {"status": ...}
// A snapshot that was taken: {"status": "ok", "sequence": ..., "blocks": ..., ...}.
std::string SnapshotJson(const engine::SnapshotInfo& info);
std::string CountJson(int64_t count);                               // {"count": n}
std::string NamespacesJson(const std::vector<std::string>& names);  // {"namespaces": [...], "count": n}
// `reason` empty: left out.
std::string ReadinessJson(std::string_view status, std::string_view reason, int64_t index_len);
// Rows [first, end) of a search's hits as {"ids": [...], "scores": [...], "coverage": ...}; ids are keys as
// clients know them, and coverage is left out where the hits' schema does not tell it.
Result<std::string> HitsJson(const arrow::RecordBatch& hits, int64_t first, int64_t end);
// The same rows as [{"ID", "Distance", "Score", "Metadata": {payload}, "Vector": [...] or null}].
Result<std::string> HitObjectsJson(const arrow::RecordBatch& hits, int64_t first, int64_t end);
// The same rows as one Arrow IPC stream.
Result<std::string> HitsStream(const arrow::RecordBatch& hits, int64_t first, int64_t end);

}  // namespace longbow::protocol
