#include "longbow/base/shared_work.h"

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

namespace longbow {
namespace {

// Kept by tasks that may start when everything is over. Thread-safe.
struct Gathering {
  explicit Gathering(const std::function<void()>& what) : work(&what) {}

  std::mutex mutex;
  std::condition_variable left;
  const std::function<void()>* work;  // guarded by mutex; null once the asker is through
  int helping = 0;                    // guarded by mutex
  std::exception_ptr thrown;          // guarded by mutex: the first

  void Call(const std::function<void()>& body) {
    try {
      body();
    } catch (...) {
      std::lock_guard lock(mutex);
      if (thrown == nullptr) thrown = std::current_exception();
    }
  }
  void Help() {
    const std::function<void()>* body;
    {
      std::lock_guard lock(mutex);
      body = work;
      if (body == nullptr) return;
      ++helping;
    }
    Call(*body);
    std::lock_guard lock(mutex);
    if (--helping == 0) left.notify_all();
  }
};

}  // namespace

void WorkTogether(Executor* executor, int helpers, const std::function<void()>& work) {
  const auto gathering = std::make_shared<Gathering>(work);
  for (int i = 0; executor != nullptr && i < helpers; ++i) {
    executor->Post([gathering] { gathering->Help(); });
  }
  gathering->Call(work);
  // Whoever helps is running: in simulation, where tasks run inside calls of `work`, nobody is left by now.
  std::unique_lock lock(gathering->mutex);
  gathering->work = nullptr;
  gathering->left.wait(lock, [&] { return gathering->helping == 0; });
  if (gathering->thrown != nullptr) std::rethrow_exception(gathering->thrown);
}

}  // namespace longbow
