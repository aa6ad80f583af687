#include "longbow/storage/log_flush.h"

#include <algorithm>
#include <utility>

namespace longbow::storage {
namespace {

// Copying this much costs less than one more piece for the kernel to gather.
constexpr int64_t kSmallPayload = 4096;

uint64_t StagedBytes(const LogEntry& entry) {
  if (entry.segment == nullptr) return 0;
  const int64_t payload = entry.payload.size();
  return kRecordHeaderBytes + PaddingBytes(entry.header.payload_bytes) +
         (payload <= kSmallPayload ? static_cast<uint64_t>(payload) : 0);
}

}  // namespace

LogFlush::LogFlush(std::vector<LogEntry> entries, uint64_t durable) : entries_(std::move(entries)) {
  uint64_t staged = 0;
  for (const LogEntry& entry : entries_) staged += StagedBytes(entry);
  staged_.reserve(staged);
  for (LogEntry& entry : entries_) {
    if (entry.segment == nullptr) continue;
    if (segment_ == nullptr) {
      segment_ = entry.segment;
      offset_ = entry.header.offset;
    }
    entry.header.durable = durable;
    uint8_t header[kRecordHeaderBytes];
    EncodeRecordHeader(entry.header, header);
    Stage(header, sizeof(header));
    const bool small = entry.payload.size() <= kSmallPayload;
    if (!small) CloseRun();
    for (const auto& piece : entry.payload.pieces()) {
      if (small) {
        Stage(piece->data(), static_cast<size_t>(piece->size()));
      } else {
        pieces_.push_back({piece->data(), static_cast<size_t>(piece->size())});
      }
    }
    constexpr uint8_t kZeros[kRecordAlignment] = {};
    Stage(kZeros, PaddingBytes(entry.header.payload_bytes));
    records_ += 1;
    bytes_ += entry.bytes();
    last_number_ = entry.header.number;
    last_sequence_ = std::max(last_sequence_, entry.header.sequence);
  }
  CloseRun();
}

void LogFlush::Stage(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  staged_.insert(staged_.end(), bytes, bytes + size);
}

void LogFlush::CloseRun() {
  if (staged_.size() > run_) pieces_.push_back({staged_.data() + run_, staged_.size() - run_});
  run_ = staged_.size();
}

}  // namespace longbow::storage
