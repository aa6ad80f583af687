#include "longbow/protocol/flight_data.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include "longbow/engine/batch_codec.h"
#include "longbow/protocol/random_bytes.h"

namespace longbow::protocol {
namespace {

std::string Text(const BufferChain& chain) { return (*chain.Join())->ToString(); }

// The same bytes in pieces of one to `largest` bytes.
BufferChain Cut(const std::string& bytes, RandomBytes* random, uint64_t largest) {
  BufferChain out;
  for (size_t at = 0; at < bytes.size();) {
    const size_t n = std::min<size_t>(1 + random->Below(largest), bytes.size() - at);
    out.Append(arrow::Buffer::FromString(bytes.substr(at, n)));
    at += n;
  }
  return out;
}

FlightData Sample() {
  FlightData data;
  data.descriptor =
      "\x08\x01\x1a\x02"
      "ds";
  data.header = arrow::Buffer::FromString(std::string(300, 'h'));
  data.app_metadata = "{\"seq\":1}";
  data.body = BufferChain::FromString(std::string(1000, 'b'));
  return data;
}

std::shared_ptr<arrow::RecordBatch> SampleBatch() {
  arrow::Int64Builder ids;
  for (int64_t i = 0; i < 100; ++i) EXPECT_TRUE(ids.Append(i).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("id", arrow::int64())}), 100, {*ids.Finish()});
}

bool IsBadArgument(const Status& status) { return CodeOf(status) == ErrorCode::kInvalidArgument; }

TEST(FlightData, ComesBackAsSentHoweverTheNetworkCutsIt) {
  const std::string bytes = Text(EncodeFlightData(Sample()));
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomBytes random(seed);
    auto data = ParseFlightData(Cut(bytes, &random, 1 + random.Below(400)));
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_EQ(*data->descriptor, *Sample().descriptor);
    EXPECT_EQ(data->header->ToString(), std::string(300, 'h'));
    EXPECT_EQ(data->app_metadata, "{\"seq\":1}");
    EXPECT_EQ(Text(*data->body), std::string(1000, 'b'));
  }
}

TEST(FlightData, SharesTheBodyInBothDirections) {
  const auto body = arrow::Buffer::FromString(std::string(4096, 'b'));
  FlightData data;
  data.header = arrow::Buffer::FromString("header");
  data.body = BufferChain(body);
  const BufferChain message = EncodeFlightData(data);
  EXPECT_EQ(message.pieces().back()->data(), body->data());
  auto parsed = ParseFlightData(message);
  ASSERT_TRUE(parsed.ok());
  ASSERT_EQ(parsed->body->pieces().size(), 1u);
  EXPECT_EQ(parsed->body->pieces()[0]->data(), body->data());
}

TEST(FlightData, AlignsTheHeader) {
  RandomBytes random(1);
  auto data = ParseFlightData(Cut(Text(EncodeFlightData(Sample())), &random, 7));
  ASSERT_TRUE(data.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(data->header->data()) % 8, 0u);
}

TEST(FlightData, CarriesBatchesThatDecodeAgain) {
  const auto batch = SampleBatch();
  engine::BatchDecoder decoder;
  auto schema = ParseFlightData(*EncodeSchemaMessage(*batch->schema()));
  auto rows = ParseFlightData(*EncodeBatchMessage(*batch, "{}"));
  ASSERT_TRUE(schema.ok() && rows.ok());
  EXPECT_FALSE(schema->body);
  EXPECT_EQ(rows->app_metadata, "{}");
  engine::IncomingBatch incoming;
  ASSERT_TRUE(*decoder.Next({schema->header, {}}, &incoming));
  ASSERT_FALSE(*decoder.Next({rows->header, *rows->body}, &incoming));
  EXPECT_TRUE(incoming.batch->Equals(*batch));
}

TEST(FlightData, RefusesWhatIsNoFlightData) {
  const std::string cases[] = {
      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",  // a tag of more than 64 bits
      std::string("\x12\xff\x7f", 3),                  // a header longer than the message
      std::string("\x12", 1),                          // a length that is missing
      std::string("\x00\x01", 2),                      // field 0
      std::string("\x13\x01", 2),                      // a group
      std::string("\x28\x01", 2),                      // only a field that Flight does not know
      std::string("\x12\x01\x41\x12\x01\x41", 6),      // two headers
      std::string("\x1a\x01\x41\x1a\x01\x41", 6),      // two app_metadata
      std::string("\x0a\x00\x0a\x00", 4),              // two descriptors
      std::string("\xc2\x3e\x01\x41\xc2\x3e\x01\x41", 8),
  };
  for (const auto& bytes : cases) {
    auto data = ParseFlightData(BufferChain::FromString(bytes));
    EXPECT_FALSE(data.ok()) << testing::PrintToString(bytes);
    EXPECT_TRUE(IsBadArgument(data.status())) << data.status();
  }
}

TEST(FlightData, SkipsFieldsThatLaterVersionsMayAdd) {
  const std::string later = std::string("\x28\x07\x32\x02xy\x3d....\x41........", 20) + "\x1a\x01m";
  auto data = ParseFlightData(BufferChain::FromString(later));
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->app_metadata, "m");
}

TEST(FlightData, RefusesEveryTruncationOfAMessage) {
  const std::string bytes = Text(EncodeFlightData(Sample()));
  FlightData whole = Sample();
  for (size_t length = 1; length < bytes.size(); ++length) {
    auto data = ParseFlightData(BufferChain::FromString(bytes.substr(0, length)));
    // A cut between two fields leaves a shorter message; a cut inside one never passes.
    if (data.ok())
      EXPECT_FALSE(data->body && data->body->size() == whole.body->size()) << length;
    else
      EXPECT_TRUE(IsBadArgument(data.status())) << data.status();
  }
}

TEST(FlightData, SurvivesBrokenBytes) {
  const auto batch = SampleBatch();
  const std::string good = Text(*EncodeBatchMessage(*batch, "{\"seq\":1}"));
  int refused = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomBytes random(seed);
    const std::string bytes = seed % 4 == 0 ? random.Noise(random.Below(200)) : random.Break(good);
    auto data = ParseFlightData(Cut(bytes, &random, 64));
    if (!data.ok()) {
      ++refused;
      ASSERT_TRUE(IsBadArgument(data.status())) << data.status();
      continue;
    }
    engine::BatchDecoder decoder;
    engine::IncomingBatch incoming;
    auto schema = ParseFlightData(*EncodeSchemaMessage(*batch->schema()));
    ASSERT_TRUE(decoder.Next({schema->header, {}}, &incoming).ok());
    if (data->header) (void)decoder.Next({data->header, data->body.value_or(BufferChain())}, &incoming);
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace longbow::protocol
