#include "recovery_lines.h"

#include <chrono>
#include <string>

namespace longbow {

RecoveryLines::RecoveryLines(const engine::RecoveryProgress* progress, observe::LineLog* log, int64_t look_ns)
    : progress_(progress), log_(log), look_ns_(look_ns), thread_([this] { Run(); }) {}

RecoveryLines::~RecoveryLines() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  end_.notify_all();
  thread_.join();
}

void RecoveryLines::Run() {
  int told = -kPercentALine, looks = 0;
  std::unique_lock lock(mutex_);
  while (!end_.wait_for(lock, std::chrono::nanoseconds(look_ns_), [this] { return ended_; })) {
    const int percent = progress_->percent();
    if (percent < told + kPercentALine && ++looks < kMostLooksALine) continue;
    Write(percent);
    told = percent;
    looks = 0;
  }
}

void RecoveryLines::Write(int percent) {
  log_->Info("recovering", {{"percent", std::to_string(percent)},
                            {"bytes", std::to_string(progress_->bytes.load())},
                            {"bytes_at_most", std::to_string(progress_->bytes_total.load())},
                            {"log_records", std::to_string(progress_->records.load())}});
}

}  // namespace longbow
