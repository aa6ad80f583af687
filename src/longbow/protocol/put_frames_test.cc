#include "longbow/protocol/put_frames.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "longbow/protocol/random_bytes.h"

namespace longbow::protocol {
namespace {

using Step = PutSequence::Step;

PutFrame Batch(uint64_t sequence, std::string client = "c") {
  PutFrame frame;
  frame.sequence = sequence;
  frame.client = std::move(client);
  frame.stream = "s";
  return frame;
}

PutFrame Fin(uint64_t sequence, int64_t rows) {
  PutFrame frame = Batch(sequence);
  frame.fin = true;
  frame.rows = rows;
  return frame;
}

ErrorCode CodeOfStep(const Result<Step>& step) { return step.ok() ? ErrorCode::kOk : CodeOf(step.status()); }

TEST(PutFrame, TheFirstBatchChoosesTheMode) {
  EXPECT_TRUE(*SelectsAcknowledgedMode(R"({"protocol":1,"client":"c","stream":"s","seq":1,"rows":2})"));
  for (std::string_view other : {"", "anything", "{broken", "{}", R"({"seq":1})", "\xff"}) {
    auto mode = SelectsAcknowledgedMode(other);
    ASSERT_TRUE(mode.ok()) << mode.status();
    EXPECT_FALSE(*mode) << other;
  }
  EXPECT_FALSE(SelectsAcknowledgedMode(R"({"protocol":2,"seq":1})").ok());
}

TEST(PutFrame, ReadsWhatClientsSend) {
  auto frame =
      ReadPutFrame(R"({"protocol":1,"client":"c","stream":"s","seq":7,"rows":100,"crc32c":4294967295})");
  ASSERT_TRUE(frame.ok()) << frame.status();
  EXPECT_EQ(frame->sequence, 7u);
  EXPECT_EQ(*frame->rows, 100);
  EXPECT_EQ(*frame->crc32c, 4294967295u);
  EXPECT_FALSE(frame->fin);
  EXPECT_TRUE(ReadPutFrame(R"({"fin":true,"seq":0,"rows":0})")->fin);
}

TEST(PutFrame, RefusesFramesWithoutSense) {
  for (std::string_view bad : {"", "[]", "{}", R"({"seq":0})", R"({"seq":-1})", R"({"seq":"1"})",
                               R"({"seq":1,"rows":-1})", R"({"seq":1,"crc32c":4294967296})",
                               R"({"seq":1,"fin":1})", R"({"seq":1,"seq":2})", R"({"protocol":3,"seq":1})"}) {
    auto frame = ReadPutFrame(bad);
    ASSERT_FALSE(frame.ok()) << bad;
    EXPECT_EQ(CodeOf(frame.status()), ErrorCode::kInvalidArgument) << frame.status();
  }
  EXPECT_FALSE(ReadPutFrame("{\"seq\":1,\"client\":\"" + std::string(kMaxClientName + 1, 'c') + "\"}").ok());
}

TEST(PutFrame, IsHeldAgainstItsBatch) {
  const BufferChain body = BufferChain::FromString("123456789");
  PutFrame frame = Batch(1);
  EXPECT_TRUE(CheckPutFrame(frame, 3, body).ok());
  frame.rows = 3;
  frame.crc32c = 0xE3069283;  // the check value of CRC32C
  EXPECT_TRUE(CheckPutFrame(frame, 3, body).ok());
  EXPECT_EQ(CodeOf(CheckPutFrame(frame, 4, body)), ErrorCode::kInvalidArgument);
  frame.crc32c = 1;
  EXPECT_EQ(CodeOf(CheckPutFrame(frame, 3, body)), ErrorCode::kCorruption);
}

TEST(PutFrame, AnotherDurabilityThanTheDatasetsIsRefused) {
  EXPECT_TRUE(ReadPutFrame(R"({"seq":1})")->durability.empty());
  EXPECT_FALSE(ReadPutFrame(R"({"seq":1,"durability":1})").ok());
  const auto outcome = [](std::string_view level) {
    const auto frame = ReadPutFrame("{\"seq\":1,\"durability\":\"" + std::string(level) + "\"}");
    return CodeOf(CheckPutDurability(*frame, "async"));
  };
  EXPECT_EQ(outcome(""), ErrorCode::kOk);
  EXPECT_EQ(outcome("async"), ErrorCode::kOk);
  EXPECT_EQ(outcome("fsync"), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(outcome("memory"), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(outcome("bogus"), ErrorCode::kInvalidArgument);
}

TEST(PutSequence, AWholeStreamEndsWell) {
  PutSequence sequence;
  EXPECT_EQ(*sequence.Next(Batch(1), true, 10), Step::kWrite);
  EXPECT_EQ(*sequence.Next(Batch(2), true, 5), Step::kWrite);
  EXPECT_EQ(*sequence.Next(Fin(2, 15), false, 0), Step::kEnd);
  EXPECT_TRUE(sequence.End().ok());
}

TEST(PutSequence, AnEmptyStreamEndsWell) {
  PutSequence sequence;
  EXPECT_EQ(*sequence.Next(Fin(0, 0), false, 0), Step::kEnd);
  EXPECT_TRUE(sequence.End().ok());
}

TEST(PutSequence, AStreamGoesOnWhereAnEarlierOneBroke) {
  PutSequence sequence;
  EXPECT_EQ(*sequence.Next(Batch(8), true, 1), Step::kWrite);
  EXPECT_EQ(*sequence.Next(Batch(9), true, 1), Step::kWrite);
  EXPECT_EQ(*sequence.Next(Fin(9, 2), false, 0), Step::kEnd);
}

TEST(PutSequence, GapsSwapsAndRepeatsAreSeen) {
  PutSequence gap;
  EXPECT_TRUE(gap.Next(Batch(1), true, 1).ok());
  EXPECT_EQ(CodeOfStep(gap.Next(Batch(3), true, 1)), ErrorCode::kDataLoss);
  PutSequence repeat;
  EXPECT_TRUE(repeat.Next(Batch(1), true, 1).ok());
  EXPECT_EQ(*repeat.Next(Batch(1), true, 1), Step::kRepeat);
  EXPECT_EQ(*repeat.Next(Fin(1, 1), false, 0), Step::kEnd);  // a repeat counts once
  PutSequence nameless;
  EXPECT_TRUE(nameless.Next(Batch(1, ""), true, 1).ok());
  EXPECT_EQ(CodeOfStep(nameless.Next(Batch(1, ""), true, 1)), ErrorCode::kInvalidArgument);
}

TEST(PutSequence, AStreamWithoutFinWasCut) {
  PutSequence sequence;
  EXPECT_TRUE(sequence.Next(Batch(1), true, 1).ok());
  EXPECT_TRUE(sequence.Next(Batch(2), true, 1).ok());
  EXPECT_EQ(CodeOf(sequence.End()), ErrorCode::kDataLoss);
  EXPECT_EQ(sequence.End().message(), "stream ended without FIN at seq 2");
}

TEST(PutSequence, FinWithOtherCountsIsDataLoss) {
  for (const PutFrame& fin : {Fin(1, 10), Fin(2, 9), Fin(3, 10)}) {
    PutSequence sequence;
    EXPECT_TRUE(sequence.Next(Batch(1), true, 5).ok());
    EXPECT_TRUE(sequence.Next(Batch(2), true, 5).ok());
    EXPECT_EQ(CodeOfStep(sequence.Next(fin, false, 0)), ErrorCode::kDataLoss);
    EXPECT_FALSE(sequence.End().ok());
  }
}

TEST(PutSequence, NothingComesAfterFin) {
  PutSequence sequence;
  EXPECT_TRUE(sequence.Next(Batch(1), true, 1).ok());
  EXPECT_TRUE(sequence.Next(Fin(1, 1), false, 0).ok());
  EXPECT_EQ(CodeOfStep(sequence.Next(Batch(2), true, 1)), ErrorCode::kDataLoss);
}

TEST(PutSequence, OtherMisuseIsRefused) {
  PutSequence no_batch, fin_with_batch, changed;
  EXPECT_FALSE(no_batch.Next(Batch(1), false, 0).ok());
  EXPECT_FALSE(fin_with_batch.Next(Fin(1, 1), true, 1).ok());
  EXPECT_TRUE(changed.Next(Batch(1), true, 1).ok());
  EXPECT_FALSE(changed.Next(Batch(2, "other"), true, 1).ok());
}

TEST(PutAck, IsJsonWithEveryField) {
  PutAck ack;
  ack.acked_through = 5;
  ack.durable_through = 4;
  ack.level = "fsync";
  ack.credits = 100;
  ack.errors.push_back({3, ErrorCode::kInvalidArgument, "bad \xff row\n"});
  ack.token = SequenceToken(255);
  const auto json = nlohmann::json::parse(WritePutAck(ack));
  EXPECT_EQ(json["acked_through"], 5);
  EXPECT_EQ(json["durable_through"], 4);
  EXPECT_EQ(json["level"], "fsync");
  EXPECT_EQ(json["credits"], 100);
  EXPECT_EQ(json["errors"][0]["seq"], 3);
  EXPECT_EQ(json["errors"][0]["code"], std::string(ErrorCodeName(ErrorCode::kInvalidArgument)));
  EXPECT_EQ(json["errors"][0]["text"], "bad ? row?");
  EXPECT_FALSE(json["errors"][0].contains("retry_delay_ms")) << "it is bad for good";
  PutAck full;
  full.errors = {{.sequence = 4, .code = ErrorCode::kResourceExhausted, .text = "memory limit exceeded"}};
  EXPECT_GT(nlohmann::json::parse(WritePutAck(full))["errors"][0]["retry_delay_ms"], 0);
  EXPECT_EQ(json["token"], "s00000000000000ff");
  const auto ingest = nlohmann::json::parse(WriteIngestAck(2, 30, PutAck{}));
  EXPECT_EQ(ingest["status"], "acked");
  EXPECT_EQ(ingest["batch_id"], 2);
  EXPECT_EQ(ingest["rows"], 30);
}

TEST(PutFrame, SurvivesBrokenBytes) {
  const std::string good =
      R"({"protocol":1,"client":"c","stream":"s","seq":7,"rows":100,"crc32c":5,"fin":false})";
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    RandomBytes random(seed);
    const std::string bytes = random.Break(good);
    (void)SelectsAcknowledgedMode(bytes);
    auto frame = ReadPutFrame(bytes);
    if (!frame.ok()) {
      ASSERT_EQ(CodeOf(frame.status()), ErrorCode::kInvalidArgument) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace longbow::protocol
