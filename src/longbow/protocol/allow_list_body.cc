#include "longbow/protocol/allow_list_body.h"

#include <arrow/array/concatenate.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <utility>

#include "longbow/protocol/error_text.h"
#include "longbow/protocol/json_document.h"

namespace longbow::protocol {
namespace {

using simdjson::dom::element;

constexpr size_t kMaxListBodyBytes = size_t{16} << 20;  // as JSON
constexpr std::string_view kWhat = "action body";

// Int64, or UInt64 where a value is beyond it.
template <typename Builder>
Result<std::shared_ptr<arrow::Array>> NumbersAs(const JsonObject& object, simdjson::dom::array values) {
  Builder builder;
  for (element value : values) {
    typename Builder::value_type number = 0;
    if (value.get(number) != simdjson::SUCCESS)
      return object.Wrong("values", "integers alone, or strings alone", value);
    LB_RETURN_NOT_OK(builder.Append(number));
  }
  return builder.Finish();
}

Result<std::shared_ptr<arrow::Array>> Numbers(const JsonObject& object, simdjson::dom::array values) {
  for (element value : values) {
    if (value.is<uint64_t>() && !value.is<int64_t>()) return NumbersAs<arrow::UInt64Builder>(object, values);
  }
  return NumbersAs<arrow::Int64Builder>(object, values);
}

Result<std::shared_ptr<arrow::Array>> Texts(const JsonObject& object, simdjson::dom::array values) {
  arrow::StringBuilder builder;
  for (element value : values) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS)
      return object.Wrong("values", "integers alone, or strings alone", value);
    LB_RETURN_NOT_OK(builder.Append(text));
  }
  return builder.Finish();
}

Result<AllowListBody> ReadJson(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, JsonDocument::Parse(body, kMaxListBodyBytes, kWhat));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  NamedList list;
  AllowListBody out;
  LB_RETURN_NOT_OK(object.Read("name", &list.name));
  LB_RETURN_NOT_OK(object.Read("append", &out.append));
  const auto values = object.Find("values");
  if (!values) return object.Invalid("expected \"values\" to be an array");
  if (!values->is_array()) return object.Wrong("values", "an array", *values);
  const simdjson::dom::array array(*values);
  const bool text = array.size() > 0 && array.at(0).is_string();
  LB_ASSIGN_OR_RETURN(list.values, text ? Texts(object, array) : Numbers(object, array));
  out.lists.push_back(std::move(list));
  return out;
}

// The metadata "longbow.append".
Result<bool> ReadAppend(const arrow::Schema& schema) {
  const auto text =
      schema.metadata() ? schema.metadata()->Get("longbow.append") : Result<std::string>("false");
  if (!text.ok() || *text == "false") return false;
  if (*text == "true") return true;
  return InvalidArgument("metadata longbow.append: expected \"true\" or \"false\", got \"",
                         PrintableText(*text, 32), "\"");
}

Result<AllowListBody> ReadStream(std::string_view body) {
  const auto buffer = std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(body.data()),
                                                      static_cast<int64_t>(body.size()));
  LB_ASSIGN_OR_RETURN(auto reader, arrow::ipc::RecordBatchStreamReader::Open(
                                       std::make_shared<arrow::io::BufferReader>(buffer)));
  LB_ASSIGN_OR_RETURN(const auto table, reader->ToTable());
  LB_RETURN_NOT_OK(table->ValidateFull());
  AllowListBody out;
  LB_ASSIGN_OR_RETURN(out.append, ReadAppend(*table->schema()));
  for (int i = 0; i < table->num_columns(); ++i) {
    NamedList list{table->field(i)->name(), nullptr};
    const auto& chunks = table->column(i)->chunks();
    // Whoever has no values to show may not know their type.
    if (table->num_rows() == 0 && table->field(i)->type()->id() == arrow::Type::NA) {
      LB_ASSIGN_OR_RETURN(list.values, arrow::MakeEmptyArray(arrow::int64()));
    } else if (chunks.empty()) {
      LB_ASSIGN_OR_RETURN(list.values, arrow::MakeEmptyArray(table->field(i)->type()));
    } else if (chunks.size() == 1) {
      list.values = chunks[0];
    } else {
      LB_ASSIGN_OR_RETURN(list.values, arrow::Concatenate(chunks));
    }
    out.lists.push_back(std::move(list));
  }
  if (out.lists.empty()) return InvalidArgument("put-allow-list: the Arrow stream has no column");
  return out;
}

}  // namespace

Result<AllowListBody> ReadAllowLists(std::string_view body) {
  // An IPC stream begins with a message's continuation mark, which no JSON does.
  if (!body.starts_with("\xff\xff\xff\xff")) return ReadJson(body);
  auto lists = ReadStream(body);
  if (lists.ok()) return lists;
  return InvalidArgument("put-allow-list: not a readable Arrow IPC stream: ",
                         lists.status().message().substr(0, 256));
}

Result<std::string> ReadAllowListName(std::string_view body) {
  LB_ASSIGN_OR_RETURN(auto document, JsonDocument::Parse(body, kMaxListBodyBytes, kWhat));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  std::string name;
  LB_RETURN_NOT_OK(object.Read("name", &name));
  if (name.empty()) return object.Invalid("expected \"name\" to be an allow-list's name");
  return name;
}

}  // namespace longbow::protocol
