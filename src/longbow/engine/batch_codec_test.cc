#include "longbow/engine/batch_codec.h"

#include <arrow/array.h>
#include <arrow/array/array_run_end.h>
#include <arrow/builder.h>
#include <arrow/extension/bool8.h>
#include <arrow/extension/fixed_shape_tensor.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/message.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/json/from_string.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "longbow/base/random.h"
#include "longbow/engine/engine_for_test.h"
#include "longbow/engine/vector_runs.h"

namespace longbow::engine {
namespace {

using ::testing::HasSubstr;

const auto kVectors = arrow::fixed_size_list(arrow::float32(), 3);

std::shared_ptr<arrow::RecordBatch> Sample() {
  return BatchOf({{arrow::field("id", arrow::int64()), "[1, 2, 3]"},
                  {arrow::field("text", arrow::utf8()), R"(["a", null, "long enough to matter"])"},
                  {arrow::field("vector", kVectors), "[[1, 2, 3], null, [7, 8, 9]]"},
                  {arrow::field("tags", arrow::list(arrow::utf8())), R"([["x", "y"], [], null])"},
                  {arrow::field("flag", arrow::boolean()), "[true, null, false]"},
                  {arrow::field("nothing", arrow::null()), "[null, null, null]"}});
}

// The messages of a stream as Arrow's own writer makes them, bodies cut into pieces.
std::vector<IpcMessage> StreamOf(const arrow::RecordBatchVector& batches, arrow::ipc::IpcWriteOptions options,
                                 int64_t piece_bytes = 7) {
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  auto writer = arrow::ipc::MakeStreamWriter(sink, batches[0]->schema(), options).ValueOrDie();
  for (const auto& batch : batches) EXPECT_TRUE(writer->WriteRecordBatch(*batch).ok());
  EXPECT_TRUE(writer->Close().ok());
  arrow::io::BufferReader source(sink->Finish().ValueOrDie());
  auto reader = arrow::ipc::MessageReader::Open(&source);
  std::vector<IpcMessage> out;
  while (auto message = reader->ReadNextMessage().ValueOrDie()) {
    IpcMessage cut{message->metadata(), {}};
    const auto body = message->body();
    for (int64_t at = 0; body != nullptr && at < body->size(); at += piece_bytes) {
      cut.body.Append(arrow::SliceBuffer(body, at, std::min(piece_bytes, body->size() - at)));
    }
    out.push_back(std::move(cut));
  }
  return out;
}

Result<std::vector<IncomingBatch>> DecodeAll(const std::vector<IpcMessage>& messages) {
  BatchDecoder decoder;
  std::vector<IncomingBatch> out;
  for (const auto& message : messages) {
    IncomingBatch batch;
    LB_ASSIGN_OR_RETURN(const bool no_batch, decoder.Next(message, &batch));
    if (!no_batch) out.push_back(std::move(batch));
  }
  return out;
}

// The batch with the values of its lazy columns brought together.
std::shared_ptr<arrow::RecordBatch> Whole(const IncomingBatch& incoming) {
  std::vector<std::shared_ptr<arrow::ArrayData>> columns;
  for (int i = 0; i < incoming.batch->num_columns(); ++i) {
    auto data = incoming.batch->column_data(i)->Copy();
    const LazyVectors& lazy = incoming.vectors[static_cast<size_t>(i)];
    if (lazy.row_bytes > 0) {
      auto values = arrow::AllocateBuffer(lazy.row_bytes * data->length).ValueOrDie();
      EXPECT_TRUE(lazy.body.CopyTo(lazy.offset, values->size(), values->mutable_data()).ok());
      data->child_data[0] = data->child_data[0]->Copy();
      data->child_data[0]->buffers[1] = std::move(values);
    }
    columns.push_back(std::move(data));
  }
  auto out =
      arrow::RecordBatch::Make(incoming.batch->schema(), incoming.batch->num_rows(), std::move(columns));
  EXPECT_TRUE(out->ValidateFull().ok());
  return out;
}

TEST(BatchCodec, ReadsBackWhatItWroteWhateverThePieces) {
  const auto sample = Sample();
  for (const int64_t piece : {1, 3, 7, 64, 1000, 1 << 20}) {
    const auto delivered = Deliver(*sample, piece);
    ASSERT_TRUE(delivered.ok()) << delivered.status().ToString();
    EXPECT_TRUE(Whole(delivered->batch)->Equals(*sample)) << "pieces of " << piece;
  }
}

TEST(BatchCodec, BatchesLaidOutAlikeKeepTheirOwnValues) {
  const auto one = [](const std::string& id, const std::string& text, const std::string& vector) {
    return BatchOf({{arrow::field("id", arrow::int64()), "[" + id + "]"},
                    {arrow::field("text", arrow::utf8()), "[" + text + "]"},
                    {arrow::field("vector", kVectors), "[" + vector + "]"}});
  };
  // The third has the same number of bytes and another layout, the last the layout of the second.
  const arrow::RecordBatchVector batches = {
      one("1", "\"abc\"", "[1, 2, 3]"), one("2", "\"xyz\"", "[4, 5, 6]"), one("3", "null", "null"),
      one("null", "\"pq\"", "[7, 8, 9]"), one("5", "\"uvw\"", "[0, 0, 1]")};
  for (const int64_t piece : {5, 1 << 20}) {
    const auto decoded = DecodeAll(StreamOf(batches, arrow::ipc::IpcWriteOptions::Defaults(), piece));
    ASSERT_TRUE(decoded.ok()) << decoded.status().ToString();
    ASSERT_EQ(decoded->size(), batches.size());
    for (size_t i = 0; i < batches.size(); ++i) EXPECT_TRUE(Whole((*decoded)[i])->Equals(*batches[i])) << i;
  }
}

TEST(BatchCodec, VectorsStayInTheMessage) {
  const auto delivered = *Deliver(*Sample(), 64);
  const LazyVectors& lazy = delivered.batch.vectors[2];
  EXPECT_EQ(lazy.row_bytes, 12);
  EXPECT_EQ(lazy.body.pieces()[0]->data(), delivered.message.body.pieces()[0]->data());
  EXPECT_EQ(delivered.batch.vectors[0].row_bytes, 0);
}

TEST(BatchCodec, ReadsSlicesAndEmptyBatches) {
  const auto sample = Sample();
  for (const auto& batch : {sample->Slice(1, 2), sample->Slice(3), sample->Slice(0, 0)}) {
    const auto read = DecodeAll(StreamOf({batch}, arrow::ipc::IpcWriteOptions::Defaults()));
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE(Whole((*read)[0])->Equals(*batch));
  }
}

TEST(BatchCodec, DecompressesWithinBounds) {
  const auto sample = Sample();
  for (const auto codec : {arrow::Compression::LZ4_FRAME, arrow::Compression::ZSTD}) {
    auto options = arrow::ipc::IpcWriteOptions::Defaults();
    options.codec = arrow::util::Codec::Create(codec).ValueOrDie();
    const auto read = DecodeAll(StreamOf({sample}, options));
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE(Whole((*read)[0])->Equals(*sample));
  }
  // 600 MB of zeros take a few kilobytes on the wire.
  auto zeros = arrow::MakeArrayFromScalar(*arrow::MakeScalar(int64_t{0}), 1 << 16).ValueOrDie();
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.codec = arrow::util::Codec::Create(arrow::Compression::ZSTD).ValueOrDie();
  auto stream = StreamOf({arrow::RecordBatch::Make(arrow::schema({arrow::field("x", arrow::int64())}),
                                                   zeros->length(), {zeros})},
                         options, 1 << 20);
  const auto honest = stream[1].body.Join().ValueOrDie();
  auto lying = arrow::AllocateBuffer(honest->size()).ValueOrDie();
  std::memcpy(lying->mutable_data(), honest->data(), static_cast<size_t>(honest->size()));
  const int64_t claimed = int64_t{600} << 20;
  std::memcpy(lying->mutable_data(), &claimed, sizeof(claimed));
  stream[1].body = BufferChain(std::shared_ptr<arrow::Buffer>(std::move(lying)));
  const auto refused = DecodeAll(stream);
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("once decompressed"));
}

TEST(BatchCodec, DictionariesAndViewsComeOutPlain) {
  const auto dictionary = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto indices = arrow::json::ArrayFromJSONString(arrow::int8(), "[1, 0, null]").ValueOrDie();
  const auto values = arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["zero", "one"])").ValueOrDie();
  const auto encoded = arrow::DictionaryArray::FromArrays(dictionary, indices, values).ValueOrDie();
  const auto views =
      arrow::json::ArrayFromJSONString(arrow::utf8_view(), R"(["short", null, "longer than twelve bytes"])")
          .ValueOrDie();
  const auto vectors =
      arrow::json::ArrayFromJSONString(kVectors, "[[1, 2, 3], [4, 5, 6], [7, 8, 9]]").ValueOrDie();
  const auto schema = arrow::schema({arrow::field("d", dictionary), arrow::field("v", arrow::utf8_view()),
                                     arrow::field("vector", kVectors)});
  const auto batch = arrow::RecordBatch::Make(schema, 3, {encoded, views, vectors});
  const auto read = DecodeAll(StreamOf({batch, batch}, arrow::ipc::IpcWriteOptions::Defaults()));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  ASSERT_EQ(read->size(), 2u);
  const auto expected =
      BatchOf({{arrow::field("d", arrow::utf8()), R"(["one", "zero", null])"},
               {arrow::field("v", arrow::utf8()), R"(["short", null, "longer than twelve bytes"])"},
               {arrow::field("vector", kVectors), "[[1, 2, 3], [4, 5, 6], [7, 8, 9]]"}});
  EXPECT_TRUE(Whole((*read)[0])->Equals(*expected, false)) << Whole((*read)[0])->ToString();
  EXPECT_TRUE(Whole((*read)[1])->Equals(*expected, false));
}

std::shared_ptr<arrow::Array> Runs(const std::string& ends, const std::shared_ptr<arrow::DataType>& end_type,
                                   const std::string& values, const std::shared_ptr<arrow::DataType>& type,
                                   int64_t length) {
  return arrow::RunEndEncodedArray::Make(length,
                                         arrow::json::ArrayFromJSONString(end_type, ends).ValueOrDie(),
                                         arrow::json::ArrayFromJSONString(type, values).ValueOrDie())
      .ValueOrDie();
}

TEST(BatchCodec, RunsComeOutPlain) {
  const auto texts = Runs("[2, 3, 5]", arrow::int16(), R"(["a", null, "b"])", arrow::utf8(), 5);
  const auto flags = Runs("[1, 5]", arrow::int64(), "[true, false]", arrow::boolean(), 5);
  const auto schema = arrow::schema({arrow::field("t", texts->type()), arrow::field("f", flags->type())});
  const auto batch = arrow::RecordBatch::Make(schema, 5, {texts, flags});
  const auto expected =
      BatchOf({{arrow::field("t", arrow::utf8()), R"(["a", "a", null, "b", "b"])"},
               {arrow::field("f", arrow::boolean()), "[true, false, false, false, false]"}});
  auto compressed = arrow::ipc::IpcWriteOptions::Defaults();
  compressed.codec = arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME).ValueOrDie();
  for (const auto& options : {arrow::ipc::IpcWriteOptions::Defaults(), compressed}) {
    const auto read = DecodeAll(StreamOf({batch, batch->Slice(1, 3), batch->Slice(5)}, options));
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_TRUE(Whole((*read)[0])->Equals(*expected, false)) << Whole((*read)[0])->ToString();
    EXPECT_TRUE(Whole((*read)[1])->Equals(*expected->Slice(1, 3), false)) << Whole((*read)[1])->ToString();
    EXPECT_EQ(Whole((*read)[2])->num_rows(), 0);
  }
}

TEST(BatchCodec, AShortMessageCannotStandForEndlessRuns) {
  const auto refusal = [](const std::shared_ptr<arrow::Array>& runs) {
    const auto batch =
        arrow::RecordBatch::Make(arrow::schema({arrow::field("r", runs->type())}), runs->length(), {runs});
    auto options = arrow::ipc::IpcWriteOptions::Defaults();
    options.allow_64bit = true;
    return std::string(DecodeAll(StreamOf({batch}, options, 1 << 20)).status().message());
  };
  EXPECT_THAT(refusal(Runs("[16000000]", arrow::int32(), '[' + ('"' + std::string(100, 'x') + '"') + ']',
                           arrow::utf8(), 16'000'000)),
              HasSubstr("once decoded"));
  // A list of one row whose items are 2^62 nulls.
  const auto runs = Runs("[4611686018427387904]", arrow::int64(), "[null]", arrow::int8(), int64_t{1} << 62);
  const auto offsets =
      arrow::json::ArrayFromJSONString(arrow::int64(), "[0, 4611686018427387904]").ValueOrDie();
  EXPECT_THAT(refusal(arrow::LargeListArray::FromArrays(*offsets, *runs).ValueOrDie()),
              HasSubstr("once decoded"));
}

TEST(BatchCodec, ExtensionsComeOutAsTheirStorage) {
  const auto tensor = arrow::extension::fixed_shape_tensor(arrow::float32(), {3});
  const auto items = arrow::list(arrow::field("item", arrow::extension::bool8()));
  const auto words = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto wrap = [](const std::shared_ptr<arrow::DataType>& type, std::shared_ptr<arrow::ArrayData> data) {
    data = data->Copy();
    data->type = type;
    return arrow::MakeArray(data);
  };
  const auto vectors = arrow::json::ArrayFromJSONString(kVectors, "[[1, 2, 3], null]").ValueOrDie();
  const auto lists =
      arrow::json::ArrayFromJSONString(arrow::list(arrow::int8()), "[[1, 0], null]").ValueOrDie();
  const auto flags = wrap(arrow::extension::bool8(), lists->data()->child_data[0]);
  const auto offsets = arrow::json::ArrayFromJSONString(arrow::int32(), "[0, 2, 2]").ValueOrDie();
  const auto nested = arrow::ListArray::FromArrays(items, *offsets, *flags).ValueOrDie();
  const auto batch =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("v", tensor), arrow::field("l", items)}), 2,
                               {wrap(tensor, vectors->data()), nested});
  const auto read = DecodeAll(StreamOf({batch}, arrow::ipc::IpcWriteOptions::Defaults()));
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ((*read)[0].vectors[0].row_bytes, 12) << "vectors stay in the message";
  const auto whole = Whole((*read)[0]);
  EXPECT_TRUE(whole->column(0)->Equals(vectors)) << whole->ToString();
  EXPECT_EQ(whole->column(1)->type()->ToString(), "list<item: int8>");
  const auto with_words = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("v", tensor), arrow::field("d", words)}), 2,
      {wrap(tensor, vectors->data()),
       arrow::DictionaryArray::FromArrays(
           words, arrow::json::ArrayFromJSONString(arrow::int8(), "[0, 0]").ValueOrDie(),
           arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["w"])").ValueOrDie())
           .ValueOrDie()});
  const auto plain = DecodeAll(StreamOf({with_words}, arrow::ipc::IpcWriteOptions::Defaults()));
  ASSERT_TRUE(plain.ok()) << plain.status().ToString();
  EXPECT_TRUE(Whole((*plain)[0])->column(0)->Equals(vectors));
}

TEST(BatchCodec, AShortMessageCannotStandForEndlessText) {
  // 64 views of the same 16 MiB: a gigabyte once plain.
  auto big = std::string(size_t{16} << 20, 'x');
  arrow::StringViewBuilder builder;
  builder.SetBlockSize(32 << 20);
  ASSERT_TRUE(builder.Append(big).ok());
  const auto one = builder.Finish().ValueOrDie();
  auto data = one->data()->Copy();
  auto views = arrow::AllocateBuffer(64 * 16).ValueOrDie();
  for (int i = 0; i < 64; ++i)
    std::memcpy(views->mutable_data() + i * 16, one->data()->buffers[1]->data(), 16);
  data->buffers[1] = std::move(views);
  data->length = 64;
  const auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("v", arrow::utf8_view())}), 64,
                                              std::vector<std::shared_ptr<arrow::ArrayData>>{data});
  const auto refused = DecodeAll(StreamOf({batch}, arrow::ipc::IpcWriteOptions::Defaults(), 1 << 20));
  EXPECT_EQ(CodeOf(refused.status()), ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.status().message(), HasSubstr("once decoded"));
}

TEST(BatchCodec, MessagesOutOfOrderAreRefused) {
  const auto messages = StreamOf({Sample()}, arrow::ipc::IpcWriteOptions::Defaults());
  EXPECT_EQ(CodeOf(DecodeAll({messages[1]}).status()), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(DecodeAll({messages[0], messages[0]}).status()), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(DecodeAll({IpcMessage{}}).status()), ErrorCode::kInvalidArgument);
}

TEST(BatchCodec, EveryCutOfAMessageIsRefused) {
  const auto messages = StreamOf({Sample()}, arrow::ipc::IpcWriteOptions::Defaults());
  const int64_t metadata_bytes = messages[1].metadata->size(), body_bytes = messages[1].body.size();
  for (int64_t n = 0; n < metadata_bytes; ++n) {
    const auto read =
        DecodeAll({messages[0], {arrow::SliceBuffer(messages[1].metadata, 0, n), messages[1].body}});
    if (read.ok()) continue;  // only padding was cut
    EXPECT_EQ(CodeOf(read.status()), ErrorCode::kInvalidArgument) << n << ": " << read.status().ToString();
  }
  int64_t refused = 0;
  for (int64_t n = 0; n < body_bytes; ++n) {
    const auto read = DecodeAll({messages[0], {messages[1].metadata, *messages[1].body.Slice(0, n)}});
    if (!read.ok()) ++refused;
    if (!read.ok()) {
      EXPECT_EQ(CodeOf(read.status()), ErrorCode::kInvalidArgument) << read.status().ToString();
    }
  }
  EXPECT_GT(refused, body_bytes - 64);
}

// Whatever bits are flipped, the answer is a batch that can be walked or an error; run under ASan and UBSan
// too.
TEST(BatchCodec, FlippedBitsGiveASoundBatchOrAnError) {
  constexpr uint64_t kSeed = 20;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  const auto random = MakeSeededRandom(kSeed);
  auto compressed = arrow::ipc::IpcWriteOptions::Defaults();
  compressed.codec = arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME).ValueOrDie();
  const auto dictionary = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto encoded =
      arrow::DictionaryArray::FromArrays(
          dictionary, arrow::json::ArrayFromJSONString(arrow::int8(), "[1, 0, null]").ValueOrDie(),
          arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["zero", "one"])").ValueOrDie())
          .ValueOrDie();
  const auto with_dictionary =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("d", dictionary)}), 3, {encoded});
  const auto runs = Runs("[1, 3]", arrow::int32(), R"(["a", null])", arrow::utf8(), 3);
  const auto with_runs =
      arrow::RecordBatch::Make(arrow::schema({arrow::field("r", runs->type())}), 3, {runs});
  const std::vector<IpcMessage> streams[] = {
      StreamOf({Sample()}, arrow::ipc::IpcWriteOptions::Defaults()), StreamOf({Sample()}, compressed),
      StreamOf({with_dictionary}, arrow::ipc::IpcWriteOptions::Defaults()),
      StreamOf({with_runs}, arrow::ipc::IpcWriteOptions::Defaults())};
  int64_t sound = 0, refused = 0;
  for (int round = 0; round < 8000; ++round) {
    auto stream = streams[round % 4];
    auto& message = stream[random->Next() % stream.size()];
    const bool in_body = message.body.size() > 0 && random->Next() % 3 == 0;
    const auto original = in_body ? message.body.Join().ValueOrDie() : message.metadata;
    auto flipped = arrow::AllocateBuffer(original->size()).ValueOrDie();
    std::memcpy(flipped->mutable_data(), original->data(), static_cast<size_t>(original->size()));
    for (uint64_t flips = 1 + random->Next() % 3; flips > 0; --flips) {
      flipped->mutable_data()[random->Next() % static_cast<uint64_t>(original->size())] ^=
          static_cast<uint8_t>(1u << random->Next() % 8);
    }
    if (in_body) {
      message.body = BufferChain(std::shared_ptr<arrow::Buffer>(std::move(flipped)));
    } else {
      message.metadata = std::move(flipped);
    }
    const auto read = DecodeAll(stream);
    if (read.ok()) {
      ++sound;
      for (const auto& incoming : *read) (void)Whole(incoming)->ToString();
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(sound, 500);
}

TEST(VectorRuns, RowsCutByABorderComeTogether) {
  std::string bytes;
  for (char c = 'a'; c < 'a' + 24; ++c) bytes.push_back(c);
  for (int64_t piece = 1; piece <= 24; ++piece) {
    LazyVectors vectors;
    vectors.offset = 2;
    vectors.row_bytes = 5;
    for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(piece)) {
      vectors.body.AppendString(bytes.substr(at, static_cast<size_t>(piece)));
    }
    std::string seen;
    int64_t next = 0;
    ForEachRun(vectors, 4, [&](int64_t first, int64_t count, const uint8_t* data) {
      EXPECT_EQ(first, next);
      next += count;
      seen.append(reinterpret_cast<const char*>(data), static_cast<size_t>(5 * count));
      return true;
    });
    EXPECT_EQ(seen, bytes.substr(2, 20)) << "pieces of " << piece;
  }
}

}  // namespace
}  // namespace longbow::engine
