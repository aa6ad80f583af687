#include "longbow/base/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <string>

#include "longbow/base/thread_stacks.h"

namespace longbow {
namespace {

using ::testing::HasSubstr;

TEST(Watchdog, NoticesATaskThatDoesNotEndAndThatItHasEnded) {
  auto pool = MakeThreadPool({.name = "stuck", .threads = 2});
  std::promise<std::string> reported;
  std::promise<void> first, second;
  {
    Watchdog dog({{"applier", pool.get(), 20'000'000}}, 5'000'000,
                 [&](const std::string& what) { reported.set_value(what); });
    EXPECT_TRUE(dog.health().ok());
    // Two tasks that wait for each other's promise, as two locks taken in two orders.
    pool->Post([&] { first.get_future().wait(); });
    pool->Post([&] { second.get_future().wait(); });
    EXPECT_THAT(reported.get_future().get(), HasSubstr("applier"));
    EXPECT_EQ(CodeOf(dog.health()), ErrorCode::kUnavailable);
    first.set_value();
    second.set_value();
    while (!dog.health().ok()) usleep(1000);
  }
  pool.reset();
}

TEST(Watchdog, TasksThatEndInTimeAreNotItsAffair) {
  auto pool = MakeThreadPool({.name = "busy", .threads = 2});
  Watchdog dog({{"applier", pool.get(), 60'000'000'000}}, 1'000'000,
               [](const std::string& what) { ADD_FAILURE() << what; });
  for (int i = 0; i < 20; ++i) pool->Post([] { usleep(1000); });
  usleep(50'000);
  EXPECT_TRUE(dog.health().ok());
}

TEST(ThreadStacks, NameEveryThread) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::promise<void> release;
  auto waiter = release.get_future().share();
  auto pool = MakeThreadPool({.name = "seen-sleeping", .threads = 1});
  pool->Post([waiter] { waiter.wait(); });
  std::string text;
  std::thread reader([&] {
    char part[4096];
    for (ssize_t n; (n = read(ends[0], part, sizeof(part))) > 0;) text.append(part, static_cast<size_t>(n));
  });
  WriteThreadStacks(ends[1]);
  close(ends[1]);
  reader.join();
  close(ends[0]);
  release.set_value();
  EXPECT_THAT(text, HasSubstr("seen-sleeping:\n"));
  EXPECT_THAT(text, HasSubstr("["));  // an address
}

}  // namespace
}  // namespace longbow
