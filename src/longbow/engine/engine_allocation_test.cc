// No allocation for a batch grows with the batch: the largest of a 100 MB ingest stays under 10 MB.
#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <future>

#include "longbow/engine/engine_for_test.h"

namespace {

std::atomic<bool> watching{false};
std::atomic<size_t> largest{0};

void Note(size_t bytes) {
  if (!watching.load(std::memory_order_relaxed)) return;
  size_t seen = largest.load();
  while (bytes > seen && !largest.compare_exchange_weak(seen, bytes)) {
  }
}

// Arrow's pool is told to use the C library's, so that everything comes by here.
const int kPoolChosen = setenv("ARROW_DEFAULT_MEMORY_POOL", "system", 1);

}  // namespace

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t bytes) {
  Note(bytes);
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  Note(count * bytes);
  return __libc_calloc(count, bytes);
}
void* realloc(void* block, size_t bytes) {
  Note(bytes);
  return __libc_realloc(block, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  Note(bytes);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, size_t alignment, size_t bytes) {
  Note(bytes);
  *out = __libc_memalign(alignment, bytes);
  return *out == nullptr ? ENOMEM : 0;
}
}

namespace longbow::engine {
namespace {

constexpr int kDim = 3072;
constexpr int64_t kRows = 8192;  // 100 MB
constexpr int64_t kPieceBytes = 64 << 10;

TEST(EngineAllocation, NothingLargeForALargeBatchOfWideVectors) {
  ASSERT_EQ(kPoolChosen, 0);
  EngineForTest engine;
  const auto schema = arrow::schema({arrow::field("id", arrow::int64()),
                                     arrow::field("vector", arrow::fixed_size_list(arrow::float32(), kDim))});
  auto ids = arrow::AllocateBuffer(kRows * 8).ValueOrDie();
  for (int64_t i = 0; i < kRows; ++i) reinterpret_cast<int64_t*>(ids->mutable_data())[i] = i;
  auto numbers = arrow::AllocateBuffer(kRows * kDim * 4).ValueOrDie();
  for (int64_t i = 0; i < kRows * kDim; ++i) {
    reinterpret_cast<float*>(numbers->mutable_data())[i] = static_cast<float>(i % 1000);
  }
  auto child = arrow::ArrayData::Make(arrow::float32(), kRows * kDim,
                                      {nullptr, std::shared_ptr<arrow::Buffer>(std::move(numbers))}, 0);
  const auto batch = arrow::RecordBatch::Make(
      schema, kRows,
      std::vector<std::shared_ptr<arrow::ArrayData>>{
          arrow::ArrayData::Make(arrow::int64(), kRows,
                                 {nullptr, std::shared_ptr<arrow::Buffer>(std::move(ids))}, 0),
          arrow::ArrayData::Make(schema->field(1)->type(), kRows, {nullptr}, {child}, 0)});
  const auto schema_message = *EncodeSchema(*schema);
  const auto whole = *EncodeBatch(*batch);
  IpcMessage message{whole.metadata, {}};
  for (int64_t at = 0; at < whole.body.size(); at += kPieceBytes) {
    const auto part = *whole.body.Slice(at, std::min(kPieceBytes, whole.body.size() - at));
    message.body.Append(*part.Join());
  }
  ASSERT_GT(message.body.size(), 100'000'000);

  largest = 0;
  watching = true;
  BatchDecoder decoder;
  IncomingBatch incoming;
  ASSERT_TRUE(decoder.Next(schema_message, &incoming).ok());
  ASSERT_TRUE(decoder.Next(message, &incoming).ok());
  const auto writer = *engine->OpenWriter("d", *schema);
  std::promise<Result<WriteAck>> promise;
  writer->Write(std::move(incoming), message, {}, {},
                [&](Result<WriteAck> ack) { promise.set_value(std::move(ack)); });
  const auto ack = promise.get_future().get();
  watching = false;

  ASSERT_TRUE(ack.ok()) << ack.status().ToString();
  EXPECT_EQ((*engine->Pin("d"))->live_rows(), kRows);
  std::cout << "largest allocation: " << largest.load() << " bytes\n";
  EXPECT_GT(largest.load(), 0u);
  EXPECT_LT(largest.load(), 10'000'000u);
}

}  // namespace
}  // namespace longbow::engine
