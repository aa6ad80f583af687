// Round trips of small searches, one after the other on one connection, with Arrow's own Flight client.
//
// usage: search_client PORT TOKEN exchange|action COMMAND QUERY_FILE DIM SECONDS
//   COMMAND     exchange: the descriptor's command; action: a JSON object, to which the query's "vector" is
//   added QUERY_FILE  float32 rows of DIM numbers, asked in turn
// Prints {"n", "p50_us", "p99_us", "mean_us"} as JSON.
#include <arrow/api.h>
#include <arrow/flight/api.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

namespace longbow::bench {
namespace {

namespace flight = arrow::flight;
using Clock = std::chrono::steady_clock;

struct Arguments {
  int port = 0;
  std::string token, mode, command, query_file;
  int dim = 0;
  double seconds = 1;
};

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> ReadQueries(const Arguments& args) {
  std::ifstream file(args.query_file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const int64_t row_bytes = int64_t{4} * args.dim;
  if (row_bytes == 0 || static_cast<int64_t>(bytes.size()) < row_bytes) {
    return arrow::Status::Invalid("no queries in ", args.query_file);
  }
  auto type = arrow::fixed_size_list(arrow::float32(), args.dim);
  auto schema = arrow::schema({arrow::field("query_vector", type)});
  std::shared_ptr<arrow::Buffer> all = arrow::Buffer::FromString(bytes);
  std::vector<std::shared_ptr<arrow::RecordBatch>> queries;
  for (int64_t at = 0; at + row_bytes <= all->size(); at += row_bytes) {
    auto values = std::make_shared<arrow::FloatArray>(args.dim, arrow::SliceBuffer(all, at, row_bytes));
    queries.push_back(arrow::RecordBatch::Make(
        schema, 1, {std::make_shared<arrow::FixedSizeListArray>(type, 1, std::move(values))}));
  }
  return queries;
}

// Asks query `i` and takes the answer.
using Ask = std::function<arrow::Status(size_t i)>;

arrow::Result<std::vector<double>> Measure(const Ask& ask, double seconds) {
  const auto begin = Clock::now() + std::chrono::milliseconds(200);  // what is before it warms up
  const auto end =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::vector<double> micros;
  for (size_t i = 0;; ++i) {
    const auto start = Clock::now();
    if (start >= end) return micros;
    ARROW_RETURN_NOT_OK(ask(i));
    if (start >= begin)
      micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
}

arrow::Result<std::vector<double>> Exchange(flight::FlightClient* client,
                                            const flight::FlightCallOptions& options, const Arguments& args) {
  ARROW_ASSIGN_OR_RAISE(auto queries, ReadQueries(args));
  ARROW_ASSIGN_OR_RAISE(auto stream,
                        client->DoExchange(options, flight::FlightDescriptor::Command(args.command)));
  ARROW_RETURN_NOT_OK(stream.writer->Begin(queries[0]->schema()));
  const Ask ask = [&](size_t i) -> arrow::Status {
    ARROW_RETURN_NOT_OK(stream.writer->WriteRecordBatch(*queries[i % queries.size()]));
    ARROW_ASSIGN_OR_RAISE(auto chunk, stream.reader->Next());
    return chunk.data && chunk.data->num_rows() > 0 ? arrow::Status::OK()
                                                    : arrow::Status::Invalid("no answer");
  };
  ARROW_ASSIGN_OR_RAISE(auto micros, Measure(ask, args.seconds));
  ARROW_RETURN_NOT_OK(stream.writer->DoneWriting());
  ARROW_RETURN_NOT_OK(stream.writer->Close());
  return micros;
}

arrow::Result<std::vector<double>> Action(flight::FlightClient* client,
                                          const flight::FlightCallOptions& options, const Arguments& args) {
  ARROW_ASSIGN_OR_RAISE(auto queries, ReadQueries(args));
  std::vector<std::shared_ptr<arrow::Buffer>> bodies;
  for (const auto& query : queries) {
    const auto& vectors = static_cast<const arrow::FixedSizeListArray&>(*query->column(0));
    const auto& values = static_cast<const arrow::FloatArray&>(*vectors.values());
    std::string body = args.command.substr(0, args.command.rfind('}')) + ", \"vector\": [";
    for (int64_t i = 0; i < values.length(); ++i) {
      char number[32];
      std::snprintf(number, sizeof(number), "%s%.9g", i ? "," : "", static_cast<double>(values.Value(i)));
      body += number;
    }
    bodies.push_back(arrow::Buffer::FromString(body + "]}"));
  }
  const Ask ask = [&](size_t i) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(
        auto results, client->DoAction(options, flight::Action{"VectorSearch", bodies[i % bodies.size()]}));
    ARROW_ASSIGN_OR_RAISE(auto result, results->Next());
    if (!result) return arrow::Status::Invalid("no answer");
    return results->Next().status();
  };
  return Measure(ask, args.seconds);
}

arrow::Status Run(const Arguments& args) {
  ARROW_ASSIGN_OR_RAISE(auto location, flight::Location::ForGrpcTcp("127.0.0.1", args.port));
  ARROW_ASSIGN_OR_RAISE(auto client, flight::FlightClient::Connect(location));
  flight::FlightCallOptions options;
  options.headers.emplace_back("authorization", "Bearer " + args.token);
  auto measured =
      args.mode == "exchange" ? Exchange(client.get(), options, args) : Action(client.get(), options, args);
  ARROW_ASSIGN_OR_RAISE(auto micros, std::move(measured));
  if (micros.empty()) return arrow::Status::Invalid("nothing was measured: give it more seconds");
  std::sort(micros.begin(), micros.end());
  const double mean = std::accumulate(micros.begin(), micros.end(), 0.0) / static_cast<double>(micros.size());
  std::printf("{\"n\": %zu, \"p50_us\": %.2f, \"p99_us\": %.2f, \"mean_us\": %.2f}\n", micros.size(),
              micros[micros.size() / 2], micros[micros.size() * 99 / 100], mean);
  return client->Close();
}

}  // namespace
}  // namespace longbow::bench

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr, "usage: search_client PORT TOKEN exchange|action COMMAND QUERY_FILE DIM SECONDS\n");
    return 2;
  }
  const arrow::Status status = longbow::bench::Run(
      {std::atoi(argv[1]), argv[2], argv[3], argv[4], argv[5], std::atoi(argv[6]), std::atof(argv[7])});
  if (!status.ok()) std::fprintf(stderr, "search_client: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
