#include "longbow/base/flush_order.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

namespace longbow {
namespace {

struct Heard {
  std::optional<bool> believed;
  std::function<void(bool)> Listen() {
    return [this](bool yes) { believed = yes; };
  }
};

TEST(FlushOrder, AFlushAloneIsBelievedAtOnce) {
  FlushOrder order;
  Heard heard;
  order.End(order.Begin(), false, heard.Listen());
  EXPECT_EQ(heard.believed, true);
}

TEST(FlushOrder, OneThatWentWellWaitsForThoseBesideItAndForNoLaterOne) {
  FlushOrder order;
  const uint64_t other = order.Begin(), flush = order.Begin();
  Heard heard, heard_other, heard_later;
  order.End(flush, false, heard.Listen());
  EXPECT_FALSE(heard.believed);
  const uint64_t later = order.Begin();
  order.End(other, false, heard_other.Listen());
  EXPECT_EQ(heard.believed, true);
  EXPECT_FALSE(heard_other.believed) << "the later one was under way when it ended";
  order.End(later, false, heard_later.Listen());
  EXPECT_EQ(heard_other.believed, true);
  EXPECT_EQ(heard_later.believed, true);
}

TEST(FlushOrder, NoneIsBelievedBesideOneThatFailsNorAfterIt) {
  FlushOrder order;
  const uint64_t failing = order.Begin(), third = order.Begin(), flush = order.Begin();
  Heard heard, heard_failing, heard_after;
  order.End(flush, false, heard.Listen());
  order.End(failing, true, heard_failing.Listen());
  EXPECT_EQ(heard.believed, false) << "and does not wait for the third";
  EXPECT_EQ(heard_failing.believed, false);
  order.End(order.Begin(), false, heard_after.Listen());
  EXPECT_EQ(heard_after.believed, false);
  EXPECT_FALSE(order.EndAndWait(third, false));
}

TEST(FlushOrder, ThreadsThatWaitForEachOtherAllEnd) {
  FlushOrder order;
  std::vector<std::thread> threads;
  std::atomic<int> believed{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) believed += order.EndAndWait(order.Begin(), false) ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(believed, 8000);
}

}  // namespace
}  // namespace longbow
