#include "longbow/base/executor.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "longbow/base/clock.h"

namespace longbow {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

// Holds tasks until opened.
class Gate {
 public:
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    opened_.wait(lock, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false;  // guarded by mutex_
};

TEST(ThreadPool, RunsEveryTaskOnceOnNamedThreads) {
  auto pool = MakeThreadPool({.name = "a-name-that-is-too-long", .threads = 3});
  std::atomic<int> ran{0}, misnamed{0};
  for (int i = 0; i < 1000; ++i) {
    pool->Post([&] {
      char name[16];
      pthread_getname_np(pthread_self(), name, sizeof(name));
      if (std::string(name) != "a-name-that-is-") misnamed.fetch_add(1);
      ran.fetch_add(1);
    });
  }
  pool->WaitUntil([&] { return ran.load() == 1000; });
  EXPECT_EQ(misnamed.load(), 0);
  EXPECT_EQ(pool->waiting(), 0);
}

TEST(ThreadPool, RefusesBeyondItsLimit) {
  auto pool = MakeThreadPool({.threads = 1, .queue_limit = 2});
  Gate gate, started;
  pool->Post([&] {
    started.Open();
    gate.Pass();
  });
  started.Pass();
  EXPECT_TRUE(pool->TryPost([] {}));
  EXPECT_TRUE(pool->TryPost([] {}));
  EXPECT_FALSE(pool->TryPost([] {}));
  EXPECT_EQ(pool->waiting(), 2);
  pool->Post([] {});
  EXPECT_EQ(pool->waiting(), 3) << "Post is never refused";
  gate.Open();
}

TEST(ThreadPool, EndingRunsWhatWasPostedAndDropsTimersNotDue) {
  std::atomic<int> ran{0};
  const auto dropped = std::make_shared<int>(0);
  {
    auto pool = MakeThreadPool({.threads = 2});
    Executor* executor = pool.get();
    for (int i = 0; i < 100; ++i) {
      pool->Post([&ran, executor] { executor->Post([&ran] { ran.fetch_add(1); }); });
    }
    pool->PostAfter(3'600'000 * kMillisecond, [&ran, dropped] { ran.fetch_add(1000); });
  }
  EXPECT_EQ(ran.load(), 100);
  EXPECT_EQ(dropped.use_count(), 1);
}

TEST(ThreadPool, TimersAreNeverEarlyAndKeepTheirOrder) {
  auto pool = MakeThreadPool({.threads = 1});
  std::mutex mutex;
  std::vector<int> order;
  std::atomic<int> early{0}, ran{0};
  const int64_t start = SystemClock()->MonotonicNanos();
  for (const int delay_ms : {30, 10, 20, 0, 10}) {
    pool->PostAfter(delay_ms * kMillisecond, [&, delay_ms] {
      if (SystemClock()->MonotonicNanos() - start < delay_ms * kMillisecond) early.fetch_add(1);
      std::lock_guard lock(mutex);
      order.push_back(delay_ms);
      ran.fetch_add(1);
    });
  }
  pool->WaitUntil([&] { return ran.load() == 5; });
  EXPECT_EQ(early.load(), 0);
  EXPECT_EQ(order, (std::vector<int>{0, 10, 10, 20, 30}));
}

TEST(ThreadPool, TimersRunWhileOtherThreadsAreBusyAndWhileTasksKeepComing) {
  auto pool = MakeThreadPool({.threads = 2});
  Gate gate;
  pool->Post([&] { gate.Pass(); });
  std::atomic<bool> stop{false}, fired{false};
  Executor* executor = pool.get();
  std::function<void()> again = [&] {
    if (!stop.load()) executor->Post(again);
  };
  pool->Post(again);
  pool->PostAfter(kMillisecond, [&] { fired.store(true); });
  pool->WaitUntil([&] { return fired.load(); });
  stop.store(true);
  gate.Open();
  pool.reset();  // before what the tasks refer to
}

TEST(ThreadPool, ManyTimersFromManyThreadsAllRun) {
  std::atomic<int> ran{0};
  auto pool = MakeThreadPool({.threads = 3});
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        pool->PostAfter((i * 7 + t) % 20 * kMillisecond / 4, [&] { ran.fetch_add(1); });
      }
    });
  }
  for (auto& thread : threads) thread.join();
  pool->WaitUntil([&] { return ran.load() == 900; });
}

TEST(ThreadPool, AnExceptionEndsItsTaskAndIsCounted) {
  auto pool = MakeThreadPool({.threads = 1});
  const int64_t before = TaskFailures().value();
  std::atomic<bool> ran{false};
  pool->Post([] { throw std::runtime_error("thrown by a test, on purpose"); });
  pool->Post([] { throw 5; });
  pool->Post([&] { ran.store(true); });
  pool->WaitUntil([&] { return ran.load(); });
  EXPECT_EQ(TaskFailures().value(), before + 2);
}

TEST(ThreadPool, ATaskMayWaitForTasksOfItsOwnPool) {
  const auto pool = MakeThreadPool({.name = "alone", .threads = 1});
  std::atomic<bool> inner{false}, outer{false};
  pool->Post([&] {
    pool->Post([&] { inner = true; });
    pool->WaitUntil([&] { return inner.load(); });
    outer = true;
  });
  pool->WaitUntil([&] { return outer.load(); });
  EXPECT_TRUE(inner);
}

TEST(Strand, RunsTasksOfEachPosterInOrderAndNeverTwoAtOnce) {
  auto pool = MakeThreadPool({.threads = 4});
  auto strand = std::make_shared<Strand>(pool.get());
  constexpr int kPosters = 3, kTasks = 2000;
  std::vector<int> next(kPosters, 0);  // unprotected on purpose: the strand protects it
  std::atomic<int> inside{0}, overlaps{0}, disorder{0}, ran{0};
  std::vector<std::thread> posters;
  for (int p = 0; p < kPosters; ++p) {
    posters.emplace_back([&, p] {
      for (int i = 0; i < kTasks; ++i) {
        strand->Post([&, p, i] {
          if (inside.fetch_add(1) != 0) overlaps.fetch_add(1);
          if (next[p]++ != i) disorder.fetch_add(1);
          inside.fetch_sub(1);
          ran.fetch_add(1);
        });
      }
    });
  }
  for (auto& poster : posters) poster.join();
  pool->WaitUntil([&] { return ran.load() == kPosters * kTasks; });
  EXPECT_EQ(overlaps.load(), 0);
  EXPECT_EQ(disorder.load(), 0);
  EXPECT_EQ(strand->waiting(), 0);
}

TEST(Strand, LetsOthersRunBetweenItsTurns) {
  auto pool = MakeThreadPool({.threads = 1});
  auto strand = std::make_shared<Strand>(pool.get());
  Gate gate;
  std::atomic<int> ran{0};
  int ran_before_other = -1;
  pool->Post([&] { gate.Pass(); });
  for (int i = 0; i < 1000; ++i) strand->Post([&] { ran.fetch_add(1); });
  pool->Post([&] { ran_before_other = ran.load(); });
  gate.Open();
  pool->WaitUntil([&] { return ran.load() == 1000; });
  EXPECT_EQ(ran_before_other, 64);
}

TEST(Strand, GoesOnAfterAnException) {
  auto pool = MakeThreadPool({.threads = 1});
  auto strand = std::make_shared<Strand>(pool.get());
  std::atomic<bool> ran{false};
  strand->Post([] { throw std::runtime_error("thrown by a test, on purpose"); });
  strand->Post([&] { ran.store(true); });
  pool->WaitUntil([&] { return ran.load(); });
}

TEST(Strand, LivesUntilItsTasksHaveRun) {
  auto pool = MakeThreadPool({.threads = 2});
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) {
    auto strand = std::make_shared<Strand>(pool.get());
    for (int j = 0; j < 10; ++j) strand->Post([&] { ran.fetch_add(1); });
  }
  pool->WaitUntil([&] { return ran.load() == 1000; });
}

}  // namespace
}  // namespace longbow
