#include "longbow/base/thread_stacks.h"

#include <dirent.h>
#include <execinfo.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

namespace longbow {
namespace {

constexpr int kFrames = 64;
constexpr int64_t kPatienceNanos = 200'000'000;

// What a signal handler can reach. The target writes its frames and posts.
std::atomic<int> output{-1};
sem_t written;

int StackSignal() { return SIGRTMIN + 4; }

void OnSignal(int) {
  const int error = errno;  // of what was interrupted
  void* frames[kFrames];
  backtrace_symbols_fd(frames, backtrace(frames, kFrames), output.load());
  sem_post(&written);
  errno = error;
}

std::vector<pid_t> Threads() {
  std::vector<pid_t> threads;
  DIR* directory = opendir("/proc/self/task");
  if (directory == nullptr) return threads;
  while (const dirent* entry = readdir(directory)) {
    if (const int thread = std::atoi(entry->d_name); thread > 0) threads.push_back(thread);
  }
  closedir(directory);
  return threads;
}

std::string NameOf(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

bool Answered() {
  timespec until = {};
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += kPatienceNanos;
  until.tv_sec += until.tv_nsec / 1'000'000'000;
  until.tv_nsec %= 1'000'000'000;
  int result;
  do {
    result = sem_timedwait(&written, &until);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

}  // namespace

void WriteThreadStacks(int fd) {
  static std::mutex one_at_a_time;
  std::lock_guard lock(one_at_a_time);
  void* frame = nullptr;
  (void)backtrace(&frame, 1);  // loads what it needs here and not in a signal handler
  sem_init(&written, 0, 0);
  output.store(fd);
  struct sigaction action = {}, before = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  sigaction(StackSignal(), &action, &before);
  for (const pid_t thread : Threads()) {
    dprintf(fd, "thread %d %s:\n", thread, NameOf(thread).c_str());
    if (syscall(SYS_tgkill, getpid(), thread, StackSignal()) != 0) continue;  // has ended
    // The handler stays: one that answers late must find it.
    if (!Answered()) dprintf(fd, "  does not answer\n");
  }
}

}  // namespace longbow
