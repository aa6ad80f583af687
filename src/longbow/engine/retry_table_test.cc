#include "longbow/engine/retry_table.h"

#include <gtest/gtest.h>

namespace longbow::engine {
namespace {

RetryTable::Verdict Ask(RetryTable& table, const RetryKey& key, DatasetId dataset = 1) {
  WriteDone done = [](const Result<WriteAck>&) {};
  WriteAck ack;
  return table.Begin(dataset, key, &done, &ack);
}

TEST(RetryTable, ASecondSenderWaitsForTheFirst) {
  RetryTable table;
  const RetryKey key{"c", "s", 1};
  EXPECT_EQ(Ask(table, key), RetryTable::Verdict::kNew);
  Sequence heard = 0;
  WriteDone done = [&](Result<WriteAck> ack) { heard = ack->sequence; };
  WriteAck ack;
  EXPECT_EQ(table.Begin(1, key, &done, &ack), RetryTable::Verdict::kUnderWay);
  for (auto& waiter : table.Finish(1, key, WriteAck{7, 1, {}})) waiter(WriteAck{7, 1, {}});
  EXPECT_EQ(heard, 7u);
  EXPECT_EQ(Ask(table, key), RetryTable::Verdict::kKnown);
  EXPECT_EQ(Ask(table, key, 2), RetryTable::Verdict::kNew) << "another dataset";
}

TEST(RetryTable, AFailedBatchMayBeSentAgain) {
  RetryTable table;
  const RetryKey key{"c", "s", 1};
  EXPECT_EQ(Ask(table, key), RetryTable::Verdict::kNew);
  EXPECT_TRUE(table.Abandon(1, key).empty());
  EXPECT_EQ(Ask(table, key), RetryTable::Verdict::kNew);
}

TEST(RetryTable, ForgetsTheOldestInLogOrderNotInOrderOfArrival) {
  RetryTable table;
  const auto last = static_cast<uint64_t>(RetryTable::kPerClient) + 1;
  for (uint64_t i = last; i >= 1; --i) table.Finish(1, {"c", "s", i}, WriteAck{i, 1, {}});
  EXPECT_EQ(Ask(table, {"c", "s", 1}), RetryTable::Verdict::kNew);
  EXPECT_EQ(Ask(table, {"c", "s", 2}), RetryTable::Verdict::kKnown);
  EXPECT_EQ(Ask(table, {"c", "s", last}), RetryTable::Verdict::kKnown);
}

TEST(RetryTable, ForgetsTheClientThatWasSilentLongest) {
  RetryTable table;
  const auto clients = static_cast<uint64_t>(RetryTable::kMaxClients);
  for (uint64_t i = 0; i < clients; ++i) table.Finish(1, {std::to_string(i), "s", 1}, WriteAck{i + 1, 1, {}});
  table.Finish(1, {"0", "s", 2}, WriteAck{clients + 1, 1, {}});
  table.Finish(1, {"new", "s", 1}, WriteAck{clients + 2, 1, {}});
  EXPECT_EQ(Ask(table, {"0", "s", 1}), RetryTable::Verdict::kKnown);
  EXPECT_EQ(Ask(table, {"1", "s", 1}), RetryTable::Verdict::kNew);
  EXPECT_EQ(Ask(table, {"2", "s", 1}), RetryTable::Verdict::kKnown);
}

}  // namespace
}  // namespace longbow::engine
