// One Flight call on gRPC's callback API: messages in, messages out, an end. Every Flight method is served as
// a stream in both directions: on the wire there is no difference, and a call is admitted before its first
// message is read.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "longbow/base/budget.h"
#include "longbow/base/buffer_chain.h"
#include "longbow/base/status.h"
#include "longbow/server/flight_counters.h"
#include "longbow/server/flight_shared.h"

namespace longbow::server {

using BidiReactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

// Reads ahead by some messages while one is handled, hands them on one at a time and in order, queues
// answers, ends when all is sent. Lives until gRPC is done with it and nobody holds it any more, so
// completions may come late.
//
// Guarded: gRPC runs reactions of one call on several threads at once. All state sits behind mutex_; gRPC is
// only called without it, by one thread at a time (Pump), as Finish off a reaction may free what a concurrent
// call needs.
class StreamReactor : public BidiReactor, public std::enable_shared_from_this<StreamReactor> {
 public:
  enum class Input : uint8_t { kOneMessage, kMessages };
  enum class Admission : uint8_t { kToken, kAnyone };

  // Admits the call and begins it, or ends it.
  static BidiReactor* Start(std::shared_ptr<StreamReactor> call, Admission admission = Admission::kToken);

  // Ends the call when its client has stalled it mid-transfer since before `since_ns`.
  void CutIfStalled(int64_t since_ns);
  // Ends the call with Unavailable when it owes its client nothing: the server is stopping.
  void EndIfIdle();

  void OnReadDone(bool ok) final;
  void OnWriteDone(bool ok) final;
  void OnCancel() final;
  void OnDone() final;

 protected:
  StreamReactor(std::shared_ptr<FlightShared> shared, grpc::CallbackServerContext* context, FlightCall call,
                Input input);

  // One message; the next one comes after Continue, which is called exactly once, now or later, from any
  // thread.
  virtual void OnMessage(BufferChain message) = 0;
  // The client sends no more, and the last message was continued.
  virtual void OnHalfClose() = 0;
  // All that was queued has been taken by the transport. Whoever queues more does so as its last step.
  virtual void OnSent() {}
  // Between messages: nothing that came still waits for its answer. From any thread.
  virtual bool OwesNothing() { return false; }
  // The client went away, or the server cancelled the call. What is under way may be given up.
  virtual void OnGone() {}

  void Continue();
  void Send(grpc::ByteBuffer message);
  void Send(std::vector<grpc::ByteBuffer> messages);
  // After what is queued was sent. Later Sends, Continues and Ends do nothing.
  void End(const Status& status);
  // The last answers and OK, in one step.
  void EndWith(std::vector<grpc::ByteBuffer> last);
  // Nothing that is sent now would reach the client.
  bool Over();
  // Sent before the first answer; only until then.
  void AddHeader(const std::string& name, const std::string& value) {
    context_->AddInitialMetadata(name, value);
  }
  // Runs `then` when the engine serves, not later than the call's deadline; ends the call when it does not.
  void WhenOpen(std::function<void()> then);
  // Runs `work`; what it throws ends the call with Internal, never the process.
  void Guard(const std::function<void()>& work);
  // Runs `work` guarded on the searchers.
  void Post(std::function<void()> work);

  FlightShared& shared() const { return *shared_; }
  const std::shared_ptr<FlightShared>& shared_ptr() const { return shared_; }
  Serving& serving() const { return *shared_->serving; }
  int64_t deadline_ns() const { return deadline_ns_; }  // monotonic; 0: none
  int64_t start_ns() const { return start_ns_; }
  const StopSource* stop() const { return &stop_; }
  const grpc::CallbackServerContext& context() const {
    return *context_;
  }  // only before the call's first answer

 private:
  static constexpr size_t kMaxOutbox = 64;  // answers the client has not taken; beyond, no message is read

  struct Step {
    bool read = false, write = false, cancel = false, finish = false;
    grpc::Status status;  // to finish with
  };
  // Takes the call's turn; how long to wait for it.
  Result<int64_t> TakeTurn();
  void Begin();
  void Pump();
  Step Decide();                 // mutex_ held
  void Issue(const Step& step);  // mutex_ not held
  void Work();
  bool TakeMessage(BufferChain* message, bool* half_close);

  const std::shared_ptr<FlightShared> shared_;
  grpc::CallbackServerContext* const context_;
  const FlightCall call_;
  const Input input_;
  const int64_t start_ns_;
  int64_t deadline_ns_ = 0;
  StopSource stop_;
  grpc::ByteBuffer in_, out_;            // gRPC's while a read or write is under way
  std::shared_ptr<StreamReactor> self_;  // until OnDone

  std::mutex mutex_;  // the rest is guarded by it
  std::deque<grpc::ByteBuffer> inbox_, outbox_;
  grpc::Status status_;
  int64_t messages_read_ = 0;
  int64_t waiting_since_ns_ = 0;  // a write, or the one request, is under way since then; 0: none is
  uint64_t waiting_number_ = 0;   // at Serving
  bool admitted_ = false;
  bool reading_ = false, writing_ = false;
  bool working_ = false;  // Work runs, or a message waits for its Continue
  bool in_handler_ = false, continued_ = false;
  bool no_more_ = false, told_half_close_ = false;
  bool gone_ = false, ended_ = false, finished_ = false;
  bool cut_ = false, cut_issued_ = false;
  bool pumping_ = false;
};

}  // namespace longbow::server
