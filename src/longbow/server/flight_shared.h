// What all calls of one Flight server share.
#pragma once

#include <grpcpp/server_context.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "longbow/base/executor.h"
#include "longbow/base/status.h"
#include "longbow/protocol/ticket.h"
#include "longbow/query/search_batcher.h"
#include "longbow/server/flight_counters.h"
#include "longbow/server/flight_server.h"
#include "longbow/server/index_timing.h"
#include "longbow/server/rate_limiter.h"
#include "longbow/server/serving.h"

namespace longbow::server {

class StreamReactor;

// How many of gRPC's callback threads are at work, so that no search takes the last one. Atomic.
class HandlerLoad {
 public:
  HandlerLoad();
  class Busy {
   public:
    explicit Busy(HandlerLoad* load) : load_(load) { load_->busy_.fetch_add(1, std::memory_order_relaxed); }
    ~Busy() { load_->busy_.fetch_sub(1, std::memory_order_relaxed); }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    HandlerLoad* const load_;
  };
  // Asked by one that is busy itself.
  bool AnotherIsFree() const { return busy_.load(std::memory_order_relaxed) < handlers_; }

 private:
  const int handlers_;
  std::atomic<int> busy_{0};
};

// Every call under way. Thread-safe.
class CallTable {
 public:
  // False when `limit` calls are under way.
  bool Add(StreamReactor* call, size_t limit);
  void Remove(StreamReactor* call);
  // Shared pointers, so that none of them ends meanwhile.
  std::vector<std::shared_ptr<StreamReactor>> All() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_set<StreamReactor*> calls_;  // guarded by mutex_
};

// Outlives every call and every completion: they hold it by shared_ptr. Its parts are thread-safe.
struct FlightShared {
  FlightShared(const FlightOptions& o, Serving* s);

  const FlightOptions options;
  Serving* const serving;
  FlightCounters counters;
  HandlerLoad handlers;
  std::optional<RateLimiter> rate_limiter;  // absent: no limit
  CallTable calls;
  const std::shared_ptr<IndexTiming> index_timing;

  const Clock& clock() const { return *serving->environment().clock; }
  Executor& searchers() const { return *serving->environment().searchers; }

  // The search, along edges when the call asks for it, timed.
  Result<query::SearchAnswer> Search(const protocol::SearchCall& call);
  // Calls `done` once with what Search gives: from here when the search is short and another handler is free,
  // else from a searcher, together with others like it that wait. ResourceExhausted when too many do; then
  // `done` is not called.
  Status RunSearch(protocol::SearchCall call, query::SearchBatcher::Done done);
  // Runs `search`, estimated to take `nanos`: here when that is short and another handler is free, else on
  // the searchers. ResourceExhausted when too many are waiting there; then it is not run.
  Status RunSearch(double nanos, Task search);

 private:
  Status TooManyWait();
};

// Unauthenticated, saying what to send, unless the call carries the token or none is wanted.
Status CheckToken(const grpc::ServerContextBase& context, const FlightOptions& options);
// What the header "x-longbow-compression" asks the bodies of answers to be: "lz4", "zstd", or "none", as
// without it. InvalidArgument for another word.
Result<engine::BodyCompression> AskedCompression(const grpc::ServerContextBase& context);
// The password of an "authorization: Basic" header; empty when there is none.
std::string BasicPassword(const grpc::ServerContextBase& context);
// Takes as long whatever `given` is; only its length shows.
bool SameSecret(std::string_view expected, std::string_view given);

}  // namespace longbow::server
