#include <arrow/api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "longbow/query/search.h"
#include "longbow/query/test_database.h"

namespace longbow::query {
namespace {

using filter::FilterTree;
using filter::Operator;

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;
using Ids = std::vector<int64_t>;

std::vector<std::vector<double>> PointsOf(int64_t first, int64_t count, size_t width) {
  std::vector<std::vector<double>> points;
  for (int64_t i = 0; i < count; ++i) points.emplace_back(width, static_cast<double>((first + i) % 1000));
  return points;
}

ScanRequest All(std::string dataset, int64_t limit = 0) {
  ScanRequest request;
  request.dataset = std::move(dataset);
  request.limit = limit;
  return request;
}

std::unique_ptr<Scan> Open(TestDatabase& database, const ScanRequest& request) {
  auto scan = database.query().OpenScan(request);
  EXPECT_TRUE(scan.ok()) << scan.status();
  return scan.ok() ? *std::move(scan) : nullptr;
}

Batches Drain(Scan& scan) {
  Batches batches;
  for (;;) {
    auto batch = scan.Next();
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (!batch.ok() || *batch == nullptr) break;
    EXPECT_TRUE((*batch)->schema()->Equals(*scan.schema(), true));
    EXPECT_TRUE((*batch)->ValidateFull().ok()) << (*batch)->ValidateFull();
    EXPECT_GT((*batch)->num_rows(), 0);
    batches.push_back(*std::move(batch));
  }
  EXPECT_EQ(scan.Next().ValueOrDie(), nullptr);
  return batches;
}

Ids IdsOf(const Batches& batches) {
  Ids ids;
  for (const auto& batch : batches) {
    const auto some = Values<arrow::Int64Type>(*batch, "id");
    ids.insert(ids.end(), some.begin(), some.end());
  }
  return ids;
}

// Checks that each row's vector is the one that was put with its id.
void ExpectVectorsOfIds(const Batches& batches) {
  for (const auto& batch : batches) {
    const auto ids = Values<arrow::Int64Type>(*batch, "id");
    const auto& lists = static_cast<const arrow::FixedSizeListArray&>(*batch->GetColumnByName("vector"));
    const auto& values = static_cast<const arrow::FloatArray&>(*lists.values());
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      ASSERT_EQ(values.Value(lists.value_offset(i)), static_cast<float>(ids[static_cast<size_t>(i)] % 1000));
    }
  }
}

class ScanTest : public testing::Test {
 protected:
  void PutRows(int64_t first, int64_t count, size_t width = 4) {
    database_.Put(
        "d", Batch({{"id", Range(first, count)}, {"vector", Vectors(PointsOf(first, count, width), width)}},
                   arrow::key_value_metadata({"pandas"}, {"{}"})));
  }
  TestDatabase database_;
};

TEST_F(ScanTest, RowsComeInTheOrderTheyWerePutWithTheSchemaAndItsMetadata) {
  Ids expected;
  int64_t next = 0;
  for (const int64_t count : {1, 1000, 7, 1, 3000, 20, 500}) {
    PutRows(next, count);
    next += count;
  }
  for (int64_t i = 0; i < next; ++i) expected.push_back(i);
  const auto scan = Open(database_, All("d"));
  EXPECT_EQ(scan->schema()->field_names(), (std::vector<std::string>{"id", "vector"}));
  EXPECT_EQ(scan->schema()->metadata()->Get("pandas").ValueOr(""), "{}");
  const auto batches = Drain(*scan);
  EXPECT_EQ(IdsOf(batches), expected);
  ExpectVectorsOfIds(batches);
}

TEST_F(ScanTest, BatchesBeginSmallAndGrowToTheLimit) {
  constexpr int64_t kRows = 30000, kWidth = 64;
  for (int64_t first = 0; first < kRows; first += 10000) PutRows(first, 10000, kWidth);
  const auto batches = Drain(*Open(database_, All("d")));
  const ScanOptions options;
  const int64_t row_bytes = kWidth * 4 + 8;
  EXPECT_LE(batches[0]->num_rows() * row_bytes, options.first_bytes * 5 / 4);
  int64_t largest = 0;
  for (const auto& batch : batches) {
    largest = std::max(largest, batch->num_rows());
    EXPECT_LE(batch->num_rows() * row_bytes, options.max_bytes * 5 / 4);
  }
  EXPECT_GE(largest * row_bytes, options.max_bytes / 2);
  EXPECT_EQ(IdsOf(batches).size(), static_cast<size_t>(kRows));
  ExpectVectorsOfIds(batches);
}

TEST_F(ScanTest, WholeRunsAreNotCopied) {
  PutRows(0, 3000, 64);
  const auto values = [&] {
    const auto batch = Open(database_, All("d"))->Next().ValueOrDie();
    return std::static_pointer_cast<arrow::FixedSizeListArray>(batch->GetColumnByName("vector"));
  };
  // Two scans hand out the same memory.
  EXPECT_EQ(values()->values()->data()->GetValues<float>(1), values()->values()->data()->GetValues<float>(1));
}

TEST_F(ScanTest, BatchesStayAliveWithoutScanOrDataset) {
  PutRows(0, 1000);
  const auto batch = Open(database_, All("d"))->Next().ValueOrDie();
  std::promise<Status> done;
  database_.engine().DropDataset("d", [&](Status status) { done.set_value(std::move(status)); });
  ASSERT_TRUE(done.get_future().get().ok());
  ExpectVectorsOfIds({batch});
}

TEST_F(ScanTest, RowsBetweenDeletedOnesAreGatheredIntoFullBatches) {
  constexpr int64_t kRows = 20000;
  PutRows(0, kRows);
  std::vector<std::string> deleted;
  Ids expected;
  for (int64_t i = 0; i < kRows; ++i) {
    if (i % 3 == 0) {
      deleted.push_back(std::to_string(i));
    } else {
      expected.push_back(i);
    }
  }
  database_.Delete("d", deleted);
  const auto batches = Drain(*Open(database_, All("d")));
  EXPECT_EQ(IdsOf(batches), expected);
  EXPECT_LE(batches.size(), 3u);  // 4,096 and then 8,192 at a time
  ExpectVectorsOfIds(batches);
}

TEST_F(ScanTest, AnyMixOfRunsIsScannedWhole) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  constexpr int64_t kRows = 40000;
  for (int64_t first = 0; first < kRows;) {
    const int64_t count =
        std::min<int64_t>(kRows - first, random() % 2 == 0 ? 1 + random() % 50 : 1 + random() % 9000);
    PutRows(first, count, 16);
    first += count;
  }
  std::vector<std::string> deleted;
  Ids expected;
  bool on = true;
  for (int64_t i = 0; i < kRows; ++i) {
    // Stretches of very different length.
    if (random() % (i % 10000 < 5000 ? 20 : 2000) == 0) on = !on;
    if (on) {
      expected.push_back(i);
    } else {
      deleted.push_back(std::to_string(i));
    }
  }
  database_.Delete("d", deleted);
  const auto batches = Drain(*Open(database_, All("d")));
  EXPECT_EQ(IdsOf(batches), expected);
  ExpectVectorsOfIds(batches);
  const auto all = static_cast<int64_t>(expected.size());
  for (const int64_t limit : {int64_t{1}, int64_t{777}, all - 1, all, all + 5}) {
    const Ids some = IdsOf(Drain(*Open(database_, All("d", limit))));
    EXPECT_EQ(some, Ids(expected.begin(), expected.begin() + std::min(limit, all))) << "limit " << limit;
  }
}

TEST_F(ScanTest, FiltersChooseRowsAndUnknownColumnsNone) {
  PutRows(0, 5000);
  ScanRequest request = All("d");
  request.filter = FilterTree{Operator::kGreaterEqual, "id", {std::string("4990")}, {}};
  EXPECT_EQ(IdsOf(Drain(*Open(database_, request))),
            (Ids{4990, 4991, 4992, 4993, 4994, 4995, 4996, 4997, 4998, 4999}));
  request.filter = FilterTree{Operator::kLess, "id", {int64_t{0}}, {}};
  EXPECT_TRUE(Drain(*Open(database_, request)).empty());
  request.filter = FilterTree{Operator::kEqual, "absent", {int64_t{0}}, {}};
  const auto empty = Open(database_, request);
  EXPECT_EQ(empty->schema()->field_names(), (std::vector<std::string>{"id", "vector"}));
  EXPECT_TRUE(Drain(*empty).empty());
  request.filter = FilterTree{Operator::kEqual, "id", {std::string("x")}, {}};
  EXPECT_EQ(CodeOf(database_.query().OpenScan(request).status()), ErrorCode::kInvalidArgument);
}

TEST_F(ScanTest, EmptyDatasetsHaveASchemaAndNoBatches) {
  database_.Create("e", arrow::schema({arrow::field("id", arrow::int64())}));
  const auto scan = Open(database_, All("e"));
  EXPECT_EQ(scan->schema()->field_names(), std::vector<std::string>{"id"});
  EXPECT_TRUE(Drain(*scan).empty());
  EXPECT_EQ(CodeOf(database_.query().OpenScan(All("absent")).status()), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(database_.query().OpenScan(All("e", -1)).status()), ErrorCode::kInvalidArgument);
}

TEST_F(ScanTest, OnlyTheColumnsAskedForCome) {
  database_.Put("d", Batch({{"id", Range(0, 9)},
                            {"vector", Vectors(PointsOf(0, 9, 2), 2)},
                            {"a", Range(10, 9)},
                            {"b", Range(20, 9)}}));
  ScanRequest request = All("d");
  request.columns = {"b", "id", "b"};
  for (const bool gathered : {false, true}) {
    if (gathered) database_.Delete("d", {"4"});
    const auto scan = Open(database_, request);
    EXPECT_EQ(scan->schema()->field_names(), (std::vector<std::string>{"id", "b"}));
    const auto batches = Drain(*scan);
    EXPECT_EQ(Values<arrow::Int64Type>(*batches[0], "b")[0], 20);
  }
  request.columns = {"c"};
  EXPECT_EQ(CodeOf(database_.query().OpenScan(request).status()), ErrorCode::kInvalidArgument);
}

TEST_F(ScanTest, ColumnsAddedLaterAreNullInOlderRows) {
  PutRows(0, 2);
  database_.Put("d", Batch({{"id", Int64s({2})}, {"tag", Strings({"x"})}}));
  const auto batches = Drain(*Open(database_, All("d")));
  EXPECT_EQ(IdsOf(batches), (Ids{0, 1, 2}));
  const auto table = arrow::Table::FromRecordBatches(batches).ValueOrDie();
  const auto tags = table->GetColumnByName("tag");
  EXPECT_EQ(tags->null_count(), 2);
  EXPECT_TRUE(tags->GetScalar(2).ValueOrDie()->Equals(*arrow::MakeScalar("x")));
  EXPECT_EQ(table->GetColumnByName("vector")->null_count(), 1);
}

TEST_F(ScanTest, RowsAreChosenByWhetherTheyHaveAVector) {
  PutRows(0, 2);
  database_.Put("d", Batch({{"id", Int64s({2, 3})}, {"tag", Strings({"x", "y"})}}));
  PutRows(4, 1);
  database_.Put("d", Batch({{"id", Range(5, 2)}, {"other", Vectors(PointsOf(5, 2, 3), 3)}}));
  const auto chosen = [&](const std::string& filter) {
    ScanRequest request = All("d");
    request.filter = filter::ParseFilter(filter).ValueOrDie();
    return IdsOf(Drain(*Open(database_, request)));
  };
  EXPECT_EQ(chosen("vector is null"), (Ids{2, 3, 5, 6}));
  EXPECT_EQ(chosen("vector is not null"), (Ids{0, 1, 4}));
  EXPECT_EQ(chosen("not vector is null and id > 0"), (Ids{1, 4}));
  EXPECT_EQ(chosen("vector is null and tag = 'y'"), (Ids{3}));
  EXPECT_EQ(chosen("other is not null or tag = 'x'"), (Ids{2, 5, 6}));
}

TEST_F(ScanTest, WritesAfterTheBeginningAreNotSeen) {
  PutRows(0, 20000);
  const auto scan = Open(database_, All("d"));
  Batches batches = {scan->Next().ValueOrDie()};
  PutRows(20000, 100);
  database_.Delete("d", {"0", "19999", "5000"});
  PutRows(7000, 10);  // replaces
  for (auto& batch : Drain(*scan)) batches.push_back(std::move(batch));
  const Ids ids = IdsOf(batches);
  ASSERT_EQ(ids.size(), 20000u);
  for (int64_t i = 0; i < 20000; ++i) ASSERT_EQ(ids[static_cast<size_t>(i)], i);
}

TEST_F(ScanTest, ScansBesideWritersSeeOneMoment) {
  PutRows(0, 3000);
  std::atomic<bool> stop{false};
  // Each round replaces all rows by one batch, so every moment has each id once.
  std::thread writer([&] {
    while (!stop) PutRows(0, 3000);
  });
  for (int round = 0; round < 20; ++round) {
    const auto batches = Drain(*Open(database_, All("d")));
    Ids ids = IdsOf(batches);
    ASSERT_EQ(ids.size(), 3000u);
    ASSERT_TRUE(std::is_sorted(ids.begin(), ids.end()));
    ExpectVectorsOfIds(batches);
  }
  stop = true;
  writer.join();
}

// A second passes at each look at the clock.
TEST_F(ScanTest, EndsWhenItsTimeIsOver) {
  database_.Put("d", Batch({{"id", Range(0, 20'000)}, {"n", Range(0, 20'000)}}));
  auto request = All("d");
  const auto ends = [&](int64_t timeout_ms, std::optional<OrderBy> order_by, bool count) {
    request.timeout_ms = timeout_ms;
    request.order_by = std::move(order_by);
    request.count = count;
    auto scan = database_.query().OpenScan(request);
    for (; scan.ok();) {
      const auto batch = (*scan)->Next();
      if (!batch.ok()) return CodeOf(batch.status());
      if (*batch == nullptr) return ErrorCode::kOk;
    }
    return CodeOf(scan.status());
  };
  database_.clock.step_ns = 1'000'000'000;
  for (const auto& filter : {"", "n >= 0", "n < 0"}) {
    request.filter.reset();
    if (*filter != 0) request.filter = filter::ParseFilter(filter).ValueOrDie();
    EXPECT_EQ(ends(500, std::nullopt, false), ErrorCode::kDeadlineExceeded);
    EXPECT_EQ(ends(0, std::nullopt, false), ErrorCode::kOk);
    EXPECT_EQ(ends(1'000'000, std::nullopt, false), ErrorCode::kOk);
    EXPECT_EQ(ends(500, OrderBy{"n", true}, false), ErrorCode::kDeadlineExceeded);
    EXPECT_EQ(ends(1'000'000, OrderBy{"n", true}, false), ErrorCode::kOk);
    EXPECT_EQ(ends(INT64_MAX, std::nullopt, true), ErrorCode::kOk);
  }
  request.filter.reset();
  EXPECT_EQ(ends(2500, std::nullopt, false), ErrorCode::kDeadlineExceeded);  // behind the first rows
  request.filter = filter::ParseFilter("n > 1").ValueOrDie();                // not evaluated before
  EXPECT_EQ(ends(500, std::nullopt, true), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(ends(-1, std::nullopt, false), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace longbow::query
