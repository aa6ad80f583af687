#include "longbow/protocol/put_frames.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "longbow/base/crc32c.h"
#include "longbow/protocol/error_text.h"
#include "longbow/protocol/json_document.h"

namespace longbow::protocol {
namespace {

using nlohmann::json;

constexpr int64_t kProtocol = 1;
constexpr std::string_view kLevels[] = {"fsync", "async", "memory"};

Status CheckProtocol(int64_t protocol) {
  if (protocol == kProtocol) return Status::OK();
  return InvalidArgument("put frame: protocol: expected ", kProtocol, ", got ", protocol);
}

Status CheckName(std::string_view field, const std::string& name) {
  if (name.size() <= kMaxClientName) return Status::OK();
  return InvalidArgument("put frame: ", field, ": ", name.size(), " bytes, at most ", kMaxClientName,
                         " are allowed");
}

json AckFields(const PutAck& ack) {
  json errors = json::array();
  for (const PutError& error : ack.errors) {
    errors.push_back(
        {{"seq", error.sequence}, {"code", ErrorCodeName(error.code)}, {"text", PrintableText(error.text)}});
    if (const int64_t delay = RetryDelayMs(error.code); delay > 0) errors.back()["retry_delay_ms"] = delay;
  }
  return {{"acked_through", ack.acked_through},
          {"durable_through", ack.durable_through},
          {"level", ack.level},
          {"credits", ack.credits},
          {"errors", std::move(errors)},
          {"token", ack.token}};
}

}  // namespace

Result<bool> SelectsAcknowledgedMode(std::string_view app_metadata) {
  if (app_metadata.empty() || app_metadata[0] != '{') return false;
  auto document = JsonDocument::Parse(app_metadata, kMaxPutFrameBytes, "put frame");
  if (!document.ok()) return false;
  LB_ASSIGN_OR_RETURN(auto object, document->Object());
  if (!object.Find("protocol")) return false;
  int64_t protocol = 0;
  LB_RETURN_NOT_OK(object.Read("protocol", &protocol));
  LB_RETURN_NOT_OK(CheckProtocol(protocol));
  return true;
}

Result<PutFrame> ReadPutFrame(std::string_view app_metadata) {
  LB_ASSIGN_OR_RETURN(auto document, JsonDocument::Parse(app_metadata, kMaxPutFrameBytes, "put frame"));
  LB_ASSIGN_OR_RETURN(auto object, document.Object());
  PutFrame out;
  LB_RETURN_NOT_OK(object.Read("protocol", &out.protocol));
  if (out.protocol != 0) LB_RETURN_NOT_OK(CheckProtocol(out.protocol));
  LB_RETURN_NOT_OK(object.Read("client", &out.client));
  LB_RETURN_NOT_OK(object.Read("stream", &out.stream));
  LB_RETURN_NOT_OK(CheckName("client", out.client));
  LB_RETURN_NOT_OK(CheckName("stream", out.stream));
  LB_RETURN_NOT_OK(object.Read("durability", &out.durability));
  LB_RETURN_NOT_OK(object.Read("fin", &out.fin));
  if (!object.Find("seq")) return object.Invalid("expected \"seq\" to be the batch's number");
  int64_t sequence = 0, rows = -1, crc = -1;
  LB_RETURN_NOT_OK(object.Read("seq", &sequence));
  if (sequence < 0 || (sequence == 0 && !out.fin)) return object.Invalid("seq: expected 1 or more");
  out.sequence = static_cast<uint64_t>(sequence);
  LB_RETURN_NOT_OK(object.Read("rows", &rows));
  if (object.Find("rows")) {
    if (rows < 0) return object.Invalid("rows: expected 0 or more");
    out.rows = rows;
  }
  LB_RETURN_NOT_OK(object.Read("crc32c", &crc));
  if (object.Find("crc32c")) {
    if (crc < 0 || crc > int64_t{UINT32_MAX})
      return object.Invalid("crc32c: expected an unsigned 32-bit number");
    out.crc32c = static_cast<uint32_t>(crc);
  }
  return out;
}

Status CheckPutFrame(const PutFrame& frame, int64_t rows, const BufferChain& body) {
  if (frame.rows && *frame.rows != rows) {
    return InvalidArgument("put frame: rows: the batch has ", rows, ", the frame says ", *frame.rows);
  }
  if (frame.crc32c && *frame.crc32c != ExtendCrc32c(0, body)) {
    return Error(ErrorCode::kCorruption,
                 "put frame: crc32c of the body differs from what the frame says: send the batch again");
  }
  return Status::OK();
}

Status CheckPutDurability(const PutFrame& frame, std::string_view level) {
  if (frame.durability.empty() || frame.durability == level) return Status::OK();
  if (std::ranges::find(kLevels, frame.durability) == std::end(kLevels)) {
    return InvalidArgument("put frame: durability is '", frame.durability.substr(0, kMaxClientName),
                           "'; known: fsync, async, memory");
  }
  return Error(ErrorCode::kFailedPrecondition, "put frame: durability of the dataset is ", level, ", given ",
               frame.durability,
               "; it is set when the dataset is created, by its schema's longbow.durability");
}

Status PutSequence::Identify(const PutFrame& frame) {
  if (!identified_) {
    identified_ = true;
    client_ = frame.client;
    stream_ = frame.stream;
    return Status::OK();
  }
  if ((!frame.client.empty() && frame.client != client_) ||
      (!frame.stream.empty() && frame.stream != stream_)) {
    return InvalidArgument("put frame: client and stream cannot change within a stream");
  }
  return Status::OK();
}

Result<PutSequence::Step> PutSequence::Next(const PutFrame& frame, bool has_batch, int64_t rows) {
  LB_RETURN_NOT_OK(Identify(frame));
  if (ended_) return Error(ErrorCode::kDataLoss, "put frame: seq ", frame.sequence, " came after FIN");
  if (frame.fin != !has_batch) {
    return InvalidArgument(has_batch ? "put frame: FIN carries no batch"
                                     : "put frame: a message without a batch must be FIN");
  }
  if (frame.fin) {
    if (frame.sequence != last_ || (frame.rows && *frame.rows != rows_)) {
      return Error(ErrorCode::kDataLoss, "FIN says seq ", frame.sequence, " and ", frame.rows.value_or(rows_),
                   " rows, received were seq ", last_, " and ", rows_, " rows");
    }
    ended_ = true;
    return Step::kEnd;
  }
  if (started_ && frame.sequence <= last_) {
    if (client_.empty()) {
      return InvalidArgument("put frame: seq ", frame.sequence,
                             " was sent before; only a stream with a \"client\" may send a batch again");
    }
    return Step::kRepeat;
  }
  if (started_ && frame.sequence != last_ + 1) {
    return Error(ErrorCode::kDataLoss, "put frame: expected seq ", last_ + 1, ", got ", frame.sequence);
  }
  started_ = true;
  last_ = frame.sequence;
  rows_ += rows;
  return Step::kWrite;
}

Status PutSequence::End() const {
  if (ended_) return Status::OK();
  return Error(ErrorCode::kDataLoss, "stream ended without FIN at seq ", last_);
}

std::string WritePutAck(const PutAck& ack) { return AckFields(ack).dump(); }

std::string WriteIngestAck(uint64_t batch, int64_t rows, const PutAck& ack) {
  json out = AckFields(ack);
  out["status"] = ack.errors.empty() ? "acked" : "rejected";
  out["batch_id"] = batch;
  out["rows"] = rows;
  return out.dump();
}

std::string SequenceToken(uint64_t sequence) {
  std::string text = "s0000000000000000";
  for (size_t i = 16; sequence != 0; --i, sequence >>= 4) text[i] = "0123456789abcdef"[sequence & 15];
  return text;
}

std::optional<uint64_t> ReadSequenceToken(std::string_view token) {
  if (token.size() != 17 || token.front() != 's') return std::nullopt;
  uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(token.data() + 1, token.data() + token.size(), sequence, 16);
  if (error != std::errc() || end != token.data() + token.size()) return std::nullopt;
  return sequence;
}

}  // namespace longbow::protocol
