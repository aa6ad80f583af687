// Load of single searches over many connections, from one process that takes little of the machine.
//
// usage: search_load PORT TOKEN COMMAND QUERY_FILE DIM SECONDS CONNECTIONS [RATE even|random]
//   COMMAND      the DoExchange descriptor's command
//   QUERY_FILE   float32 rows of DIM numbers, asked in turn
//   RATE         questions a second of all connections together, evenly spaced or at random moments
//   (Poisson), whatever the answers take. A question goes out by a connection that waits for none, or waits
//   for one; its time counts from when it was due. Without a rate every connection asks again as soon as it
//   is answered.
// Prints {"n", "rate", "p50_us", "p90_us", "p99_us", "mean_us", "cpu_us"} as JSON; cpu_us is what a question
// cost this process. As root also "stood_still", the share of the time in which a core ran nothing, not even
// a thread that goes before all others, and "calm_n", "calm_p50_us", "calm_p99_us" of the questions that were
// due outside of such moments and of what they left to be caught up with.
#include <arrow/api.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/protocol/flight_data.h"
#include "longbow/protocol/flight_messages.h"
#include "longbow/server/byte_buffers.h"

namespace longbow::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Questions due shortly before a standstill are answered in it; what it holds up is caught up with at about
// twice the rate at which questions come.
constexpr auto kBefore = std::chrono::microseconds(300);
constexpr int kCatchUp = 2;

struct Arguments {
  std::string target, token, command, query_file;
  int dim = 0;
  double seconds = 1;
  int connections = 1;
  double rate = 0;
  bool random = false;
};

// The messages of a stream, encoded once.
struct Questions {
  grpc::ByteBuffer opening;
  std::vector<grpc::ByteBuffer> batches;
};

Result<Questions> ReadQuestions(const Arguments& args) {
  std::ifstream file(args.query_file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const int64_t row_bytes = int64_t{4} * args.dim;
  if (row_bytes == 0 || static_cast<int64_t>(bytes.size()) < row_bytes) {
    return InvalidArgument("no queries in ", args.query_file);
  }
  const auto type = arrow::fixed_size_list(arrow::float32(), args.dim);
  const auto schema = arrow::schema({arrow::field("query_vector", type)});
  Questions out;
  LB_ASSIGN_OR_RETURN(BufferChain encoded, protocol::EncodeSchemaMessage(*schema));
  LB_ASSIGN_OR_RETURN(protocol::FlightData opening, protocol::ParseFlightData(encoded));
  opening.descriptor = protocol::EncodeFlightDescriptor({{}, args.command});
  out.opening = server::ToByteBuffer(protocol::EncodeFlightData(opening));
  const std::shared_ptr<arrow::Buffer> all = arrow::Buffer::FromString(bytes);
  for (int64_t at = 0; at + row_bytes <= all->size(); at += row_bytes) {
    auto values = std::make_shared<arrow::FloatArray>(args.dim, arrow::SliceBuffer(all, at, row_bytes));
    const auto batch = arrow::RecordBatch::Make(
        schema, 1, {std::make_shared<arrow::FixedSizeListArray>(type, 1, std::move(values))});
    LB_ASSIGN_OR_RETURN(encoded, protocol::EncodeBatchMessage(*batch));
    out.batches.push_back(server::ToByteBuffer(encoded));
  }
  return out;
}

// Moments in which the machine did not run: a thread on each core that goes before all others wakes now and
// then, and sees when it wakes late. Thread-safe.
class Standstills {
 public:
  ~Standstills() { Stop(); }
  // False without the right to such threads.
  bool Start() {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned core = 0; core < cores; ++core) {
      threads_.emplace_back([this] { Watch(); });
      cpu_set_t only;
      CPU_ZERO(&only);
      CPU_SET(core, &only);
      const pthread_t thread = threads_.back().native_handle();
      const sched_param first{.sched_priority = 50};
      if (pthread_setaffinity_np(thread, sizeof(only), &only) != 0 ||
          pthread_setschedparam(thread, SCHED_FIFO, &first) != 0) {
        Stop();
        return false;
      }
    }
    return true;
  }
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  struct Moment {
    Clock::time_point begin, end;
  };
  // Once stopped.
  std::vector<Moment> Ordered() {
    std::sort(moments_.begin(), moments_.end(),
              [](const Moment& a, const Moment& b) { return a.begin < b.begin; });
    return moments_;
  }

 private:
  static constexpr auto kEvery = std::chrono::microseconds(500);
  static constexpr auto kLate = std::chrono::microseconds(500);

  void Watch() {
    for (auto due = Clock::now() + kEvery; !stop_; due += kEvery) {
      const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(due.time_since_epoch()).count();
      const timespec at{since / 1'000'000'000, since % 1'000'000'000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
      const auto now = Clock::now();
      if (now - due < kLate) continue;
      std::lock_guard lock(mutex_);
      moments_.push_back({due, now});
      due = now;
    }
  }

  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<Moment> moments_;  // guarded by mutex_
  std::vector<std::thread> threads_;
};

// One stream of its own connection, with at most one question under way. Confined to the holder of the load's
// mutex.
struct Connection {
  std::unique_ptr<grpc::GenericStub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  grpc::ByteBuffer answer;
  int under_way = 0;  // calls to gRPC that have not come back
  Clock::time_point due;
};

class Load {
 public:
  Load(const Arguments& args, Questions questions) : args_(args), questions_(std::move(questions)) {}

  Status Run();

 private:
  Status Open();
  Status WaitFor(int events);
  void Ask(Connection* connection, Clock::time_point due);
  void ServeAnswers();
  void Pace();
  void Print(double cpu_seconds);

  const Arguments args_;
  const Questions questions_;
  grpc::CompletionQueue completions_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Clock::time_point begin_, end_;

  std::mutex mutex_;  // guards what follows, and the connections while load is made
  std::condition_variable answered_;
  std::vector<Connection*> free_;
  size_t next_ = 0;
  size_t asked_ = 0;
  bool broken_ = false;
  struct Answered {
    Clock::time_point due;
    double micros;
  };
  std::vector<Answered> answers_;
  Standstills standstills_;
  bool watched_ = false;
};

Status Load::WaitFor(int events) {
  void* tag = nullptr;
  bool ok = true;
  for (int i = 0; i < events; ++i) {
    if (!completions_.Next(&tag, &ok) || !ok) return Error(ErrorCode::kUnavailable, "a stream broke");
  }
  return Status::OK();
}

Status Load::Open() {
  grpc::ChannelArguments own;
  own.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  for (int i = 0; i < args_.connections; ++i) {
    auto one = std::make_unique<Connection>();
    one->stub = std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel(args_.target, grpc::InsecureChannelCredentials(), own));
    one->context.AddMetadata("authorization", "Bearer " + args_.token);
    one->stream = one->stub->PrepareCall(&one->context, "/arrow.flight.protocol.FlightService/DoExchange",
                                         &completions_);
    one->stream->StartCall(one.get());
    LB_RETURN_NOT_OK(WaitFor(1));
    one->stream->Write(questions_.opening, one.get());
    LB_RETURN_NOT_OK(WaitFor(1));
    one->stream->Write(questions_.batches[0], one.get());
    one->stream->Read(&one->answer, one.get());
    LB_RETURN_NOT_OK(WaitFor(2));
    one->stream->Read(&one->answer, one.get());  // behind the first answer's schema
    LB_RETURN_NOT_OK(WaitFor(1));
    connections_.push_back(std::move(one));
  }
  return Status::OK();
}

void Load::Ask(Connection* connection, Clock::time_point due) {
  connection->due = due;
  connection->under_way = 2;
  ++asked_;
  connection->stream->Write(questions_.batches[next_++ % questions_.batches.size()], connection);
  connection->stream->Read(&connection->answer, connection);
}

void Load::ServeAnswers() {
  void* tag = nullptr;
  bool ok = true;
  while (completions_.Next(&tag, &ok)) {
    const auto now = Clock::now();
    std::lock_guard lock(mutex_);
    if (!ok) {
      broken_ = true;
      answered_.notify_all();
      return;
    }
    auto* const connection = static_cast<Connection*>(tag);
    if (--connection->under_way > 0) continue;
    if (connection->due >= begin_) {
      answers_.push_back(
          {connection->due, std::chrono::duration<double, std::micro>(now - connection->due).count()});
    }
    if (args_.rate == 0 && now < end_) {
      Ask(connection, now);
    } else {
      free_.push_back(connection);
      answered_.notify_one();
    }
  }
}

void Load::Pace() {
  std::mt19937_64 random(std::random_device{}());
  std::exponential_distribution<double> gap(args_.rate);
  for (auto due = Clock::now(); due < end_ && !broken_;) {
    const double seconds = args_.random ? gap(random) : 1 / args_.rate;
    due += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::this_thread::sleep_until(due);
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [this] { return broken_ || !free_.empty(); });
    if (broken_) return;
    Connection* const connection = free_.back();
    free_.pop_back();
    Ask(connection, due);
  }
}

std::vector<double> Sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

void Load::Print(double cpu_seconds) {
  std::vector<double> all, calm;
  for (const Answered& answer : answers_) all.push_back(answer.micros);
  all = Sorted(std::move(all));
  const auto n = all.size();
  const double mean = std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(n);
  std::printf(
      "{\"n\": %zu, \"rate\": %.1f, \"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"mean_us\": %.2f, "
      "\"cpu_us\": %.2f",
      n, static_cast<double>(n) / args_.seconds, all[n / 2], all[n * 9 / 10], all[n * 99 / 100], mean,
      cpu_seconds * 1e6 / static_cast<double>(asked_));
  if (watched_) {
    const std::vector<Standstills::Moment> moments = standstills_.Ordered();
    Clock::duration still{};
    for (const auto& moment : moments) {
      if (moment.begin >= begin_ && moment.begin < end_) still += moment.end - moment.begin;
    }
    for (const Answered& answer : answers_) {
      const bool within = std::any_of(moments.begin(), moments.end(), [&](const auto& moment) {
        const auto length = moment.end - moment.begin;
        return answer.due >= moment.begin - kBefore && answer.due < moment.end + kCatchUp * length;
      });
      if (!within) calm.push_back(answer.micros);
    }
    calm = Sorted(std::move(calm));
    const double share = std::chrono::duration<double>(still).count() / args_.seconds /
                         std::max(1u, std::thread::hardware_concurrency());
    std::printf(", \"stood_still\": %.5f, \"calm_n\": %zu, \"calm_p50_us\": %.2f, \"calm_p99_us\": %.2f",
                share, calm.size(), calm.empty() ? 0 : calm[calm.size() / 2],
                calm.empty() ? 0 : calm[calm.size() * 99 / 100]);
  }
  std::printf("}\n");
}

double CpuSeconds() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

Status Load::Run() {
  LB_RETURN_NOT_OK(Open());
  const double cpu_before = CpuSeconds();
  begin_ = Clock::now() + std::chrono::milliseconds(200);  // what is before it warms up
  end_ = begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(args_.seconds));
  {
    std::lock_guard lock(mutex_);
    for (const auto& one : connections_) {
      if (args_.rate == 0) {
        Ask(one.get(), Clock::now());
      } else {
        free_.push_back(one.get());
      }
    }
  }
  watched_ = standstills_.Start();
  std::thread answers([this] { ServeAnswers(); });
  if (args_.rate > 0) Pace();
  {
    std::unique_lock lock(mutex_);
    answered_.wait(
        lock, [this] { return broken_ || (Clock::now() >= end_ && free_.size() == connections_.size()); });
  }
  const double cpu = CpuSeconds() - cpu_before;
  standstills_.Stop();
  for (const auto& one : connections_) one->context.TryCancel();
  completions_.Shutdown();
  answers.join();
  if (broken_) return Error(ErrorCode::kUnavailable, "a stream broke while it was measured");
  if (answers_.empty()) return InvalidArgument("nothing was measured: give it more seconds");
  Print(cpu);
  return Status::OK();
}

Status Main(const Arguments& args) {
  LB_ASSIGN_OR_RETURN(Questions questions, ReadQuestions(args));
  return Load(args, std::move(questions)).Run();
}

}  // namespace
}  // namespace longbow::bench

int main(int argc, char** argv) {
  if (argc != 8 && argc != 10) {
    std::fprintf(
        stderr,
        "usage: search_load PORT TOKEN COMMAND QUERY_FILE DIM SECONDS CONNECTIONS [RATE even|random]\n");
    return 2;
  }
  longbow::bench::Arguments args{.target = "127.0.0.1:" + std::string(argv[1]),
                                 .token = argv[2],
                                 .command = argv[3],
                                 .query_file = argv[4],
                                 .dim = std::atoi(argv[5]),
                                 .seconds = std::atof(argv[6]),
                                 .connections = std::max(1, std::atoi(argv[7]))};
  if (argc == 10) {
    args.rate = std::atof(argv[8]);
    args.random = std::string(argv[9]) == "random";
  }
  const longbow::Status status = longbow::bench::Main(args);
  if (!status.ok()) std::fprintf(stderr, "search_load: %s\n", status.ToString().c_str());
  std::fflush(nullptr);
  std::_Exit(status.ok() ? 0 : 1);  // gRPC's threads never meet destructors of globals
}
