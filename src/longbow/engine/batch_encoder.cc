#include "longbow/engine/batch_encoder.h"

#include <arrow/array/data.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

namespace longbow::engine {
namespace {

// The columns' values one after the other, each up to the next multiple of 8 bytes.
BufferChain BodyOf(const arrow::RecordBatch& batch) {
  static constexpr uint8_t kZeros[8] = {};
  static const auto kPadding = std::make_shared<arrow::Buffer>(kZeros, 8);
  BufferChain body;
  for (int i = 0; i < batch.num_columns(); ++i) {
    const auto& values = batch.column_data(i)->buffers[1];
    if (values->size() == 0) continue;
    body.Append(values);
    const int64_t padding = -values->size() & 7;
    if (padding > 0) body.Append(arrow::SliceBuffer(kPadding, 0, padding));
  }
  return body;
}

bool SameBytes(const BufferChain& a, const BufferChain& b) {
  if (a.size() != b.size() || a.pieces().size() != b.pieces().size()) return false;
  for (size_t i = 0; i < a.pieces().size(); ++i) {
    if (!a.pieces()[i]->Equals(*b.pieces()[i])) return false;
  }
  return true;
}

}  // namespace

bool BatchEncoder::ReadLayout(const arrow::RecordBatch& batch, Layout* layout) {
  if (batch.num_columns() > static_cast<int>(kMaxColumns)) return false;
  layout->fill(-1);
  (*layout)[0] = batch.num_rows();
  for (int i = 0; i < batch.num_columns(); ++i) {
    const arrow::ArrayData& column = *batch.column_data(i);
    const bool plain = arrow::is_primitive(column.type->id()) && column.type->id() != arrow::Type::BOOL;
    if (!plain || column.offset != 0 || column.buffers[0] != nullptr || column.buffers[1] == nullptr)
      return false;
    (*layout)[static_cast<size_t>(i) + 1] = column.buffers[1]->size();
  }
  return true;
}

Result<IpcMessage> BatchEncoder::Encode(const arrow::RecordBatch& batch) {
  Layout layout;
  if (!ReadLayout(batch, &layout)) return EncodeBatch(batch);
  IpcMessage message;
  message.body = BodyOf(batch);
  {
    std::lock_guard lock(mutex_);
    if (layout == layout_) message.metadata = metadata_;
  }
  if (message.metadata != nullptr) return message;
  LB_ASSIGN_OR_RETURN(IpcMessage encoded, EncodeBatch(batch));
  if (SameBytes(encoded.body, message.body)) {
    std::lock_guard lock(mutex_);
    layout_ = layout;
    metadata_ = encoded.metadata;
  }
  return encoded;
}

}  // namespace longbow::engine
