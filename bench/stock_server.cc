// The yardstick of `make bench-flight`: Arrow's own FlightServerBase, which throws away what is put, serves
// batches it made beforehand, and echoes exchanges. Links Arrow Flight and no gRPC of ours. Prints its port;
// ends with SIGTERM.
#include <arrow/api.h>
#include <arrow/flight/api.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace longbow::bench {
namespace {

namespace flight = arrow::flight;

constexpr int64_t kRows = 10'000;

arrow::Result<std::shared_ptr<arrow::RecordBatch>> MakeBatch(int dim) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> ids, arrow::AllocateBuffer(kRows * 8));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(kRows * dim * 4));
  auto* id = reinterpret_cast<int64_t*>(ids->mutable_data());
  for (int64_t i = 0; i < kRows; ++i) id[i] = i;
  auto* value = reinterpret_cast<float*>(values->mutable_data());
  for (int64_t i = 0; i < kRows * dim; ++i) value[i] = static_cast<float>(i % 1021);
  auto type = arrow::fixed_size_list(arrow::float32(), dim);
  auto vectors = std::make_shared<arrow::FixedSizeListArray>(
      type, kRows, std::make_shared<arrow::FloatArray>(kRows * dim, std::move(values)));
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("vector", type)}), kRows,
      {std::make_shared<arrow::Int64Array>(kRows, std::move(ids)), std::move(vectors)});
}

// Thread-safe.
class StockServer final : public flight::FlightServerBase {
 public:
  arrow::Status DoPut(const flight::ServerCallContext&, std::unique_ptr<flight::FlightMessageReader> reader,
                      std::unique_ptr<flight::FlightMetadataWriter>) override {
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(auto chunk, reader->Next());
      if (!chunk.data) return arrow::Status::OK();
    }
  }

  // The ticket is "<dim> <batches>".
  arrow::Status DoGet(const flight::ServerCallContext&, const flight::Ticket& ticket,
                      std::unique_ptr<flight::FlightDataStream>* out) override {
    const std::string& text = ticket.ticket;
    int dim = 0, batches = 0;
    auto [space, error] = std::from_chars(text.data(), text.data() + text.size(), dim);
    if (error != std::errc() || space == text.data() + text.size() || dim < 1) {
      return arrow::Status::Invalid("ticket: expected '<dim> <batches>', got ", text);
    }
    std::from_chars(space + 1, text.data() + text.size(), batches);
    ARROW_ASSIGN_OR_RAISE(auto batch, BatchOf(dim));
    std::vector<std::shared_ptr<arrow::RecordBatch>> all(static_cast<size_t>(batches), batch);
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make(std::move(all), batch->schema()));
    *out = std::make_unique<flight::RecordBatchStream>(std::move(reader));
    return arrow::Status::OK();
  }

  arrow::Status DoExchange(const flight::ServerCallContext&,
                           std::unique_ptr<flight::FlightMessageReader> reader,
                           std::unique_ptr<flight::FlightMessageWriter> writer) override {
    for (bool begun = false;;) {
      ARROW_ASSIGN_OR_RAISE(auto chunk, reader->Next());
      if (!chunk.data) return arrow::Status::OK();
      if (!std::exchange(begun, true)) ARROW_RETURN_NOT_OK(writer->Begin(chunk.data->schema()));
      ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*chunk.data));
    }
  }

 private:
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> BatchOf(int dim) {
    std::lock_guard lock(mutex_);
    auto& batch = batches_[dim];
    if (batch) return batch;
    ARROW_ASSIGN_OR_RAISE(batch, MakeBatch(dim));
    return batch;
  }

  std::mutex mutex_;
  std::map<int, std::shared_ptr<arrow::RecordBatch>> batches_;  // guarded by mutex_
};

arrow::Status Run() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  ARROW_ASSIGN_OR_RAISE(auto location, flight::Location::ForGrpcTcp("127.0.0.1", 0));
  StockServer server;
  ARROW_RETURN_NOT_OK(server.Init(flight::FlightServerOptions(location)));
  std::printf("%d\n", server.port());
  std::fflush(stdout);
  std::thread waiter([&] {
    int signal = 0;
    sigwait(&stop, &signal);
    const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(1);
    (void)server.Shutdown(&deadline);
  });
  const arrow::Status status = server.Serve();
  waiter.join();
  return status;
}

}  // namespace
}  // namespace longbow::bench

int main() {
  const arrow::Status status = longbow::bench::Run();
  if (!status.ok()) std::fprintf(stderr, "stock_server: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
