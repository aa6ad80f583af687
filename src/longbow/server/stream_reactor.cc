#include "longbow/server/stream_reactor.h"

#include <chrono>
#include <exception>
#include <limits>
#include <new>
#include <utility>

#include "longbow/base/check.h"
#include "longbow/server/byte_buffers.h"
#include "longbow/server/grpc_status.h"

namespace longbow::server {
namespace {

// gRPC tells deadlines in wall time; far ones mean none.
int64_t MonotonicDeadline(const grpc::CallbackServerContext& context, int64_t now_ns) {
  using std::chrono::system_clock;
  const auto left = context.deadline() - system_clock::now();
  if (left > std::chrono::hours(24 * 365)) return 0;
  const int64_t left_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
  return std::max<int64_t>(now_ns + left_ns, 1);
}

}  // namespace

StreamReactor::StreamReactor(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context,
                             FlightCall call, Input input)
    : shared_(std::move(shared)),
      context_(context),
      call_(call),
      input_(input),
      start_ns_(shared_->clock().MonotonicNanos()) {
  deadline_ns_ = MonotonicDeadline(*context, start_ns_);
}

BidiReactor* StreamReactor::Start(std::shared_ptr<StreamReactor> call, Admission admission) {
  StreamReactor* const reactor = call.get();
  FlightShared& shared = *reactor->shared_;
  shared.counters.of(reactor->call_).started.Add();
  shared.counters.calls_running.Add(1);
  reactor->self_ = std::move(call);
  Status admitted;
  if (admission == Admission::kToken) admitted = CheckToken(*reactor->context_, shared.options);
  if (!admitted.ok()) shared.counters.unauthenticated.Add();
  if (!shared.calls.Add(reactor, static_cast<size_t>(shared.options.max_calls)) && admitted.ok()) {
    shared.counters.calls_refused.Add();
    admitted = Error(ErrorCode::kResourceExhausted, "too many calls are under way (",
                     shared.options.max_calls, "): close some, or try again");
  }
  const Result<int64_t> wait_ns = admitted.ok() ? reactor->TakeTurn() : admitted;
  if (!wait_ns.ok()) {
    reactor->End(wait_ns.status());
  } else if (*wait_ns == 0) {
    reactor->Begin();
  } else {
    shared.searchers().PostAfter(*wait_ns, [waiting = reactor->self_] { waiting->Begin(); });
  }
  return reactor;
}

Result<int64_t> StreamReactor::TakeTurn() {
  if (!shared_->rate_limiter) return 0;
  const auto wait_ns = shared_->rate_limiter->Take(start_ns_, deadline_ns_);
  (wait_ns == 0 ? shared_->counters.calls_at_once : shared_->counters.calls_throttled).Add();
  if (wait_ns) return *wait_ns;
  return Error(ErrorCode::kResourceExhausted, "rate limit exceeded: ", shared_->options.max_calls_per_second,
               " calls a second may begin, and this one's turn comes after its deadline; try again later");
}

void StreamReactor::Begin() {
  {
    std::lock_guard lock(mutex_);
    admitted_ = true;
    if (input_ == Input::kOneMessage) waiting_since_ns_ = shared_->clock().MonotonicNanos();
  }
  Pump();
}

void StreamReactor::OnReadDone(bool ok) {
  bool work = false;
  {
    std::lock_guard lock(mutex_);
    reading_ = false;
    if (input_ == Input::kOneMessage) waiting_since_ns_ = 0;
    if (!ok) {
      // Half-close or cancel. A message that does not decode cannot look like this, its bytes arrive. One
      // whose frame the transport cut at the end of the stream does: gRPC drops it without a sign.
      no_more_ = true;
    } else if (!ended_ && !gone_) {  // a read under way when the call ended may still bring a message
      shared_->counters.bytes_read.Add(static_cast<int64_t>(in_.Length()));
      inbox_.emplace_back();
      inbox_.back().Swap(&in_);
    }
    in_.Clear();
    if (!working_ && !ended_ && !gone_) work = working_ = true;
  }
  const auto self = shared_from_this();
  Pump();  // first, so that the next message arrives while this one is handled
  if (!work) return;
  HandlerLoad::Busy busy(&shared_->handlers);
  Work();
}

void StreamReactor::OnWriteDone(bool ok) {
  const auto self = shared_from_this();
  bool sent = false;
  {
    std::lock_guard lock(mutex_);
    writing_ = false;
    waiting_since_ns_ = 0;
    out_.Clear();
    if (!ok) gone_ = true;
    sent = outbox_.empty() && !gone_ && !ended_;
  }
  Pump();
  if (!sent) return;
  HandlerLoad::Busy busy(&shared_->handlers);
  Guard([this] { OnSent(); });
}

void StreamReactor::OnCancel() {
  const auto self = shared_from_this();
  stop_.Stop();
  uint64_t waiting = 0;
  {
    std::lock_guard lock(mutex_);
    gone_ = true;
    inbox_.clear();
    std::swap(waiting, waiting_number_);
  }
  if (waiting != 0) serving().Forget(waiting);
  Guard([this] { OnGone(); });
  Pump();
}

void StreamReactor::OnDone() {
  CallCounters& counters = shared_->counters.of(call_);
  shared_->calls.Remove(this);
  shared_->counters.calls_running.Add(-1);
  counters.nanos.Record(shared_->clock().MonotonicNanos() - start_ns_);
  {
    std::lock_guard lock(mutex_);
    (ended_ && status_.ok() ? counters.succeeded : counters.failed).Add();
    inbox_.clear();
    outbox_.clear();
  }
  const auto last = std::move(self_);
}

void StreamReactor::CutIfStalled(int64_t since_ns) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_since_ns_ == 0 || waiting_since_ns_ > since_ns || cut_ || finished_) return;
    cut_ = true;
  }
  shared_->counters.stalled_cut.Add();
  Pump();
}

void StreamReactor::EndIfIdle() {
  {
    std::lock_guard lock(mutex_);
    if (working_ || writing_ || !inbox_.empty() || !outbox_.empty()) return;
  }
  if (OwesNothing()) End(Error(ErrorCode::kUnavailable, "the server is stopping: try again in a moment"));
}

// Takes the next message, or learns that there is nothing to do just now.
bool StreamReactor::TakeMessage(BufferChain* message, bool* half_close) {
  grpc::ByteBuffer raw;
  {
    std::lock_guard lock(mutex_);
    *half_close = false;
    in_handler_ = continued_ = false;
    if (ended_ || gone_) {
      working_ = false;
      return false;
    }
    if (inbox_.empty()) {
      working_ = false;
      *half_close = no_more_ && !told_half_close_;
      if (*half_close) told_half_close_ = true;
      return false;
    }
    raw.Swap(&inbox_.front());
    inbox_.pop_front();
    in_handler_ = true;
  }
  *message = ToChain(raw);
  return true;
}

void StreamReactor::Work() {
  const auto self = shared_from_this();
  for (;;) {
    BufferChain message;
    bool half_close = false;
    if (!TakeMessage(&message, &half_close)) {
      if (half_close) Guard([this] { OnHalfClose(); });
      return;
    }
    Pump();  // there is room in the inbox again
    Guard([&] { OnMessage(std::move(message)); });
    std::lock_guard lock(mutex_);
    in_handler_ = false;
    if (!continued_) return;  // Continue goes on, or the call has ended
  }
}

void StreamReactor::Continue() {
  {
    std::lock_guard lock(mutex_);
    if (in_handler_) {
      continued_ = true;
      return;
    }
  }
  Post([this] { Work(); });
}

void StreamReactor::Send(grpc::ByteBuffer message) {
  {
    std::lock_guard lock(mutex_);
    if (ended_ || gone_) return;
    outbox_.push_back(std::move(message));
  }
  Pump();
}

void StreamReactor::Send(std::vector<grpc::ByteBuffer> messages) {
  {
    std::lock_guard lock(mutex_);
    if (ended_ || gone_) return;
    for (auto& message : messages) outbox_.push_back(std::move(message));
  }
  Pump();
}

void StreamReactor::End(const Status& status) {
  {
    std::lock_guard lock(mutex_);
    if (ended_ || finished_) return;
    ended_ = true;
    status_ = ToGrpc(status);
    inbox_.clear();
  }
  Pump();
}

void StreamReactor::EndWith(std::vector<grpc::ByteBuffer> last) {
  {
    std::lock_guard lock(mutex_);
    if (ended_ || finished_) return;
    ended_ = true;
    inbox_.clear();
    if (!gone_) {
      for (auto& message : last) outbox_.push_back(std::move(message));
    }
  }
  Pump();
}

bool StreamReactor::Over() {
  std::lock_guard lock(mutex_);
  return ended_ || gone_;
}

void StreamReactor::WhenOpen(std::function<void()> then) {
  if (serving().engine() != nullptr) return then();
  const auto self = shared_from_this();
  const uint64_t number = serving().WhenOpen(deadline_ns_, [self, then = std::move(then)](Status status) {
    if (!status.ok()) return self->End(status);
    self->Post(then);  // whoever opened the engine has other things to do
  });
  if (number == 0) return;
  bool late = false;
  {
    std::lock_guard lock(mutex_);
    late = gone_;
    if (!late) waiting_number_ = number;
  }
  if (late) serving().Forget(number);
}

void StreamReactor::Guard(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    End(Error(ErrorCode::kResourceExhausted,
              "memory limit exceeded: the system has no memory for this call"));
  } catch (const CheckFailed& failed) {
    End(Error(ErrorCode::kInternal, "internal check failed: ", failed.what()));
  } catch (const std::exception& failed) {
    End(Error(ErrorCode::kInternal, "internal error: ", failed.what()));
  } catch (...) {
    End(Error(ErrorCode::kInternal, "internal error"));
  }
}

void StreamReactor::Post(std::function<void()> work) {
  shared_->searchers().Post([self = shared_from_this(), work = std::move(work)] { self->Guard(work); });
}

// One thread at a time gets to call gRPC; the others leave their wishes in the state and go. The one that is
// at it looks at the state again after each call, so no wish is lost.
void StreamReactor::Pump() {
  const auto self = shared_from_this();
  std::unique_lock lock(mutex_);
  if (pumping_) return;
  pumping_ = true;
  for (;;) {
    const Step step = Decide();
    if (!step.read && !step.write && !step.cancel && !step.finish) break;
    lock.unlock();
    Issue(step);
    if (step.finish) return;  // gRPC must not be called any more: pumping_ stays set
    lock.lock();
  }
  pumping_ = false;
}

StreamReactor::Step StreamReactor::Decide() {
  Step step;
  const bool over = ended_ || gone_;
  if (cut_ && !cut_issued_) cut_issued_ = step.cancel = true;
  const bool wanted = input_ == Input::kMessages || messages_read_ == 0;
  const auto depth = static_cast<size_t>(shared_->options.inbox_messages);
  if (admitted_ && wanted && !reading_ && !no_more_ && !over && inbox_.size() < depth &&
      outbox_.size() < kMaxOutbox) {
    reading_ = step.read = true;
    ++messages_read_;
  }
  if (gone_) outbox_.clear();
  if (!writing_ && !outbox_.empty()) {
    out_.Swap(&outbox_.front());
    outbox_.pop_front();
    writing_ = step.write = true;
    waiting_since_ns_ = shared_->clock().MonotonicNanos();
    shared_->counters.bytes_written.Add(static_cast<int64_t>(out_.Length()));
  }
  if (over && !writing_ && outbox_.empty()) {
    finished_ = step.finish = true;
    step.status = ended_ ? status_ : grpc::Status::CANCELLED;
  }
  return step;
}

void StreamReactor::Issue(const Step& step) {
  if (step.cancel) context_->TryCancel();
  if (step.read) StartRead(&in_);
  if (step.write) StartWrite(&out_);
  if (step.finish) Finish(step.status);
}

}  // namespace longbow::server
