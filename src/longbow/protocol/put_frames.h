// DoPut's acknowledged mode: what clients say in app_metadata, and what they are told in PutResults. All of
// it is UTF-8 JSON.
//
// The first batch carries {"protocol": 1, "client": c, "stream": s, "seq": n, "rows": r}; later ones {"seq",
// "rows"} and optionally "crc32c", of the body. `seq` grows by one from batch to batch; the first may be any,
// so that a stream can go on where an earlier one broke off. The first may say "durability", too, to be
// refused where that is not the dataset's. The end is a message of metadata only, {"fin": true, "seq": last
// seq, "rows": rows of all batches of this stream}; a stream of no batch ends with
// {"protocol": 1, "fin": true, "seq": 0, "rows": 0}.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/base/buffer_chain.h"
#include "longbow/base/status.h"

namespace longbow::protocol {

inline constexpr size_t kMaxPutFrameBytes = size_t{64} << 10;
inline constexpr size_t kMaxClientName = 255;  // as in a log record

struct PutFrame {
  int64_t protocol = 0;  // 0: not said
  std::string client, stream;
  uint64_t sequence = 0;
  std::optional<int64_t> rows;
  std::optional<uint32_t> crc32c;
  std::string durability;  // empty: not said
  bool fin = false;
};

// True when app_metadata of a stream's first batch selects the acknowledged mode. Metadata that is something
// else altogether is ignored, as it always was: then the stream is a simple one. InvalidArgument for a
// protocol other than 1.
Result<bool> SelectsAcknowledgedMode(std::string_view app_metadata);
// InvalidArgument "invalid put frame format: ...".
Result<PutFrame> ReadPutFrame(std::string_view app_metadata);

// What a frame says of its batch: InvalidArgument for another number of rows, Corruption for another crc32c.
Status CheckPutFrame(const PutFrame& frame, int64_t rows, const BufferChain& body);

// A stream cannot choose: FailedPrecondition for a level that is not the dataset's, `level`, InvalidArgument
// for a word that names none.
Status CheckPutDurability(const PutFrame& frame, std::string_view level);

// Decides what a frame means for its stream: the numbers must be those of reliability's rules. Confined.
class PutSequence {
 public:
  enum class Step {
    kWrite,   // the next batch
    kRepeat,  // a batch seen before; the engine knows whether it had effect
    kEnd,     // FIN, and its counts are right
  };
  // `rows` of the batch; 0 for a message of metadata only, which must be FIN.
  // DataLoss for a gap, a wrong FIN and a batch after FIN; InvalidArgument for a repeat by a client without a
  // name.
  Result<Step> Next(const PutFrame& frame, bool has_batch, int64_t rows);
  // What the stream's end means: OK after FIN, else DataLoss "stream ended without FIN at seq n".
  Status End() const;

  const std::string& client() const { return client_; }
  const std::string& stream() const { return stream_; }
  uint64_t last() const { return last_; }

 private:
  Status Identify(const PutFrame& frame);

  std::string client_, stream_;
  uint64_t last_ = 0;
  int64_t rows_ = 0;
  bool started_ = false, identified_ = false, ended_ = false;
};

struct PutError {
  uint64_t sequence = 0;
  ErrorCode code = ErrorCode::kInternal;
  std::string text;
};

struct PutAck {
  uint64_t acked_through = 0;    // every batch up to here is answered: applied, or in `errors`
  uint64_t durable_through = 0;  // every applied batch up to here is on disk; 0 for a dataset in memory
  std::string_view level;        // the dataset's durability
  int64_t credits = 0;           // bytes the client may have sent and not seen acknowledged
  std::vector<PutError> errors;  // since the last PutAck
  std::string token;             // of the newest batch applied; opaque
};
std::string WritePutAck(const PutAck& ack);

// DoExchange ingest answers each batch with the same words and {"status": "acked", "batch_id": n, "rows": r}.
std::string WriteIngestAck(uint64_t batch, int64_t rows, const PutAck& ack);

// A sequence number of the engine as a client carries it.
std::string SequenceToken(uint64_t sequence);
std::optional<uint64_t> ReadSequenceToken(std::string_view token);

}  // namespace longbow::protocol
