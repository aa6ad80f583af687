#include "longbow/protocol/actions.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/float16.h>
#include <arrow/util/key_value_metadata.h>

#include <nlohmann/json.hpp>

#include "longbow/protocol/error_text.h"
#include "longbow/protocol/put_frames.h"
#include "longbow/protocol/search_json.h"
#include "longbow/query/result_layout.h"

namespace longbow::protocol {
namespace {

using nlohmann::json;

constexpr std::string_view kWhat = "action body";

std::string Dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

// An empty body reads as {}.
Result<JsonDocument> ParseBody(std::string_view body, size_t max_bytes) {
  return JsonDocument::Parse(body.empty() ? std::string_view("{}") : body, max_bytes, kWhat);
}

Status CheckDataset(const JsonObject& object, const std::string& dataset) {
  return dataset.empty() ? object.Invalid("expected \"dataset\" to be a dataset's name") : Status::OK();
}

// Either word, which must be there.
Status ReadDataset(const JsonObject& object, std::string* dataset) {
  LB_RETURN_NOT_OK(object.Read("name", dataset));
  LB_RETURN_NOT_OK(object.Read("dataset", dataset));
  return CheckDataset(object, *dataset);
}

}  // namespace

Result<VectorSearchBody> ReadVectorSearch(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body, kMaxSearchBodyBytes));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  VectorSearchBody out;
  out.call.request.k = {0};
  out.call.request.columns.emplace();
  out.call.request.describe = true;
  LB_RETURN_NOT_OK(ReadSearch(object, &out.call));
  std::string format = "arrow";
  LB_RETURN_NOT_OK(object.Read("format", &format));
  if (format != "arrow" && format != "json") {
    return object.Invalid("format: expected \"arrow\" or \"json\", got \"" + format + "\"");
  }
  out.json = format == "json";
  if (out.json && out.call.request.explain != query::Explain::kNo) {
    return object.Invalid("explain: its table comes as \"format\": \"arrow\"");
  }
  LB_RETURN_NOT_OK(CheckDataset(object, out.call.request.dataset));
  LB_RETURN_NOT_OK(CheckHasQuery(out.call));
  return out;
}

Result<SearchCall> ReadVectorSearchByKey(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body, kMaxActionBodyBytes));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  SearchCall out;
  out.request.k = {0};
  out.request.columns.emplace();
  LB_RETURN_NOT_OK(ReadSearch(object, &out));
  LB_RETURN_NOT_OK(CheckDataset(object, out.request.dataset));
  if (out.request.queries.keys.empty()) return object.Invalid("expected \"id\" to be the key of a row");
  out.request.queries.numbers.clear();
  out.request.queries.keys.resize(1);
  out.request.explain = query::Explain::kNo;
  return out;
}

Result<SearchCall> ReadHybridSearch(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body, kMaxSearchBodyBytes));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  SearchCall out;
  out.request.k = {0};
  LB_RETURN_NOT_OK(ReadSearch(object, &out));
  LB_RETURN_NOT_OK(CheckDataset(object, out.request.dataset));
  LB_RETURN_NOT_OK(CheckHasQuery(out));
  if (out.request.vectors != query::VectorFormat::kNone) out.request.vectors = query::VectorFormat::kFloat32;
  out.request.named_vectors = query::VectorFormat::kFloat32;
  return out;
}

Result<RowNumberBody> ReadRowNumber(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body, kMaxActionBodyBytes));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  RowNumberBody out;
  LB_RETURN_NOT_OK(ReadDataset(object, &out.dataset));
  if (!object.Find("vector_id")) return object.Invalid("expected \"vector_id\" to be a row's number");
  LB_RETURN_NOT_OK(object.Read("vector_id", &out.row));
  return out;
}

Result<DeleteBody> ReadDelete(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body, kMaxActionBodyBytes));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  DeleteBody out;
  LB_RETURN_NOT_OK(ReadDataset(object, &out.dataset));
  std::optional<std::string> key;
  LB_RETURN_NOT_OK(object.ReadKey("id", &key));
  if (key) out.keys.push_back(*std::move(key));
  if (const auto list = object.Find("ids")) {
    if (!list->is_array()) return object.Wrong("ids", "an array of strings or integers", *list);
    for (simdjson::dom::element item : simdjson::dom::array(*list)) {
      auto text = KeyText(item);
      if (!text.ok()) return object.Wrong("ids", "an array of strings or integers", item);
      out.keys.push_back(*std::move(text));
    }
  }
  if (out.keys.empty()) return object.Invalid("expected \"id\" or \"ids\" to be keys of rows");
  return out;
}

Result<PutStatusBody> ReadPutStatus(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body, kMaxActionBodyBytes));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  PutStatusBody out;
  LB_RETURN_NOT_OK(object.Read("name", &out.dataset));
  LB_RETURN_NOT_OK(object.Read("dataset", &out.dataset));
  LB_RETURN_NOT_OK(object.Read("client", &out.client));
  LB_RETURN_NOT_OK(object.Read("stream", &out.stream));
  if (out.client.empty()) return object.Invalid("expected \"client\" to be the client's name");
  return out;
}

std::string PutStatusJson(uint64_t acked_through) { return Dump({{"acked_through", acked_through}}); }

Result<Subject> ReadSubject(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body, kMaxActionBodyBytes));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  Subject out;
  LB_RETURN_NOT_OK(object.Read("dataset", &out.dataset));
  LB_RETURN_NOT_OK(object.Read("name", &out.name));
  return out;
}

Result<std::optional<uint64_t>> ReadDurabilityToken(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, ParseBody(body, kMaxActionBodyBytes));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  if (!object.Find("token")) return std::nullopt;
  std::string token;
  LB_RETURN_NOT_OK(object.Read("token", &token));
  const auto sequence = ReadSequenceToken(token);
  if (sequence) return sequence;
  return InvalidArgument("expected \"token\" to be the token of an acknowledgement, given '",
                         PrintableText(token, 64), "'");
}

std::string StatusJson(std::string_view status) { return Dump({{"status", status}}); }
std::string SnapshotJson(const engine::SnapshotInfo& info) {
  return Dump({{"status", "ok"},
               {"sequence", info.sequence},
               {"blocks", info.blocks},
               {"bytes", info.bytes},
               {"blocks_written", info.blocks_written},
               {"bytes_written", info.bytes_written},
               {"seconds", info.seconds}});
}

std::string CountJson(int64_t count) { return Dump({{"count", count}}); }

std::string NamespacesJson(const std::vector<std::string>& names) {
  return Dump({{"namespaces", names}, {"count", names.size()}});
}

std::string ReadinessJson(std::string_view status, std::string_view reason, int64_t index_len) {
  json out = {{"status", status}, {"index_len", index_len}};
  if (!reason.empty()) out["reason"] = reason;
  return Dump(out);
}

Result<std::string> HitsJson(const arrow::RecordBatch& hits, int64_t first, int64_t end) {
  const auto ids = std::dynamic_pointer_cast<arrow::UInt64Array>(hits.GetColumnByName("id"));
  const auto keys = std::dynamic_pointer_cast<arrow::StringArray>(hits.GetColumnByName("key"));
  const auto scores = std::dynamic_pointer_cast<arrow::FloatArray>(hits.GetColumnByName("score"));
  if (!ids || !scores) return Error(ErrorCode::kInternal, "search hits lack id or score");
  const auto about_ids = hits.schema()->GetFieldByName("id")->metadata();
  const bool is_signed = about_ids != nullptr && about_ids->Contains(query::kKeyTypeKey);
  json out = {{"ids", json::array()}, {"scores", json::array()}};
  for (int64_t row = first; row < end; ++row) {
    if (keys) {
      out["ids"].push_back(keys->GetString(row));
    } else if (is_signed) {
      out["ids"].push_back(static_cast<int64_t>(ids->Value(row)));
    } else {
      out["ids"].push_back(ids->Value(row));
    }
    out["scores"].push_back(scores->Value(row));
  }
  return Dump(out);
}

namespace {

// A value as JSON has it; what JSON has no word for as Arrow prints it.
json ScalarJson(const arrow::Scalar& value) {
  using arrow::Type;
  if (!value.is_valid) return nullptr;
  switch (value.type->id()) {
    case Type::BOOL:
      return static_cast<const arrow::BooleanScalar&>(value).value;
    case Type::HALF_FLOAT:
      return arrow::util::Float16::FromBits(static_cast<const arrow::HalfFloatScalar&>(value).value)
          .ToDouble();
    case Type::STRING:
    case Type::LARGE_STRING:
      return static_cast<const arrow::BaseBinaryScalar&>(value).value->ToString();
    case Type::FIXED_SIZE_LIST:
    case Type::LIST: {
      json list = json::array();
      const auto& values = *static_cast<const arrow::BaseListScalar&>(value).value;
      for (int64_t i = 0; i < values.length(); ++i) list.push_back(ScalarJson(**values.GetScalar(i)));
      return list;
    }
    default:
      break;
  }
  if (arrow::is_signed_integer(value.type->id())) {
    return static_cast<const arrow::Int64Scalar&>(**value.CastTo(arrow::int64())).value;
  }
  if (arrow::is_unsigned_integer(value.type->id())) {
    return static_cast<const arrow::UInt64Scalar&>(**value.CastTo(arrow::uint64())).value;
  }
  if (arrow::is_floating(value.type->id())) {
    return static_cast<const arrow::DoubleScalar&>(**value.CastTo(arrow::float64())).value;
  }
  return value.ToString();
}

Result<json> HitObject(const arrow::RecordBatch& hits, int64_t row) {
  json hit = {{"Metadata", json::object()}, {"Vector", nullptr}};
  for (int i = 0; i < hits.num_columns(); ++i) {
    const std::string& name = hits.schema()->field(i)->name();
    LB_ASSIGN_OR_RETURN(const auto scalar, hits.column(i)->GetScalar(row));
    json value = ScalarJson(*scalar);
    if (name == "id") {
      if (!hit.contains("ID")) hit["ID"] = std::move(value);
    } else if (name == "key") {
      hit["ID"] = std::move(value);
    } else if (name == "score") {
      hit["Score"] = std::move(value);
    } else if (name == "distance") {
      hit["Distance"] = std::move(value);
    } else if (name == "vector") {
      hit["Vector"] = std::move(value);
    } else {
      hit["Metadata"][name] = std::move(value);
    }
  }
  return hit;
}

}  // namespace

Result<std::string> HitObjectsJson(const arrow::RecordBatch& hits, int64_t first, int64_t end) {
  json out = json::array();
  for (int64_t row = first; row < end; ++row) {
    LB_ASSIGN_OR_RETURN(json hit, HitObject(hits, row));
    out.push_back(std::move(hit));
  }
  return Dump(out);
}

Result<std::string> HitsStream(const arrow::RecordBatch& hits, int64_t first, int64_t end) {
  LB_ASSIGN_OR_RETURN(auto sink, arrow::io::BufferOutputStream::Create());
  LB_ASSIGN_OR_RETURN(auto writer, arrow::ipc::MakeStreamWriter(sink, hits.schema()));
  if (end > first) LB_RETURN_NOT_OK(writer->WriteRecordBatch(*hits.Slice(first, end - first)));
  LB_RETURN_NOT_OK(writer->Close());
  LB_ASSIGN_OR_RETURN(auto bytes, sink->Finish());
  return bytes->ToString();
}

}  // namespace longbow::protocol
