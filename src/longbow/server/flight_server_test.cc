// The Flight server through a bare gRPC channel, where Flight's own clients cannot reach.
#include "longbow/server/flight_server.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/sync_stream.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "longbow/base/counters_for_test.h"
#include "longbow/engine/engine.h"
#include "longbow/protocol/flight_data.h"
#include "longbow/protocol/flight_messages.h"
#include "longbow/query/search.h"
#include "longbow/server/byte_buffers.h"
#include "longbow/server/serving.h"

namespace longbow::server {
namespace {

constexpr int kDim = 128;

// A call as bytes: whatever a client could put on the wire.
class RawCall {
 public:
  using Stream = grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  RawCall(grpc::Channel* channel, const std::string& method, const std::string& token = "",
          int deadline_ms = 20000)
      : path_("/arrow.flight.protocol.FlightService/" + method),
        method_(path_.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING) {
    if (!token.empty()) context_.AddMetadata("authorization", "Bearer " + token);
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(deadline_ms));
    stream_.reset(grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
        channel, method_, &context_));
  }
  ~RawCall() { context_.TryCancel(); }

  bool Write(const BufferChain& message) { return stream_->Write(ToByteBuffer(message)); }
  bool Write(const std::string& message) { return stream_->Write(ToByteBuffer(message)); }
  bool Read(BufferChain* message = nullptr) {
    grpc::ByteBuffer raw;
    if (!stream_->Read(&raw)) return false;
    if (message != nullptr) *message = ToChain(raw);
    return true;
  }
  // Half-closes, drops what still comes, and tells the end.
  grpc::Status Finish() {
    stream_->WritesDone();
    while (Read()) {
    }
    return stream_->Finish();
  }
  void Cancel() { context_.TryCancel(); }

 private:
  const std::string path_;
  const grpc::internal::RpcMethod method_;
  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
};

std::shared_ptr<arrow::RecordBatch> Rows(int64_t first, int64_t rows) {
  std::vector<int64_t> ids(static_cast<size_t>(rows));
  std::vector<float> numbers(static_cast<size_t>(rows * kDim));
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = first + static_cast<int64_t>(i);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i % 997);
  const auto key = std::make_shared<arrow::Int64Array>(rows, arrow::Buffer::FromVector(std::move(ids)));
  const auto values =
      std::make_shared<arrow::FloatArray>(rows * kDim, arrow::Buffer::FromVector(std::move(numbers)));
  const auto vectors = *arrow::FixedSizeListArray::FromArrays(values, kDim);
  const auto schema =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("vector", vectors->type())});
  return arrow::RecordBatch::Make(schema, rows, {key, vectors});
}

BufferChain OpeningMessage(const protocol::FlightDescriptor& descriptor, const arrow::Schema& schema) {
  auto message = protocol::ParseFlightData(*protocol::EncodeSchemaMessage(schema)).ValueOrDie();
  message.descriptor = protocol::EncodeFlightDescriptor(descriptor);
  return protocol::EncodeFlightData(message);
}

int64_t StatusField(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != field + ":") continue;
    int64_t value = 0;
    status >> value;
    return value;
  }
  return -1;
}

class FlightServerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/longbow_flight_XXXXXX";
    root_ = mkdtemp(name);
    files_ = MakePosixFileSystem(root_, 1).ValueOrDie();
    for (auto* pool : {&appliers_, &searchers_, &builders_}) *pool = MakeThreadPool({.threads = 2});
    const Environment environment{files_.get(),    SystemClock(),    SystemRandom(),
                                  appliers_.get(), searchers_.get(), builders_.get()};
    serving_ = std::make_unique<Serving>(environment, &ledger_, nullptr);
  }
  void TearDown() override {
    channel_.reset();
    server_.reset();
    query_.reset();
    engine_.reset();
    for (auto* pool : {&appliers_, &searchers_, &builders_}) pool->reset();
    serving_.reset();
    files_.reset();
    std::filesystem::remove_all(root_);
  }

  void Listen(FlightOptions options = {}) {
    options.data_address = options.meta_address = "127.0.0.1:0";
    server_ = FlightServer::Start(options, serving_.get()).ValueOrDie();
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    channel_ = grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->ports().data),
                                         grpc::InsecureChannelCredentials(), arguments);
  }
  void OpenEngine() {
    engine::EngineOptions options;
    options.log.segment_bytes = 1 << 20;
    options.log.spare_segments = 0;
    engine_ = engine::Engine::Open(serving_->environment(), &ledger_, &arena_, options).ValueOrDie();
    query_ = std::make_unique<query::QueryEngine>(engine_.get(), serving_->environment(), &ledger_,
                                                  query::QueryOptions{});
    serving_->Open(engine_.get(), query_.get());
  }
  grpc::Status Put(const std::string& dataset, int64_t batches, int64_t rows) {
    RawCall call(channel_.get(), "DoPut");
    call.Write(OpeningMessage({{dataset}, ""}, *Rows(0, 1)->schema()));
    for (int64_t i = 0; i < batches; ++i) call.Write(*protocol::EncodeBatchMessage(*Rows(i * rows, rows)));
    return call.Finish();
  }
  double Count(const std::string& name) const { return CountersSeen::Of(*server_)[name]; }
  // Waits until the counter has the value; the limit is only there to end a test that fails.
  bool Reaches(const std::string& name, int64_t value) const {
    for (int i = 0; i < 2000 && Count(name) != value; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return Count(name) == value;
  }

  std::string root_;
  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<Executor> appliers_, searchers_, builders_;
  std::unique_ptr<Serving> serving_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<query::QueryEngine> query_;
  std::unique_ptr<FlightServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(FlightServerTest, GarbageInAPutIsInvalidArgumentAndEarlierBatchesStay) {
  OpenEngine();
  Listen();
  const auto batch = *protocol::EncodeBatchMessage(*Rows(0, 100));
  const std::string garbage[] = {std::string(11, '\xff'),
                                 std::string("\x12\xff\x7f"),
                                 std::string("\x12\x40") + std::string(64, 'Z'),
                                 ToText(batch).substr(0, static_cast<size_t>(batch.size()) - 9),
                                 "",
                                 "\x28\x01"};
  int number = 0;
  for (const std::string& message : garbage) {
    const std::string dataset = "d" + std::to_string(number++);
    RawCall call(channel_.get(), "DoPut");
    call.Write(OpeningMessage({{dataset}, ""}, *Rows(0, 1)->schema()));
    call.Write(batch);
    call.Write(message);
    const grpc::Status status = call.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << number << ": " << status.error_message();
    EXPECT_EQ(engine_->Info(dataset)->rows, 100) << number;
  }
}

TEST_F(FlightServerTest, AMessageOverTheLimitNeverEndsInOk) {
  OpenEngine();
  FlightOptions options;
  options.max_receive_bytes = 64 << 10;
  Listen(options);
  EXPECT_EQ(Put("d", 1, 1000).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  const grpc::Status within = Put("d", 1, 10);
  EXPECT_TRUE(within.ok()) << within.error_code() << " " << within.error_message();
}

TEST_F(FlightServerTest, NobodyIsServedWithoutTheToken) {
  OpenEngine();
  FlightOptions options;
  options.token = "secret-token";
  Listen(options);
  for (const std::string method : {"DoGet", "DoPut", "DoExchange", "DoAction", "ListActions", "ListFlights",
                                   "GetFlightInfo", "GetSchema", "PollFlightInfo", "Handshake"}) {
    for (const std::string token : {"", "wrong-token!", "secret-tokem", "secret-token2", "secret-toke"}) {
      RawCall call(channel_.get(), method, token);
      call.Write(std::string());
      const grpc::Status status = call.Finish();
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED)
          << method << " with '" << token << "'";
      EXPECT_NE(status.error_message().find("authorization: Bearer"), std::string::npos);
    }
  }
  RawCall right(channel_.get(), "ListActions", "secret-token");
  right.Write(std::string());
  EXPECT_TRUE(right.Finish().ok());
}

TEST_F(FlightServerTest, CallsWaitForRecoveryUpToTheirDeadline) {
  Listen();
  RawCall hasty(channel_.get(), "ListFlights", "", 500);
  hasty.Write(std::string());
  const grpc::Status early = hasty.Finish();
  EXPECT_EQ(early.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_NE(early.error_message().find("warming 0 %"), std::string::npos) << early.error_message();

  RawCall patient(channel_.get(), "ListFlights");
  patient.Write(std::string());
  RawCall gone(channel_.get(), "ListFlights");
  gone.Write(std::string());
  ASSERT_TRUE(Reaches("flight_calls_running", 2));
  gone.Cancel();
  ASSERT_TRUE(Reaches("flight_calls_running", 1));
  OpenEngine();
  EXPECT_TRUE(patient.Finish().ok());
}

TEST_F(FlightServerTest, AFailedRecoveryIsTold) {
  Listen();
  serving_->Fail(Error(ErrorCode::kCorruption, "log: record 7 is damaged"));
  RawCall call(channel_.get(), "ListFlights");
  call.Write(std::string());
  const grpc::Status status = call.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(status.error_message(), "log: record 7 is damaged");
  EXPECT_NE(status.error_details().find("Corruption"), std::string::npos);
}

TEST_F(FlightServerTest, AnAbandonedScanIsGone) {
  OpenEngine();
  Listen();
  ASSERT_TRUE(Put("d", 20, 5000).ok());
  for (int i = 0; i < 10; ++i) {
    RawCall call(channel_.get(), "DoGet");
    call.Write(protocol::EncodeTicket("d"));
    ASSERT_TRUE(call.Read());
    call.Cancel();
  }
  EXPECT_TRUE(Reaches("flight_calls_running", 0));
}

TEST_F(FlightServerTest, AClientThatTakesNothingIsCutOff) {
  OpenEngine();
  FlightOptions options;
  options.stalled_transfer_ms = 100;
  Listen(options);
  ASSERT_TRUE(Put("d", 20, 5000).ok());
  RawCall idle(channel_.get(), "DoExchange");  // idle streams are not stalled ones
  idle.Write(OpeningMessage({{}, "VectorSearch"}, *Rows(0, 1)->schema()));
  RawCall call(channel_.get(), "DoGet");
  call.Write(protocol::EncodeTicket("d"));
  ASSERT_TRUE(Reaches("flight_stalled_total", 1));
  EXPECT_FALSE(call.Finish().ok());
  EXPECT_TRUE(idle.Finish().ok());
}

TEST_F(FlightServerTest, IdleStreamsCostLittle) {
  OpenEngine();
  Listen();
  const auto opening = OpeningMessage({{}, "VectorSearch"}, *Rows(0, 1)->schema());
  std::vector<std::unique_ptr<RawCall>> calls;
  const auto open = [&](size_t count) {
    while (calls.size() < count) {
      calls.push_back(std::make_unique<RawCall>(channel_.get(), "DoExchange", "", 600000));
      calls.back()->Write(opening);
    }
    ASSERT_TRUE(Reaches("flight_calls_running", static_cast<int64_t>(count)));
  };
  open(1);
  const int64_t threads = StatusField("Threads"), kilobytes = StatusField("VmRSS");
  open(201);
  EXPECT_LT(StatusField("Threads") - threads, 16);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(StatusField("VmRSS") - kilobytes, 64 << 10);  // the clients' side included
#endif
  for (auto& call : calls) EXPECT_TRUE(call->Finish().ok());
}

TEST_F(FlightServerTest, ShutsDownWithStreamsOpen) {
  OpenEngine();
  Listen();
  ASSERT_TRUE(Put("d", 20, 5000).ok());
  RawCall put(channel_.get(), "DoPut"), get(channel_.get(), "DoGet"), exchange(channel_.get(), "DoExchange");
  put.Write(OpeningMessage({{"e"}, ""}, *Rows(0, 1)->schema()));
  get.Write(protocol::EncodeTicket("d"));
  exchange.Write(OpeningMessage({{}, "VectorSearch"}, *Rows(0, 1)->schema()));
  ASSERT_TRUE(Reaches("flight_calls_running", 3));
  server_->Shutdown(100);
  EXPECT_EQ(Count("flight_calls_running"), 0);
  EXPECT_FALSE(put.Finish().ok());
}

TEST_F(FlightServerTest, RefusesSettingsThatContradict) {
  FlightOptions options;
  options.memory_quota_bytes = options.max_receive_bytes;
  auto server = FlightServer::Start(options, serving_.get());
  ASSERT_FALSE(server.ok());
  EXPECT_EQ(CodeOf(server.status()), ErrorCode::kInvalidArgument);
}

TEST_F(FlightServerTest, NamesTheAddressThatIsTaken) {
  Listen();
  FlightOptions options;
  options.data_address = "127.0.0.1:" + std::to_string(server_->ports().data);
  options.meta_address = "";
  auto second = FlightServer::Start(options, serving_.get());
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find(options.data_address), std::string::npos) << second.status();
}

}  // namespace
}  // namespace longbow::server
