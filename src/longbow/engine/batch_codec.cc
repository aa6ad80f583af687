#include "longbow/engine/batch_codec.h"

#include <arrow/array.h>
#include <arrow/array/validate.h>
#include <arrow/extension_type.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/message.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/compression.h>

#include <deque>

#include "longbow/engine/column_type.h"
#include "longbow/engine/ipc_message.h"
#include "longbow/engine/plain_column.h"

namespace longbow::engine {
namespace {

constexpr int kMaxRecursion = 4 * kMaxNesting;
constexpr int64_t kMaxBatchRows = int64_t{1} << 24;

arrow::ipc::IpcReadOptions ReadOptions() {
  auto options = arrow::ipc::IpcReadOptions::Defaults();
  options.use_threads = false;
  options.max_recursion_depth = kMaxRecursion;
  return options;
}

// Arrow's own words for a broken message (IOError, NotImplemented, ...) all mean the same to the client.
Status Undecodable(const Status& status, std::string_view what) {
  if (status.ok()) return status;
  if (CodeOf(status) == ErrorCode::kResourceExhausted) return status;
  return InvalidArgument("undecodable ", what, ": ", status.message());
}

// Messages handed to Arrow's stream reader, which keeps the dictionaries.
class MessageQueue final : public arrow::ipc::MessageReader {
 public:
  explicit MessageQueue(std::shared_ptr<std::deque<std::unique_ptr<arrow::ipc::Message>>> messages)
      : messages_(std::move(messages)) {}
  arrow::Result<std::unique_ptr<arrow::ipc::Message>> ReadNextMessage() override {
    if (messages_->empty()) return nullptr;
    auto next = std::move(messages_->front());
    messages_->pop_front();
    return next;
  }

 private:
  std::shared_ptr<std::deque<std::unique_ptr<arrow::ipc::Message>>> messages_;
};

bool IsVectorType(const arrow::DataType& type) {
  return type.id() == arrow::Type::FIXED_SIZE_LIST && NumberType(*type.field(0)->type()).has_value();
}

Status FillFrom(const BufferChain& body, std::shared_ptr<arrow::Buffer>* buffer) {
  const auto* unread = dynamic_cast<const PlaceholderBuffer*>(buffer->get());
  if (unread == nullptr) return Status::OK();
  return GatherBytes(body, unread->position(), unread->size()).Value(buffer);
}

// Replaces every placeholder below `data` by its bytes.
Status FillAll(const BufferChain& body, arrow::ArrayData* data) {
  for (auto& buffer : data->buffers) LB_RETURN_NOT_OK(FillFrom(body, &buffer));
  for (auto& child : data->child_data) {
    child = child->Copy();
    LB_RETURN_NOT_OK(FillAll(body, child.get()));
  }
  return Status::OK();
}

// Checks a validity bitmap against its length and takes its null count from the bits, not from the message.
Status CheckValidity(arrow::ArrayData* data, std::string_view column) {
  auto& bitmap = data->buffers[0];
  if (bitmap == nullptr) {
    if (data->null_count > 0)
      return InvalidArgument("column '", column, "': nulls without a validity bitmap");
    data->null_count = 0;
    return Status::OK();
  }
  if (bitmap->size() < arrow::bit_util::BytesForBits(data->length)) {
    return InvalidArgument("column '", column, "': validity bitmap shorter than the column");
  }
  data->null_count = data->length - arrow::internal::CountSetBits(bitmap->data(), 0, data->length);
  return Status::OK();
}

// What ValidateFull would check of a vector column, without its values.
Status CheckVectors(arrow::ArrayData* data, int64_t rows, std::string_view column) {
  const auto& type = static_cast<const arrow::FixedSizeListType&>(*data->type);
  if (data->offset != 0 || data->length != rows || data->buffers.empty() || data->child_data.size() != 1) {
    return InvalidArgument("column '", column, "': malformed vectors");
  }
  arrow::ArrayData* child = data->child_data[0].get();
  int64_t scalars = 0, bytes = 0;
  if (type.list_size() < 0 || __builtin_mul_overflow(rows, int64_t{type.list_size()}, &scalars) ||
      __builtin_mul_overflow(scalars, int64_t{type.value_type()->byte_width()}, &bytes)) {
    return InvalidArgument("column '", column, "': impossible size");
  }
  if (child->offset != 0 || child->length < scalars || child->buffers.size() != 2) {
    return InvalidArgument("column '", column, "': expected ", scalars, " numbers, given ", child->length);
  }
  const int64_t have = child->buffers[1] == nullptr ? 0 : child->buffers[1]->size();
  if (have < bytes) {
    return InvalidArgument("column '", column, "': ", rows, " vectors take ", bytes,
                           " bytes, the message has ", have);
  }
  child->length = scalars;  // some writers send numbers that no row refers to
  LB_RETURN_NOT_OK(CheckValidity(data, column));
  return CheckValidity(child, column);
}

LazyVectors VectorsOf(const arrow::ArrayData& data, const BufferChain& body) {
  const auto& type = static_cast<const arrow::FixedSizeListType&>(*data.type);
  LazyVectors out;
  out.row_bytes = int64_t{type.list_size()} * type.value_type()->byte_width();
  const auto& values = data.child_data[0]->buffers[1];
  if (const auto* unread = dynamic_cast<const PlaceholderBuffer*>(values.get())) {
    out.body = body;
    out.offset = unread->position();
  } else if (values != nullptr) {
    out.body = BufferChain(values);
  }
  return out;
}

}  // namespace

struct BatchDecoder::State {
  std::shared_ptr<arrow::Schema> schema, stored;
  arrow::ipc::DictionaryMemo memo;
  // The last plain batch, with placeholders for its bytes: often the next one is laid out alike.
  std::shared_ptr<arrow::RecordBatch> laid_out;
  std::shared_ptr<arrow::Buffer> laid_out_metadata;
  int64_t laid_out_body_bytes = 0;
  bool has_dictionaries = false;
  int64_t dictionary_bytes = 0;
  std::shared_ptr<std::deque<std::unique_ptr<arrow::ipc::Message>>> queue;
  std::shared_ptr<arrow::ipc::RecordBatchStreamReader> reader;  // only with dictionaries

  bool LaidOutAlike(const IpcMessage& message) const;
  Status ReadSchemaMessage(const IpcMessage& message, std::unique_ptr<arrow::ipc::Message> parsed);
  Result<std::unique_ptr<arrow::ipc::Message>> Joined(const IpcMessage& message);
  Status ReadDictionary(const IpcMessage& message);
  Result<std::shared_ptr<arrow::RecordBatch>> ReadPlain(const IpcMessage& message);
  Status FinishColumns(const arrow::RecordBatch& read, const BufferChain* body, IncomingBatch* out);
  Result<std::shared_ptr<arrow::ArrayData>> FinishColumn(std::shared_ptr<arrow::ArrayData> data, int column,
                                                         const BufferChain* body, int64_t rows);
};

BatchDecoder::BatchDecoder() : state_(std::make_unique<State>()) {}
BatchDecoder::~BatchDecoder() = default;
const std::shared_ptr<arrow::Schema>& BatchDecoder::schema() const { return state_->schema; }

Result<bool> BatchDecoder::Next(const IpcMessage& message, IncomingBatch* batch) {
  if (message.metadata == nullptr || message.metadata->size() == 0) {
    return InvalidArgument("undecodable message: no IPC metadata");
  }
  if (state_->LaidOutAlike(message)) {
    LB_RETURN_NOT_OK(state_->FinishColumns(*state_->laid_out, &message.body, batch));
    return false;
  }
  IpcMessage aligned = message;
  if (reinterpret_cast<uintptr_t>(message.metadata->data()) % 8 != 0) {
    LB_ASSIGN_OR_RETURN(aligned.metadata,
                        GatherBytes(BufferChain(message.metadata), 0, message.metadata->size()));
  }
  auto parsed = arrow::ipc::Message::Open(aligned.metadata, std::make_shared<arrow::Buffer>(nullptr, 0));
  if (!parsed.ok()) return Undecodable(parsed.status(), "message");
  switch ((*parsed)->type()) {
    case arrow::ipc::MessageType::SCHEMA:
      LB_RETURN_NOT_OK(state_->ReadSchemaMessage(aligned, std::move(*parsed)));
      return true;
    case arrow::ipc::MessageType::DICTIONARY_BATCH:
      LB_RETURN_NOT_OK(state_->ReadDictionary(aligned));
      return true;
    case arrow::ipc::MessageType::RECORD_BATCH:
      break;
    default:
      return InvalidArgument("undecodable message: expected a schema, a dictionary or a record batch");
  }
  if (state_->schema == nullptr)
    return InvalidArgument("undecodable message: a record batch before the schema");
  LB_ASSIGN_OR_RETURN(const BodyLayout layout, ReadBodyLayout(*aligned.metadata, aligned.body));
  if (layout.decompressed_bytes > kMaxDecompressed) {
    return InvalidArgument("a batch of ", layout.decompressed_bytes, " bytes once decompressed; at most ",
                           kMaxDecompressed, " are allowed");
  }
  if (layout.compressed || state_->has_dictionaries) {
    LB_ASSIGN_OR_RETURN(auto read, state_->ReadPlain(aligned));
    LB_RETURN_NOT_OK(state_->FinishColumns(*read, nullptr, batch));
    return false;
  }
  UnreadBody unread(aligned.body.size());
  auto read =
      arrow::ipc::ReadRecordBatch(*aligned.metadata, state_->schema, &state_->memo, ReadOptions(), &unread);
  if (!read.ok()) return Undecodable(read.status(), "record batch");
  LB_RETURN_NOT_OK(state_->FinishColumns(**read, &aligned.body, batch));
  state_->laid_out = std::move(*read);
  state_->laid_out_metadata = std::move(aligned.metadata);
  state_->laid_out_body_bytes = aligned.body.size();
  return false;
}

// Arrow would read the same from the same bytes.
bool BatchDecoder::State::LaidOutAlike(const IpcMessage& message) const {
  return laid_out != nullptr && laid_out_body_bytes == message.body.size() &&
         laid_out_metadata->Equals(*message.metadata);
}

Status BatchDecoder::State::ReadSchemaMessage(const IpcMessage& message,
                                              std::unique_ptr<arrow::ipc::Message> parsed) {
  if (schema != nullptr) return InvalidArgument("undecodable message: a second schema in one stream");
  auto read = arrow::ipc::ReadSchema(*parsed, &memo);
  if (!read.ok()) return Undecodable(read.status(), "schema");
  if (!(*read)->is_native_endian())
    return InvalidArgument("big-endian data are not supported; send little-endian");
  LB_ASSIGN_OR_RETURN(stored, StoredSchema(**read));
  for (const auto& field : (*read)->fields()) {
    has_dictionaries = has_dictionaries || HasDictionary(*field->type());
  }
  if (has_dictionaries) {
    queue = std::make_shared<std::deque<std::unique_ptr<arrow::ipc::Message>>>();
    queue->push_back(std::move(parsed));
    auto opened =
        arrow::ipc::RecordBatchStreamReader::Open(std::make_unique<MessageQueue>(queue), ReadOptions());
    if (!opened.ok()) return Undecodable(opened.status(), "schema");
    reader = std::move(*opened);
  }
  schema = std::move(*read);
  return Status::OK();
}

Result<std::unique_ptr<arrow::ipc::Message>> BatchDecoder::State::Joined(const IpcMessage& message) {
  LB_ASSIGN_OR_RETURN(auto body, GatherBytes(message.body, 0, message.body.size()));
  auto parsed = arrow::ipc::Message::Open(message.metadata, std::move(body));
  if (!parsed.ok()) return Undecodable(parsed.status(), "message");
  return std::move(*parsed);
}

Status BatchDecoder::State::ReadDictionary(const IpcMessage& message) {
  if (!has_dictionaries)
    return InvalidArgument("undecodable message: a dictionary that the schema does not have");
  LB_ASSIGN_OR_RETURN(const BodyLayout layout, ReadBodyLayout(*message.metadata, message.body));
  dictionary_bytes += message.body.size() + std::min(layout.decompressed_bytes, kMaxDecompressed + 1);
  if (dictionary_bytes > kMaxDecompressed) {
    return InvalidArgument("the dictionaries of this stream take more than ", kMaxDecompressed,
                           " bytes; send plain columns");
  }
  LB_ASSIGN_OR_RETURN(auto parsed, Joined(message));
  queue->push_back(std::move(parsed));
  return Status::OK();
}

Result<std::shared_ptr<arrow::RecordBatch>> BatchDecoder::State::ReadPlain(const IpcMessage& message) {
  LB_ASSIGN_OR_RETURN(auto parsed, Joined(message));
  if (!has_dictionaries) {
    auto read = arrow::ipc::ReadRecordBatch(*parsed, schema, &memo, ReadOptions());
    if (!read.ok()) return Undecodable(read.status(), "record batch");
    return std::move(*read);
  }
  queue->push_back(std::move(parsed));
  std::shared_ptr<arrow::RecordBatch> read;
  LB_RETURN_NOT_OK(Undecodable(reader->ReadNext(&read), "record batch"));
  if (read == nullptr) return InvalidArgument("undecodable record batch: a dictionary is missing");
  return read;
}

Result<std::shared_ptr<arrow::ArrayData>> BatchDecoder::State::FinishColumn(
    std::shared_ptr<arrow::ArrayData> data, int column, const BufferChain* body, int64_t rows) {
  const auto& field = *stored->field(column);
  if (data == nullptr || data->length != rows) {
    return InvalidArgument("column '", field.name(), "': expected ", rows, " rows, given ",
                           data == nullptr ? 0 : data->length);
  }
  data = data->Copy();
  if (data->type->id() == arrow::Type::EXTENSION) {
    data->type = static_cast<const arrow::ExtensionType&>(*data->type).storage_type();
  }
  const bool is_vector = IsVectorType(*data->type);
  if (is_vector && data->child_data.size() == 1) {
    data->child_data[0] = data->child_data[0]->Copy();
    if (body != nullptr) {
      for (auto* validity : {&data->buffers[0], &data->child_data[0]->buffers[0]}) {
        LB_RETURN_NOT_OK(FillFrom(*body, validity));
      }
    }
  } else {
    if (body != nullptr) LB_RETURN_NOT_OK(FillAll(*body, data.get()));
    LB_RETURN_NOT_OK(Undecodable(arrow::internal::ValidateArrayFull(*data), "column '" + field.name() + "'"));
    LB_ASSIGN_OR_RETURN(auto plain, PlainColumn(data, field.type(), kMaxDecompressed));
    if (body == nullptr && plain == data) {
      LB_ASSIGN_OR_RETURN(plain, OwnBuffers(*plain));
    }
    data = plain == data ? data : plain->Copy();
  }
  if (IsVectorType(*field.type())) LB_RETURN_NOT_OK(CheckVectors(data.get(), rows, field.name()));
  return data;
}

// `body` null: the columns are already in memory.
Status BatchDecoder::State::FinishColumns(const arrow::RecordBatch& read, const BufferChain* body,
                                          IncomingBatch* out) {
  const int64_t rows = read.num_rows();
  if (rows < 0 || rows > kMaxBatchRows) {
    return InvalidArgument("a batch of ", rows, " rows; at most ", kMaxBatchRows, " are allowed");
  }
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  out->vectors.assign(static_cast<size_t>(read.num_columns()), LazyVectors{});
  for (int i = 0; i < read.num_columns(); ++i) {
    LB_ASSIGN_OR_RETURN(auto data, FinishColumn(read.column_data(i), i, body, rows));
    if (IsVectorType(*stored->field(i)->type())) {
      out->vectors[static_cast<size_t>(i)] = VectorsOf(*data, body == nullptr ? BufferChain() : *body);
    }
    columns.push_back(std::move(data));
  }
  out->batch = arrow::RecordBatch::Make(stored, rows, std::move(columns));
  return Status::OK();
}

Status GatherVectors(IncomingBatch* incoming) {
  auto columns = incoming->batch->column_data();
  for (size_t i = 0; i < columns.size(); ++i) {
    LazyVectors& lazy = incoming->vectors[i];
    if (lazy.row_bytes == 0) continue;
    columns[i] = columns[i]->Copy();
    LB_RETURN_NOT_OK(FillAll(lazy.body, columns[i].get()));
    lazy = {};
  }
  incoming->batch =
      arrow::RecordBatch::Make(incoming->batch->schema(), incoming->batch->num_rows(), std::move(columns));
  return Status::OK();
}

namespace {

IpcMessage FromPayload(const arrow::ipc::IpcPayload& payload) {
  static constexpr uint8_t kZeros[64] = {};
  IpcMessage out;
  out.metadata = payload.metadata;
  for (const auto& buffer : payload.body_buffers) {
    if (buffer == nullptr || buffer->size() == 0) continue;
    out.body.Append(buffer);
    const int64_t padding = -buffer->size() & 7;
    if (padding > 0) out.body.Append(std::make_shared<arrow::Buffer>(kZeros, padding));
  }
  while (out.body.size() < payload.body_length) {
    out.body.Append(std::make_shared<arrow::Buffer>(
        kZeros, std::min<int64_t>(payload.body_length - out.body.size(), 64)));
  }
  return out;
}

}  // namespace

Result<IpcMessage> EncodeSchema(const arrow::Schema& schema) {
  arrow::ipc::IpcPayload payload;
  LB_RETURN_NOT_OK(arrow::ipc::GetSchemaPayload(schema, arrow::ipc::IpcWriteOptions::Defaults(),
                                                arrow::ipc::DictionaryFieldMapper(schema), &payload));
  return FromPayload(payload);
}

Result<IpcMessage> EncodeBatch(const arrow::RecordBatch& batch, BodyCompression compression) {
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.use_threads = false;
  if (compression != BodyCompression::kNone) {
    const auto codec =
        compression == BodyCompression::kLz4 ? arrow::Compression::LZ4_FRAME : arrow::Compression::ZSTD;
    LB_ASSIGN_OR_RETURN(options.codec, arrow::util::Codec::Create(codec));
  }
  arrow::ipc::IpcPayload payload;
  LB_RETURN_NOT_OK(arrow::ipc::GetRecordBatchPayload(batch, options, &payload));
  return FromPayload(payload);
}

}  // namespace longbow::engine
