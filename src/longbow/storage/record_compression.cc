#include "longbow/storage/record_compression.h"

#include <algorithm>
#include <utility>

#include "longbow/storage/little_endian.h"

namespace longbow::storage {
namespace {

using arrow::Compression;

constexpr int64_t kLengthBytes = 8;
constexpr uint64_t kMostBytes = uint64_t{1} << 40;
// What goes into a codec at once, and room for what comes out of it.
constexpr int64_t kStep = int64_t{64} << 10;
constexpr int64_t kScratch = int64_t{512} << 10;
constexpr int64_t kLeastRoom = 3 * kStep;
constexpr int64_t kPiece = int64_t{4} << 20;  // of what is decompressed
// A sample is so many stretches of a payload.
constexpr int64_t kSampleStretches = 4;
constexpr int64_t kStretch = 4096;

// Whether a sample of `size` bytes that became `smaller` makes LogCompression::kAuto compress the record:
// docs/decisions/log-compression.md.
bool SampleIsGood(int64_t size, int64_t smaller) { return smaller * 5 <= size * 2; }

// Whether `smaller` of `size` bytes is worth the time that it takes to read them back.
bool Pays(int64_t size, int64_t smaller) { return smaller <= size - size / 8; }

Compression::type ArrowCodec(RecordCodec codec) {
  return codec == RecordCodec::kZstd ? Compression::ZSTD : Compression::LZ4_FRAME;
}
constexpr int kZstdLevel = 1;

Result<std::unique_ptr<arrow::util::Codec>> MakeCodec(RecordCodec codec) {
  return codec == RecordCodec::kZstd ? arrow::util::Codec::Create(ArrowCodec(codec), kZstdLevel)
                                     : arrow::util::Codec::Create(ArrowCodec(codec));
}

Status Damaged(const RecordHeader& record, std::string_view what) {
  return Error(ErrorCode::kCorruption, "log record ", record.number, " at offset ", record.offset,
               ": its payload is compressed (codec ", static_cast<int>(record.codec), ") and ", what);
}

}  // namespace

// Confined to one compression at a time.
struct CompressionScratch {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kScratch);
  int64_t used = 0;

  uint8_t* end() { return bytes.data() + used; }
  int64_t room() const { return kScratch - used; }
  // Hands over what stands here in a buffer of its own size.
  Status Flush(BufferChain* out) {
    if (used == 0) return Status::OK();
    LB_ASSIGN_OR_RETURN(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(used));
    std::copy_n(bytes.data(), used, buffer->mutable_data());
    out->Append(std::move(buffer));
    used = 0;
    return Status::OK();
  }
};

namespace {

// One frame of `payload` behind its length; nothing as soon as it has become too long to pay.
Result<std::optional<BufferChain>> Frame(RecordCodec codec, const BufferChain& payload,
                                         CompressionScratch* scratch) {
  LB_ASSIGN_OR_RETURN(const auto arrow_codec, MakeCodec(codec));
  LB_ASSIGN_OR_RETURN(const auto compressor, arrow_codec->MakeCompressor());
  BufferChain out;
  scratch->used = kLengthBytes;
  StoreAt(scratch->bytes.data(), 0, static_cast<uint64_t>(payload.size()));
  for (const auto& piece : payload.pieces()) {
    for (int64_t at = 0; at < piece->size();) {
      if (scratch->room() < kLeastRoom) LB_RETURN_NOT_OK(scratch->Flush(&out));
      LB_ASSIGN_OR_RETURN(const auto step,
                          compressor->Compress(std::min(kStep, piece->size() - at), piece->data() + at,
                                               scratch->room(), scratch->end()));
      scratch->used += step.bytes_written;
      at += step.bytes_read;
      if (!Pays(payload.size(), out.size() + scratch->used)) return std::nullopt;
    }
  }
  while (true) {
    if (scratch->room() < kLeastRoom) LB_RETURN_NOT_OK(scratch->Flush(&out));
    LB_ASSIGN_OR_RETURN(const auto ended, compressor->End(scratch->room(), scratch->end()));
    scratch->used += ended.bytes_written;
    if (!ended.should_retry) break;
  }
  if (!Pays(payload.size(), out.size() + scratch->used)) return std::nullopt;
  LB_RETURN_NOT_OK(scratch->Flush(&out));
  return std::make_optional(std::move(out));
}

// Whether LZ4 makes a few stretches of `payload` smaller.
Result<bool> SamplePays(const BufferChain& payload, CompressionScratch* scratch) {
  static const auto codec = arrow::util::Codec::Create(Compression::LZ4);
  LB_RETURN_NOT_OK(codec.status());
  const int64_t stretches = std::clamp<int64_t>(payload.size() / kStretch, 1, kSampleStretches);
  const int64_t length = std::min(kStretch, payload.size());
  uint8_t* const sample = scratch->bytes.data();
  for (int64_t i = 0; i < stretches; ++i) {
    const int64_t offset = stretches == 1 ? 0 : (payload.size() - length) * i / (stretches - 1);
    LB_RETURN_NOT_OK(payload.CopyTo(offset, length, sample + i * length));
  }
  const int64_t size = stretches * length;
  LB_ASSIGN_OR_RETURN(const int64_t smaller,
                      (*codec)->Compress(size, sample, kScratch - size, sample + size));
  return SampleIsGood(size, smaller);
}

}  // namespace

RecordCompressor::RecordCompressor(LogCompression choice) : choice_(choice) {}
RecordCompressor::~RecordCompressor() = default;

std::optional<RecordCompressor::Smaller> RecordCompressor::Compress(const BufferChain& payload, bool asked) {
  const bool look = choice_ == LogCompression::kAuto ? asked : choice_ != LogCompression::kNone;
  if (!look || payload.size() < kLeastCompressed) return std::nullopt;
  ScratchPtr scratch = Take();
  std::optional<Smaller> smaller;
  if (const auto codec = CodecFor(payload, asked, scratch.get())) {
    auto frame = Frame(*codec, payload, scratch.get());
    // Compression is a saving: when there is no memory for it, the record is written plain.
    if (frame.ok() && *frame) smaller = Smaller{*codec, **std::move(frame)};
  }
  GiveBack(std::move(scratch));
  return smaller;
}

std::optional<RecordCodec> RecordCompressor::CodecFor(const BufferChain& payload, bool asked,
                                                      CompressionScratch* scratch) const {
  if (choice_ == LogCompression::kLz4) return RecordCodec::kLz4;
  if (choice_ == LogCompression::kZstd) return RecordCodec::kZstd;
  const auto pays = asked ? SamplePays(payload, scratch) : Result<bool>(false);
  return pays.ok() && *pays ? std::optional(RecordCodec::kLz4) : std::nullopt;
}

RecordCompressor::ScratchPtr RecordCompressor::Take() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      ScratchPtr scratch = std::move(idle_.back());
      idle_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<CompressionScratch>();
}

void RecordCompressor::GiveBack(ScratchPtr scratch) {
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(scratch));
}

namespace {

// What comes out of a frame, in pieces. Confined.
class Expander {
 public:
  Expander(std::shared_ptr<arrow::util::Decompressor> decompressor, int64_t length)
      : decompressor_(std::move(decompressor)), left_(length) {}

  // The next bytes of the frame; with none, what the codec still holds. What is wrong with them, or "".
  Result<std::string> Take(const uint8_t* bytes, int64_t n) {
    int64_t written = 0;
    do {
      if (n > 0 && decompressor_->IsFinished()) return "goes on behind its end";
      if (piece_ == nullptr) {
        // One byte more than is left, so that a frame with more gives itself away.
        LB_ASSIGN_OR_RETURN(piece_, arrow::AllocateBuffer(std::min(left_, kPiece - 1) + 1));
        filled_ = 0;
      }
      const auto step =
          decompressor_->Decompress(n, bytes, piece_->size() - filled_, piece_->mutable_data() + filled_);
      if (!step.ok()) return "does not come out: " + step.status().message();
      if (n > 0 && step->bytes_read == 0 && step->bytes_written == 0) return "does not come out";
      bytes += step->bytes_read;
      n -= step->bytes_read;
      filled_ += written = step->bytes_written;
      left_ -= written;
      if (left_ < 0) return "is longer than it says";
      if (filled_ == piece_->size()) ClosePiece();
    } while (n > 0 || (bytes == nullptr && written > 0));
    return "";
  }
  Result<BufferChain> Finish() {
    if (piece_ != nullptr) ClosePiece();
    return std::move(out_);
  }
  bool whole() const { return left_ == 0; }

 private:
  void ClosePiece() {
    out_.Append(arrow::SliceBuffer(std::shared_ptr<arrow::Buffer>(std::move(piece_)), 0, filled_));
    piece_ = nullptr;
  }

  const std::shared_ptr<arrow::util::Decompressor> decompressor_;
  int64_t left_;
  std::unique_ptr<arrow::Buffer> piece_;  // being filled
  int64_t filled_ = 0;
  BufferChain out_;
};

}  // namespace

Result<BufferChain> DecompressRecord(const RecordHeader& record, BufferChain payload) {
  if (record.codec == RecordCodec::kPlain) return payload;
  if (record.codec != RecordCodec::kLz4 && record.codec != RecordCodec::kZstd) {
    return Damaged(record, "no codec of that number is known");
  }
  uint8_t length[kLengthBytes];
  if (payload.size() < kLengthBytes) return Damaged(record, "has no length");
  LB_RETURN_NOT_OK(payload.CopyTo(0, kLengthBytes, length));
  const auto bytes = LoadAt<uint64_t>(length, 0);
  if (bytes > kMostBytes) return Damaged(record, "says that it is longer than any record");
  LB_ASSIGN_OR_RETURN(const BufferChain frame, payload.Slice(kLengthBytes, payload.size() - kLengthBytes));
  LB_ASSIGN_OR_RETURN(const auto codec, MakeCodec(record.codec));
  LB_ASSIGN_OR_RETURN(auto decompressor, codec->MakeDecompressor());
  Expander expander(std::move(decompressor), static_cast<int64_t>(bytes));
  for (const auto& piece : frame.pieces()) {
    LB_ASSIGN_OR_RETURN(const std::string wrong, expander.Take(piece->data(), piece->size()));
    if (!wrong.empty()) return Damaged(record, wrong);
  }
  if (!expander.whole()) {
    LB_ASSIGN_OR_RETURN(const std::string wrong, expander.Take(nullptr, 0));
    if (!wrong.empty()) return Damaged(record, wrong);
  }
  if (!expander.whole()) return Damaged(record, "ends early");
  return expander.Finish();
}

}  // namespace longbow::storage
