// The messages of a DoPut stream, through the code that serves one, into a real engine: nothing is stored
// that was not acknowledged, and what is stored is sound Arrow.
#include <arrow/record_batch.h>

#include <cstdint>
#include <memory>
#include <string>

#include "frames.h"
#include "fuzz_database.h"
#include "longbow/protocol/put_frames.h"
#include "longbow/server/batch_input.h"

using namespace longbow;

namespace {

constexpr int kStreamsADatabase = 2000;  // then a fresh one: its log has no end

// One stream, as far as its messages are sound. Confined.
class Stream {
 public:
  explicit Stream(fuzz::FuzzDatabase* database) : database_(database) {}

  void Run(fuzz::Frames frames) {
    while (auto frame = frames.Next()) {
      if (!Handle(*frame).ok()) break;
    }
    if (writer_ && !database_->WhenReady(*writer_).ok()) writer_ = nullptr;
  }
  bool created() const { return writer_ != nullptr; }
  int64_t acknowledged() const { return acknowledged_; }

 private:
  Status Handle(const BufferChain& frame) {
    LB_ASSIGN_OR_RETURN(auto data, protocol::ParseFlightData(frame));
    LB_ASSIGN_OR_RETURN(auto input, input_.Next(std::move(data)));
    LB_ASSIGN_OR_RETURN(const bool acknowledged, protocol::SelectsAcknowledgedMode(input.app_metadata));
    acknowledged_mode_ = acknowledged_mode_ || acknowledged;
    if (input.kind == server::InputKind::kSchema) {
      if (writer_ || !input_.schema()) return Status::OK();
      return database_->engine().OpenWriter("put", *input_.schema()).Value(&writer_);
    }
    const bool has_batch = input.kind == server::InputKind::kBatch;
    const int64_t rows = has_batch ? input.batch.batch->num_rows() : 0;
    if (acknowledged_mode_) {
      LB_ASSIGN_OR_RETURN(const auto put, protocol::ReadPutFrame(input.app_metadata));
      if (writer_) {
        LB_RETURN_NOT_OK(protocol::CheckPutDurability(put, storage::DurabilityName(writer_->durability())));
      }
      LB_RETURN_NOT_OK(sequence_.Next(put, has_batch, rows).status());
      LB_RETURN_NOT_OK(protocol::CheckPutFrame(put, rows, input.message.body));
    }
    if (!has_batch) return Status::OK();
    fuzz::Require(writer_ != nullptr, "a batch comes after its schema");
    const auto ack = database_->Write(*writer_, std::move(input.batch), input.message);
    if (ack.ok()) acknowledged_ += rows;
    return ack.status();
  }

  fuzz::FuzzDatabase* const database_;
  server::BatchInput input_;
  protocol::PutSequence sequence_;
  std::shared_ptr<engine::DatasetWriter> writer_;
  bool acknowledged_mode_ = false;
  int64_t acknowledged_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::unique_ptr<fuzz::FuzzDatabase> database;
  static int streams = 0;
  if (!database || streams >= kStreamsADatabase) {
    database = nullptr;
    database = std::make_unique<fuzz::FuzzDatabase>();
    streams = 0;
  }
  Stream stream(database.get());
  stream.Run(fuzz::Frames(data, size));
  if (!stream.created()) return 0;
  ++streams;
  database->CheckStored("put", stream.acknowledged());
  fuzz::Require(database->Drop("put").ok(), "a dataset is dropped");
  return 0;
}
