#include "longbow/base/shared_work.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace longbow {
namespace {

constexpr int kPieces = 1000;

TEST(SharedWork, EveryPieceIsDoneOnceHoweverManyHelp) {
  const auto pool = MakeThreadPool({.threads = 4});
  for (const int helpers : {0, 1, 3, 20}) {
    std::vector<std::atomic<int>> done(kPieces);
    std::atomic<int> next{0};
    WorkTogether(pool.get(), helpers, [&] {
      for (int i; (i = next.fetch_add(1)) < kPieces;) done[static_cast<size_t>(i)].fetch_add(1);
    });
    for (const auto& times : done) EXPECT_EQ(times.load(), 1);
  }
}

TEST(SharedWork, HelpersComeWhileTheAskerWorks) {
  const auto pool = MakeThreadPool({.threads = 2});
  std::atomic<int> inside{0};
  WorkTogether(pool.get(), 2, [&] {
    inside.fetch_add(1);
    while (inside.load() < 3) std::this_thread::yield();
  });
  EXPECT_EQ(inside.load(), 3);
}

TEST(SharedWork, NeedsNoExecutorAndNoFreeThread) {
  int calls = 0;
  WorkTogether(nullptr, 5, [&] { ++calls; });
  EXPECT_EQ(calls, 1);
  const auto pool = MakeThreadPool({.threads = 1});
  std::atomic<bool> over{false};
  pool->Post([&] {  // takes the only thread
    WorkTogether(pool.get(), 5, [&] { ++calls; });
    over.store(true);
  });
  pool->WaitUntil([&] { return over.load(); });
  EXPECT_EQ(calls, 2);
}

TEST(SharedWork, WhatACallThrowsComesOutWhenAllHaveEnded) {
  const auto pool = MakeThreadPool({.threads = 2});
  std::atomic<int> inside{0}, ended{0};
  const auto work = [&] {
    const bool last = inside.fetch_add(1) == 2;
    while (inside.load() < 3) std::this_thread::yield();
    ended.fetch_add(1);
    if (last) throw std::runtime_error("it does not fit");
  };
  EXPECT_THROW(WorkTogether(pool.get(), 2, work), std::runtime_error);
  EXPECT_EQ(ended.load(), 3);
}

}  // namespace
}  // namespace longbow
