// A dataset's edges: checked, logged, applied, replayed.
#include <cmath>

#include "longbow/engine/dataset.h"

namespace longbow::engine {
namespace {

Status CheckEdge(const NewEdge& edge) {
  if (edge.predicate.empty())
    return InvalidArgument("predicate: expected a word such as \"cites\", got none");
  if (edge.predicate.size() > kMaxPredicateBytes) {
    return InvalidArgument("predicate: expected at most ", kMaxPredicateBytes, " bytes, got ",
                           edge.predicate.size());
  }
  if (!std::isfinite(edge.weight)) return InvalidArgument("weight: expected a finite number");
  return Status::OK();
}

Result<AddEdgesRecord> MakeRecord(KeyKind kind, const std::vector<NewEdge>& edges) {
  if (edges.size() > kMaxNewEdges) {
    return InvalidArgument("edges: at most ", kMaxNewEdges, " at a time, got ", edges.size());
  }
  AddEdgesRecord record{kind, {}};
  record.edges.reserve(edges.size());
  for (const NewEdge& edge : edges) {
    LB_RETURN_NOT_OK(CheckEdge(edge));
    Edge& added = record.edges.emplace_back();
    LB_ASSIGN_OR_RETURN(added.subject, ParseKey(kind, edge.subject));
    LB_ASSIGN_OR_RETURN(added.object, ParseKey(kind, edge.object));
    added.predicate = edge.predicate;
    added.weight = edge.weight;
  }
  return record;
}

}  // namespace

void Dataset::AppendEdges(const std::vector<NewEdge>& edges, WriteDone done) {
  auto sender = std::make_shared<WriteDone>(std::move(done));
  const auto append = [&]() -> Status {
    LB_ASSIGN_OR_RETURN(auto record, MakeRecord(edges_->keys(), edges));
    auto mutation = std::make_shared<Mutation>();
    LB_ASSIGN_OR_RETURN(mutation->memory,
                        parts_->ledger->Reserve(MemoryUse::kRows, EdgeStore::MemoryNeeded(record.edges)));
    BufferChain payload = Encode(record);
    std::lock_guard lock(append_mutex_);
    if (dropped_) return NotThere();
    LB_RETURN_NOT_OK(queue_->fence());
    const auto durability = appended_->schema->durability;
    mutation->apply = [this, durability,
                       added = std::make_shared<std::vector<Edge>>(std::move(record.edges))](
                          const storage::LogPosition& position) {
      edges_->Add(*added);
      applied_sequence_ = position.sequence;
      const auto count = static_cast<int64_t>(added->size());
      parts_->counters.edges_added.Add(count);
      return WriteAck{position.sequence, count, durability};
    };
    mutation->done = [sender](Result<WriteAck> ack) { (*sender)(std::move(ack)); };
    return Append(RecordKind::kAddEdges, durability, std::move(payload), std::move(mutation));
  };
  const Status status = append();
  if (!status.ok()) (*sender)(status);
}

Status Dataset::ReplayEdges(const storage::LogRecord& record) {
  AddEdgesRecord added;
  LB_RETURN_NOT_OK(Decode(record.payload, &added));
  if (added.kind != edges_->keys()) {
    return Error(ErrorCode::kCorruption, "a record of edges that does not fit its dataset");
  }
  edges_->Add(added.edges);
  applied_sequence_ = record.position.sequence;
  return Status::OK();
}

}  // namespace longbow::engine
