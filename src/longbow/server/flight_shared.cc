#include "longbow/server/flight_shared.h"

#include <arrow/util/base64.h>

#include <algorithm>
#include <exception>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "longbow/query/edge_rerank.h"
#include "longbow/server/stream_reactor.h"

namespace longbow::server {
namespace {

// gRPC 1.51 polls its callback queue with half as many threads as there are cores, 2 to 16
// (src/cpp/common/completion_queue_cc.cc).
int CallbackThreads() { return std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 2, 2, 16); }

std::string_view HeaderOf(const grpc::ServerContextBase& context, const char* name) {
  const auto& headers = context.client_metadata();
  const auto found = headers.find(name);
  if (found == headers.end() || headers.count(name) != 1) return {};
  return {found->second.data(), found->second.size()};
}

}  // namespace

HandlerLoad::HandlerLoad() : handlers_(CallbackThreads()) {}

bool CallTable::Add(StreamReactor* call, size_t limit) {
  std::lock_guard lock(mutex_);
  if (calls_.size() >= limit) return false;
  calls_.insert(call);
  return true;
}

void CallTable::Remove(StreamReactor* call) {
  std::lock_guard lock(mutex_);
  calls_.erase(call);
}

std::vector<std::shared_ptr<StreamReactor>> CallTable::All() const {
  std::vector<std::shared_ptr<StreamReactor>> out;
  std::lock_guard lock(mutex_);
  out.reserve(calls_.size());
  for (StreamReactor* call : calls_) out.push_back(call->shared_from_this());
  return out;
}

FlightShared::FlightShared(const FlightOptions& o, Serving* s)
    : options(o), serving(s), index_timing(std::make_shared<IndexTiming>(s->environment().clock)) {
  if (o.max_calls_per_second <= 0) return;
  rate_limiter.emplace(o.max_calls_per_second, o.call_burst > 0 ? o.call_burst : o.max_calls_per_second);
}

Result<query::SearchAnswer> FlightShared::Search(const protocol::SearchCall& call) {
  query::QueryEngine& query = *serving->query();
  auto answer = call.graph_alpha == 0
                    ? query.Search(call.request)
                    : query::SearchAlongEdges(query, *serving->engine(), call.request, call.graph_alpha);
  if (answer.ok()) counters.search_latencies.Record(call.request.dataset, answer->nanos);
  return answer;
}

Status FlightShared::RunSearch(protocol::SearchCall call, query::SearchBatcher::Done done) {
  query::QueryEngine& query = *serving->query();
  const double nanos = query.EstimateNanos(call.request);
  const bool short_one = nanos < options.inline_search_nanos && handlers.AnotherIsFree();
  if (short_one || call.graph_alpha != 0 || !query::SearchBatcher::Takes(call.request)) {
    return RunSearch(nanos, [this, call = std::move(call), done = std::move(done)] {
      Result<query::SearchAnswer> answer = Error(ErrorCode::kInternal, "the search failed");
      try {
        answer = Search(call);
      } catch (const std::exception& error) {
        answer = Error(ErrorCode::kInternal, "the search failed: ", error.what());
      }
      done(std::move(answer));
    });
  }
  std::string dataset = call.request.dataset;
  const bool waits = serving->batcher().Submit(
      std::move(call.request),
      [this, dataset = std::move(dataset), done = std::move(done)](Result<query::SearchAnswer> answer) {
        if (answer.ok()) counters.search_latencies.Record(dataset, answer->nanos);
        done(std::move(answer));
      });
  return waits ? Status::OK() : TooManyWait();
}

Status FlightShared::RunSearch(double nanos, Task search) {
  if (nanos < options.inline_search_nanos && handlers.AnotherIsFree()) {
    counters.searches_inline.Add();
    search();
    return Status::OK();
  }
  return searchers().TryPost(std::move(search)) ? Status::OK() : TooManyWait();
}

Status FlightShared::TooManyWait() {
  counters.searches_refused.Add();
  return Error(ErrorCode::kResourceExhausted, "too many searches are waiting (", searchers().waiting(),
               "): send fewer at a time, or try again");
}

Result<engine::BodyCompression> AskedCompression(const grpc::ServerContextBase& context) {
  constexpr const char* kHeader = "x-longbow-compression";
  const std::string_view asked = HeaderOf(context, kHeader);
  if (asked.empty() || asked == "none") return engine::BodyCompression::kNone;
  if (asked == "lz4") return engine::BodyCompression::kLz4;
  if (asked == "zstd") return engine::BodyCompression::kZstd;
  return InvalidArgument("header ", kHeader, ": expected lz4, zstd or none, got '", asked.substr(0, 64), "'");
}

std::string BasicPassword(const grpc::ServerContextBase& context) {
  constexpr std::string_view kBasic = "Basic ";
  std::string_view given = HeaderOf(context, "authorization");
  if (!given.starts_with(kBasic)) return {};
  given.remove_prefix(kBasic.size());
  const auto decoded = arrow::util::base64_decode(given);
  if (!decoded.ok()) return {};
  const size_t colon = decoded->find(':');
  return colon == std::string::npos ? std::string() : decoded->substr(colon + 1);
}

bool SameSecret(std::string_view expected, std::string_view given) {
  // Every byte of `given` is looked at; the volatile keeps the compiler from stopping early.
  volatile unsigned char different = expected.size() == given.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const unsigned char want =
        expected.empty() ? 0 : static_cast<unsigned char>(expected[i % expected.size()]);
    different = static_cast<unsigned char>(different | (want ^ static_cast<unsigned char>(given[i])));
  }
  return different == 0;
}

Status CheckToken(const grpc::ServerContextBase& context, const FlightOptions& options) {
  if (options.token.empty()) return Status::OK();
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view given = HeaderOf(context, "authorization");
  if (given.starts_with(kBearer)) {
    given.remove_prefix(kBearer.size());
  } else {
    given = HeaderOf(context, "auth-token-bin");  // where Flight's clients put what Handshake gave them
  }
  if (SameSecret(options.token, given)) return Status::OK();
  return Error(
      ErrorCode::kUnauthenticated, given.empty() ? "no token" : "wrong token",
      ": send the header \"authorization: Bearer <token>\" with the token from the server's token file");
}

}  // namespace longbow::server
