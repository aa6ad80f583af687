#include "longbow/base/flush_order.h"

#include <algorithm>
#include <future>
#include <iterator>
#include <utility>

namespace longbow {

uint64_t FlushOrder::Begin() {
  std::lock_guard lock(mutex_);
  under_way_.insert(under_way_.end(), next_);
  return next_++;
}

void FlushOrder::End(uint64_t flush, bool failed, std::function<void(bool)> then) {
  std::vector<Waiting> ready;
  bool believed = false;
  {
    std::lock_guard lock(mutex_);
    under_way_.erase(flush);
    failed_ = failed_ || failed;
    believed = !failed_;
    waiting_.push_back({next_ - 1, std::move(then)});
    const auto waits = [&](const Waiting& one) {
      return believed && !under_way_.empty() && *under_way_.begin() <= one.last;
    };
    const auto first = std::find_if(waiting_.begin(), waiting_.end(), waits);
    ready.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(first));
    waiting_.erase(waiting_.begin(), first);
  }
  for (const Waiting& one : ready) one.then(believed);
}

bool FlushOrder::EndAndWait(uint64_t flush, bool failed) {
  std::promise<bool> believed;
  End(flush, failed, [&](bool yes) { believed.set_value(yes); });
  return believed.get_future().get();
}

}  // namespace longbow
