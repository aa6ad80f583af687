#include "longbow/query/row_runs.h"

#include <gtest/gtest.h>

#include <random>

namespace longbow::query {
namespace {

TEST(RowRunsTest, RunsAreWhereTheBitsAre) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    const auto end = static_cast<RowOrdinal>(random() % 300);
    RowSelection selection(end);
    const uint64_t sparse = 1 + random() % 100;
    bool on = false;
    for (RowOrdinal row = 0; row < end; ++row) {
      if (random() % sparse == 0) on = !on;
      if (on) selection.Add(row);
    }
    for (RowOrdinal from = 0; from <= end + 2; ++from) {
      for (const bool set : {true, false}) {
        RowOrdinal expected = std::min(from, end);
        while (expected < end && selection.Contains(expected) != set) ++expected;
        ASSERT_EQ(NextRow(selection, from, set), expected)
            << "from " << from << " of " << end << (set ? " set" : " clear");
      }
    }
  }
}

}  // namespace
}  // namespace longbow::query
