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
// cost this process.
#include <arrow/api.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <algorithm>
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
  std::vector<double> micros_;
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
      micros_.push_back(std::chrono::duration<double, std::micro>(now - connection->due).count());
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

void Load::Print(double cpu_seconds) {
  std::sort(micros_.begin(), micros_.end());
  const auto n = micros_.size();
  const double mean = std::accumulate(micros_.begin(), micros_.end(), 0.0) / static_cast<double>(n);
  std::printf(
      "{\"n\": %zu, \"rate\": %.1f, \"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"mean_us\": %.2f, "
      "\"cpu_us\": %.2f}\n",
      n, static_cast<double>(n) / args_.seconds, micros_[n / 2], micros_[n * 9 / 10], micros_[n * 99 / 100],
      mean, cpu_seconds * 1e6 / static_cast<double>(asked_));
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
  std::thread answers([this] { ServeAnswers(); });
  if (args_.rate > 0) Pace();
  {
    std::unique_lock lock(mutex_);
    answered_.wait(
        lock, [this] { return broken_ || (Clock::now() >= end_ && free_.size() == connections_.size()); });
  }
  const double cpu = CpuSeconds() - cpu_before;
  for (const auto& one : connections_) one->context.TryCancel();
  completions_.Shutdown();
  answers.join();
  if (broken_) return Error(ErrorCode::kUnavailable, "a stream broke while it was measured");
  if (micros_.empty()) return InvalidArgument("nothing was measured: give it more seconds");
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
