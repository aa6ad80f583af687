#include "crash/engine_ledger.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "longbow/engine/engine_for_test.h"

namespace longbow::crash {
namespace {

using engine::WriteAck;
using simulation::SimulatedWorld;

constexpr int kDim = 4;

// The datasets of the workload. A dataset's kind follows from its name here, never in the engine.
struct DatasetKind {
  const char* name;
  bool text_keys, hidden_keys;
  const char* durability;
};
constexpr DatasetKind kDatasets[] = {
    {"ints", false, false, "fsync"},      {"strings", true, false, "fsync"},
    {"hidden", false, true, "fsync"},     {"quick", false, false, "async"},
    {"volatile", false, false, "memory"}, {"ns/inner", true, false, "fsync"}};

const DatasetKind& KindOf(const std::string& name) {
  return *std::find_if(std::begin(kDatasets), std::end(kDatasets),
                       [&](const auto& kind) { return name == kind.name; });
}
bool IsMemory(const std::string& dataset) { return std::string_view(KindOf(dataset).durability) == "memory"; }
bool IsFlushed(const Change& change) {
  if (change.kind != Change::Kind::kPut && change.kind != Change::Kind::kDelete) return true;
  return std::string_view(KindOf(change.target).durability) == "fsync";
}

uint64_t Mix(uint64_t a, uint64_t b, uint64_t c) {
  uint64_t x = a * 0x9E3779B97F4A7C15u ^ b * 0xC2B2AE3D27D4EB4Fu ^ c * 0x165667B19E3779F9u;
  x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
  return x ^ (x >> 32);
}

// What row `row` of the put at `position` holds. The text names batch and row, so that a phantom identifies
// itself.
std::string TextOf(uint64_t seed, size_t position, size_t row) {
  return std::to_string(position) + "." + std::to_string(row) +
         std::string(Mix(seed, position, row) % 40, static_cast<char>('a' + Mix(seed, row, position) % 26));
}
float NumberOf(uint64_t seed, size_t position, size_t row, int i) {
  return static_cast<float>(Mix(seed + static_cast<uint64_t>(i), position, row) % 4096) / 8 - 256;
}

std::string VectorText(const float* numbers) {
  std::string out;
  for (int i = 0; i < kDim; ++i) out += std::to_string(numbers[i]) + ",";
  return out;
}

std::shared_ptr<arrow::RecordBatch> BatchFor(uint64_t seed, size_t position, const Change& change) {
  const DatasetKind& kind = KindOf(change.target);
  std::string ids, texts, vectors, extra;
  for (size_t row = 0; row < change.keys.size(); ++row) {
    const char* comma = row == 0 ? "" : ",";
    ids += comma + (kind.text_keys ? "\"" + change.keys[row] + "\"" : change.keys[row]);
    texts += comma + ("\"" + TextOf(seed, position, row) + "\"");
    extra += comma + std::to_string(position);
    vectors += std::string(comma) + "[";
    for (int i = 0; i < kDim; ++i) {
      vectors += (i == 0 ? "" : ",") + std::to_string(NumberOf(seed, position, row, i));
    }
    vectors += "]";
  }
  std::vector<engine::JsonColumn> columns;
  if (!kind.hidden_keys) {
    columns.push_back({arrow::field("id", kind.text_keys ? arrow::utf8() : arrow::int64()), "[" + ids + "]"});
  }
  columns.push_back({arrow::field("text", arrow::utf8()), "[" + texts + "]"});
  columns.push_back(
      {arrow::field("vector", arrow::fixed_size_list(arrow::float32(), kDim)), "[" + vectors + "]"});
  for (int i = 0; i < change.columns; ++i) {
    columns.push_back({arrow::field("extra" + std::to_string(i), arrow::int64()), "[" + extra + "]"});
  }
  return engine::BatchOf(columns, {{"longbow.durability", kind.durability}});
}

// The row's nearest neighbour must be at distance zero: itself, or one with the same vector.
Status CheckFound(const engine::View& view, RowOrdinal row, index::SearchScratch* scratch) {
  const auto& index = view.Index(0);
  double numbers[kDim];
  float stored[kDim];
  std::memcpy(stored, view.Vectors(0).Row(row), sizeof(stored));
  std::copy(stored, stored + kDim, numbers);
  alignas(64) std::byte query[kDim * sizeof(double)];
  if (!distance::PrepareQuery(distance::Metric::kL2, distance::ElementType::kFloat32, numbers, query)) {
    return Error(ErrorCode::kInternal, "a stored vector is not a query");
  }
  index::SearchShape shape;
  shape.k = 1;
  shape.rows = static_cast<uint64_t>(view.live_rows());
  const uint32_t k = 1;
  index::SearchSpec spec;
  spec.method = index.Methods(shape).front().method;
  spec.queries = query;
  spec.query_stride = sizeof(query);
  spec.k = {&k, 1};
  spec.visibility = view.visibility();
  index::SearchHits hits;
  LB_RETURN_NOT_OK(index.Search(spec, scratch, &hits));
  if (hits.neighbors.size() != 1 || hits.neighbors[0].distance != 0 ||
      !view.visibility().Visible(hits.neighbors[0].row)) {
    return Error(ErrorCode::kInternal, "a visible row is not found by its own vector");
  }
  return Status::OK();
}

}  // namespace

// ---- Model ----

void Model::Apply(size_t position, const Change& change) {
  switch (change.kind) {
    case Change::Kind::kCreate: {
      datasets_[change.target].columns = change.columns;
      const auto slash = change.target.find('/');
      if (slash != std::string::npos) namespaces_.insert(change.target.substr(0, slash));
      return;
    }
    case Change::Kind::kEvolve:
      datasets_.at(change.target).columns = change.columns;
      return;
    case Change::Kind::kPut: {
      Dataset& dataset = datasets_.at(change.target);
      for (size_t row = 0; row < change.keys.size(); ++row) {
        float numbers[kDim];
        for (int i = 0; i < kDim; ++i) numbers[i] = NumberOf(seed_, position, row, i);
        std::string text = TextOf(seed_, position, row) + " " + VectorText(numbers);
        for (int i = 0; i < change.columns; ++i)
          text += " " + std::to_string(i) + "=" + std::to_string(position);
        const bool hidden = KindOf(change.target).hidden_keys;
        dataset.rows[hidden ? std::to_string(dataset.next_hidden++) : change.keys[row]] = text;
      }
      return;
    }
    case Change::Kind::kDelete:
      for (const auto& key : change.keys) datasets_.at(change.target).rows.erase(key);
      return;
    case Change::Kind::kDrop:
      datasets_.erase(change.target);
      return;
    case Change::Kind::kCreateNamespace:
      namespaces_.insert(change.target);
      return;
    case Change::Kind::kDropNamespace:
      namespaces_.erase(change.target);
      std::erase_if(datasets_,
                    [&](const auto& entry) { return entry.first.starts_with(change.target + "/"); });
      return;
  }
}

void Model::ForgetMemoryDatasets() {
  for (auto& [name, dataset] : datasets_) {
    if (IsMemory(name)) dataset.rows.clear();
  }
}

std::vector<std::string> Model::Describe() const {
  std::vector<std::string> out;
  for (const auto& name : namespaces_) out.push_back("namespace " + name);
  for (const auto& [name, dataset] : datasets_) {
    out.push_back("dataset " + name + " columns " + std::to_string(dataset.columns));
    for (const auto& [key, text] : dataset.rows) out.push_back(name + " " + key + ": " + text);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> Model::KeysOf(const std::string& dataset) const {
  std::vector<std::string> out;
  for (const auto& [key, text] : datasets_.at(dataset).rows) out.push_back(key);
  return out;
}

// ---- the engine in the model's words ----

Result<std::vector<std::string>> DescribeEngine(const engine::Engine& engine) {
  std::vector<std::string> out;
  for (const auto& name : engine.Namespaces()) out.push_back("namespace " + name);
  for (const auto& info : engine.Datasets()) {
    LB_ASSIGN_OR_RETURN(const auto view, engine.Pin(info.name));
    std::vector<std::string> extras;
    for (const auto& field : view->schema()->arrow->fields()) {
      if (field->name().starts_with("extra")) extras.push_back(field->name());
    }
    out.push_back("dataset " + info.name + " columns " + std::to_string(extras.size()));
    std::vector<RowOrdinal> rows;
    for (const auto& block : view->blocks()) {
      for (RowOrdinal row = block->first; row < block->end; ++row) {
        if (view->visibility().Visible(row)) rows.push_back(row);
      }
    }
    if (static_cast<int64_t>(rows.size()) != view->live_rows() || view->live_rows() != info.rows) {
      return Error(ErrorCode::kInternal, info.name, ": ", rows.size(), " visible rows, counted ", info.rows);
    }
    const DatasetKind& kind = KindOf(info.name);
    LB_ASSIGN_OR_RETURN(const auto texts, view->TakeColumn("text", rows));
    const auto scratch = view->Index(0).NewScratch();
    std::vector<std::shared_ptr<arrow::Array>> columns;
    for (const auto& name : extras) {
      LB_ASSIGN_OR_RETURN(auto column, view->TakeColumn(name, rows));
      columns.push_back(std::move(column));
    }
    std::shared_ptr<arrow::Array> ids;
    if (!kind.hidden_keys) LB_RETURN_NOT_OK(view->TakeColumn("id", rows).Value(&ids));
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      std::string key = std::to_string(view->KeyNumber(rows[i]));
      if (kind.text_keys) key = static_cast<const arrow::StringArray&>(*ids).GetString(at);
      LB_ASSIGN_OR_RETURN(const RowOrdinal found, view->FindKey(key));
      if (found != rows[i])
        return Error(ErrorCode::kInternal, info.name, ": key ", key, " leads to another row");
      float numbers[kDim];
      std::memcpy(numbers, view->Vectors(0).Row(rows[i]), sizeof(numbers));
      std::string text =
          static_cast<const arrow::StringArray&>(*texts).GetString(at) + " " + VectorText(numbers);
      for (size_t c = 0; c < columns.size(); ++c) {
        if (columns[c]->IsNull(at)) continue;
        text += " " + std::to_string(c) + "=" +
                std::to_string(static_cast<const arrow::Int64Array&>(*columns[c]).Value(at));
      }
      out.push_back(info.name + " " + key + ": " + text);
      LB_RETURN_NOT_OK(CheckFound(*view, rows[i], scratch.get()));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::unique_ptr<EngineInWorld>> EngineInWorld::Open(const Environment& environment) {
  auto out = std::make_unique<EngineInWorld>();
  engine::EngineOptions options;
  options.log.segment_bytes = 16 << 10;
  options.blocks.file_rows = 16;  // so that there are many to keep, merge and compact
  options.blocks.compaction_bytes = 4096;
  LB_ASSIGN_OR_RETURN(out->engine_, engine::Engine::Open(environment, &out->ledger_, &out->arena_, options));
  return out;
}

// ---- EngineLedger ----

int64_t EngineLedger::acknowledged() const {
  return std::count_if(history_.begin(), history_.end(),
                       [](const Change& change) { return change.acknowledged; });
}

void EngineLedger::Record(Change change) {
  issued_.Apply(history_.size(), change);
  history_.push_back(std::move(change));
}

bool EngineLedger::Settled(SimulatedWorld* world) {
  return world->RunUntil([this] { return *outstanding_ == 0; }) && world->files().power_is_on();
}

bool EngineLedger::SendPut(engine::Engine& engine, size_t position,
                           std::function<void(Result<WriteAck>)> done) {
  const Change& change = history_[position];
  const auto batch = BatchFor(seed_, position, change);
  auto delivered = engine::Deliver(*batch, 50);
  auto writer = engine.OpenWriter(change.target, *batch->schema());
  if (!delivered.ok() || !writer.ok()) return false;
  (*writer)->Write(std::move(delivered->batch), delivered->message, {"client", change.target, position}, {},
                   std::move(done));
  return true;
}

bool EngineLedger::IssuePut(engine::Engine& engine, const std::string& dataset, std::vector<std::string> keys,
                            int columns) {
  if (!issued_.Has(dataset)) {
    Record({Change::Kind::kCreate, dataset, {}, columns});
  } else if (columns > issued_.columns(dataset)) {
    Record({Change::Kind::kEvolve, dataset, {}, columns});
  }
  Record({Change::Kind::kPut, dataset, std::move(keys), columns});
  const size_t position = history_.size() - 1;
  ++*outstanding_;
  const auto answered = std::make_shared<bool>(false);
  const auto done = [this, position, left = outstanding_, answered](const Result<WriteAck>& ack) {
    --*left;
    *answered = true;
    if (ack.ok()) history_[position].acknowledged = true;
  };
  const bool sent = SendPut(engine, position, done);
  if (!sent) --*outstanding_;
  return sent && !*answered;  // the log is behind every answer but a refusal
}

bool EngineLedger::IssueAlone(EngineInWorld& engine, SimulatedWorld* world, Change change) {
  if (!Settled(world)) return false;
  Record(std::move(change));
  return Reissue(*engine, world, history_.size() - 1).ok();
}

std::vector<std::string> EngineLedger::PickKeys(const std::string& dataset) {
  std::vector<std::string> keys;
  const DatasetKind& kind = KindOf(dataset);
  for (uint64_t n = 1 + random_->Next() % 5; n > 0; --n) {
    const uint64_t number = random_->Next() % 12;
    keys.push_back(kind.hidden_keys ? "" : (kind.text_keys ? "key-" : "") + std::to_string(number));
  }
  return keys;
}

// Beside whatever is under way; refused or failed, it must do no harm.
void EngineLedger::TakeSnapshot(EngineInWorld& engine) {
  ++*outstanding_;
  engine->TakeSnapshot([left = outstanding_, taken = snapshots_](const Result<engine::SnapshotInfo>& info) {
    --*left;
    if (info.ok()) ++*taken;
  });
}

bool EngineLedger::Step(EngineInWorld& engine, SimulatedWorld* world) {
  if (workload_.snapshots && random_->Next() % 6 == 0) {
    TakeSnapshot(engine);
    if (random_->Next() % 4 == 0 && !Settled(world)) return false;
  }
  const std::string dataset = kDatasets[random_->Next() % std::size(kDatasets)].name;
  const uint64_t dice = random_->Next() % 20;
  if (dice < 12 || !issued_.Has(dataset)) {
    int columns = issued_.Has(dataset) ? issued_.columns(dataset) : 0;
    if (random_->Next() % 6 == 0) columns = std::min(columns + 1, 3);
    if (random_->Next() % 6 == 0) columns = 0;
    if (!IssuePut(*engine, dataset, PickKeys(dataset), columns)) return false;
    return random_->Next() % 3 != 0 || Settled(world);
  }
  if (dice < 17) {
    const auto keys = issued_.KeysOf(dataset);
    if (keys.empty()) return true;
    std::vector<std::string> some;
    for (uint64_t n = 1 + random_->Next() % 3; n > 0; --n)
      some.push_back(keys[random_->Next() % keys.size()]);
    return IssueAlone(engine, world, {Change::Kind::kDelete, dataset, some, 0});
  }
  if (dice < 18) return IssueAlone(engine, world, {Change::Kind::kDrop, dataset, {}, 0});
  if (issued_.HasNamespace("ns"))
    return IssueAlone(engine, world, {Change::Kind::kDropNamespace, "ns", {}, 0});
  return IssueAlone(engine, world, {Change::Kind::kCreateNamespace, "ns", {}, 0});
}

void EngineLedger::RunWorkload(SimulatedWorld* world) {
  auto engine = EngineInWorld::Open(world->environment());
  if (!engine.ok()) return;
  for (int step = 0; step < workload_.steps; ++step) {
    if (!Step(**engine, world)) return;
  }
  (void)Settled(world);
}

// Issues the change at `position` again and waits for it.
Status EngineLedger::Reissue(engine::Engine& engine, SimulatedWorld* world, size_t position) {
  Change& change = history_[position];
  std::optional<Status> outcome;
  const auto done = [&](Status status) { outcome = std::move(status); };
  const auto acked = [&](const Result<WriteAck>& ack) { outcome = ack.status(); };
  switch (change.kind) {
    case Change::Kind::kCreate:
    case Change::Kind::kEvolve: {
      Change schema_only = change;
      const auto writer = engine.OpenWriter(change.target, *BatchFor(seed_, position, schema_only)->schema());
      LB_RETURN_NOT_OK(writer.status());
      (*writer)->WhenReady(done);
      break;
    }
    case Change::Kind::kPut:
      if (!SendPut(engine, position, acked)) return Error(ErrorCode::kUnavailable, "the put was refused");
      break;
    case Change::Kind::kDelete:
      engine.Delete(change.target, change.keys, acked);
      break;
    case Change::Kind::kDrop:
      engine.DropDataset(change.target, done);
      break;
    case Change::Kind::kCreateNamespace:
      engine.CreateNamespace(change.target, done);
      break;
    case Change::Kind::kDropNamespace:
      engine.DropNamespace(change.target, done);
      break;
  }
  if (!world->RunUntil([&] { return outcome.has_value(); })) {
    return Error(ErrorCode::kInternal, "a call was never answered");
  }
  if (outcome->ok()) change.acknowledged = true;
  return *outcome;
}

// What is acknowledged holds all before it in the log.
size_t EngineLedger::FirstUnknown() const {
  size_t end = 0;
  for (size_t i = 0; i < history_.size(); ++i) {
    if (history_[i].acknowledged && IsFlushed(history_[i])) end = i + 1;
  }
  return end;
}

bool EngineLedger::DroppedLater(size_t position, size_t end) const {
  for (size_t i = position + 1; i < end; ++i) {
    const Change& later = history_[i];
    if (later.kind == Change::Kind::kDrop && later.target == history_[position].target) return true;
    if (later.kind == Change::Kind::kDropNamespace &&
        history_[position].target.starts_with(later.target + "/")) {
      return true;
    }
  }
  return false;
}

namespace {

std::string FirstDifference(const std::vector<std::string>& expected,
                            const std::vector<std::string>& actual) {
  for (const auto& line : expected) {
    if (!std::binary_search(actual.begin(), actual.end(), line)) return "missing: " + line;
  }
  for (const auto& line : actual) {
    if (!std::binary_search(expected.begin(), expected.end(), line)) return "not expected: " + line;
  }
  return expected == actual ? "" : "a line appears twice";
}

}  // namespace

std::string EngineLedger::LastChanges() const {
  std::string out = "; the last changes:";
  for (size_t n = history_.size() > 6 ? history_.size() - 6 : 0; n < history_.size(); ++n) {
    const Change& change = history_[n];
    out += " " + std::to_string(n) + (change.acknowledged ? "+" : "?") + " kind " +
           std::to_string(static_cast<int>(change.kind)) + " " + change.target;
  }
  return out;
}

size_t EngineLedger::PrefixThatExplains(const std::vector<std::string>& actual, size_t least,
                                        std::string* difference) const {
  Model model(seed_);
  size_t present = history_.size() + 1;
  for (size_t n = 0; n <= history_.size(); ++n) {
    Model restarted = model;
    restarted.ForgetMemoryDatasets();
    if (n >= least) {
      const std::string here = FirstDifference(restarted.Describe(), actual);
      if (here.empty()) present = n;
      if (n == least) *difference = here;
    }
    if (n < history_.size()) model.Apply(n, history_[n]);
  }
  return present;
}

std::string EngineLedger::CheckWithoutLog(SimulatedWorld* world) const {
  FileSystem* files = world->environment().files;
  const std::string directory = engine::EngineOptions().log.directory;
  const auto names = files->List(directory);
  if (!names.ok()) return names.status().ToString();
  for (const auto& name : *names) {
    if (const Status removed = files->Remove(directory + "/" + name); !removed.ok())
      return removed.ToString();
  }
  auto opened = EngineInWorld::Open(world->environment());
  if (!opened.ok()) return "the snapshot alone does not start: " + opened.status().ToString();
  const auto actual = DescribeEngine(***opened);
  if (!actual.ok()) return "reading failed: " + actual.status().ToString();
  std::string difference;
  return PrefixThatExplains(*actual, 0, &difference) <= history_.size()
             ? ""
             : "the snapshot shows no moment of the history" + LastChanges();
}

std::string EngineLedger::CheckAndFinish(SimulatedWorld* world) {
  auto opened = EngineInWorld::Open(world->environment());
  if (!opened.ok()) return "recovery failed: " + opened.status().ToString();
  EngineInWorld& engine = **opened;
  const auto actual = DescribeEngine(*engine);
  if (!actual.ok()) return "reading failed: " + actual.status().ToString();

  const size_t unknown = FirstUnknown();
  std::string difference;
  const size_t present = PrefixThatExplains(*actual, unknown, &difference);
  if (present > history_.size()) {
    return "no prefix of " + std::to_string(unknown) + " or more changes of " +
           std::to_string(history_.size()) + " explains what is there; against the shortest: " + difference +
           LastChanges();
  }
  Model recovered(seed_);
  for (size_t n = 0; n < present; ++n) recovered.Apply(n, history_[n]);
  recovered.ForgetMemoryDatasets();

  // A client may not have heard of what was acknowledged: sent again, it has no effect.
  for (size_t n = 0; workload_.snapshots && n < unknown; n += 3) {
    const Change& change = history_[n];
    if (change.kind != Change::Kind::kPut || !change.acknowledged || IsMemory(change.target)) continue;
    if (DroppedLater(n, present)) continue;
    const Status status = Reissue(*engine, world, n);
    if (!status.ok()) return "put " + std::to_string(n) + " sent again: " + status.ToString();
  }
  for (size_t n = unknown; n < history_.size(); ++n) {
    const bool again = n < present;
    if (again && (history_[n].kind != Change::Kind::kPut || DroppedLater(n, present))) continue;
    if (again && IsMemory(history_[n].target)) continue;
    if (history_[n].kind == Change::Kind::kDelete && IsMemory(history_[n].target)) {
      // What a restart emptied cannot be deleted from: keys that were never there are NotFound.
      const auto there = recovered.KeysOf(history_[n].target);
      std::erase_if(history_[n].keys, [&](const auto& key) {
        return std::find(there.begin(), there.end(), key) == there.end();
      });
    }
    const Status status = Reissue(*engine, world, n);
    if (!status.ok()) return "change " + std::to_string(n) + " issued again: " + status.ToString();
    if (!again) recovered.Apply(n, history_[n]);
  }
  for (int restart = 0; restart < 2; ++restart) {
    const auto now = DescribeEngine(***opened);
    if (!now.ok()) return "reading failed: " + now.status().ToString();
    const std::string wrong = FirstDifference(recovered.Describe(), *now);
    if (!wrong.empty())
      return (restart == 0 ? "after sending again: " : "after an orderly restart: ") + wrong;
    if (restart == 1) break;
    if (workload_.snapshots) {
      const int64_t before = snapshots();
      TakeSnapshot(**opened);
      if (!Settled(world) || snapshots() == before) return "a snapshot after recovery failed";
    }
    opened->reset();
    world->RunUntilIdle();
    opened = EngineInWorld::Open(world->environment());
    if (!opened.ok()) return "an orderly restart failed: " + opened.status().ToString();
    recovered.ForgetMemoryDatasets();
  }
  return "";
}

}  // namespace longbow::crash
