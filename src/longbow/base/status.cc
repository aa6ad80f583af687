#include "longbow/base/status.h"

#include <array>
#include <memory>

namespace longbow {
namespace {

constexpr size_t kMaxMessageBytes = 1024;
constexpr char kDetailType[] = "longbow::ErrorCode";

struct CodeRow {
  std::string_view name;
  arrow::StatusCode arrow_code;  // what code that only knows Arrow sees
};

// In the order of ErrorCode.
constexpr std::array kCodes = {
    CodeRow{"OK", arrow::StatusCode::OK},
    CodeRow{"NotFound", arrow::StatusCode::KeyError},
    CodeRow{"AlreadyExists", arrow::StatusCode::AlreadyExists},
    CodeRow{"InvalidArgument", arrow::StatusCode::Invalid},
    CodeRow{"DimensionMismatch", arrow::StatusCode::Invalid},
    CodeRow{"FailedPrecondition", arrow::StatusCode::Invalid},
    CodeRow{"Corruption", arrow::StatusCode::IOError},
    CodeRow{"DataLoss", arrow::StatusCode::IOError},
    CodeRow{"NotLeader", arrow::StatusCode::IOError},
    CodeRow{"Unavailable", arrow::StatusCode::IOError},
    CodeRow{"ResourceExhausted", arrow::StatusCode::CapacityError},
    CodeRow{"DeadlineExceeded", arrow::StatusCode::IOError},
    CodeRow{"Unauthenticated", arrow::StatusCode::IOError},
    CodeRow{"PermissionDenied", arrow::StatusCode::IOError},
    CodeRow{"Cancelled", arrow::StatusCode::Cancelled},
    CodeRow{"Unimplemented", arrow::StatusCode::NotImplemented},
    CodeRow{"Internal", arrow::StatusCode::UnknownError},
};
static_assert(kCodes.size() == static_cast<size_t>(ErrorCode::kInternal) + 1);

class ErrorDetail : public arrow::StatusDetail {
 public:
  explicit ErrorDetail(ErrorCode code) : code_(code) {}
  const char* type_id() const override { return kDetailType; }
  std::string ToString() const override { return std::string(ErrorCodeName(code_)); }
  ErrorCode code() const { return code_; }

 private:
  const ErrorCode code_;
};

ErrorCode NearestCode(arrow::StatusCode code) {
  switch (code) {
    case arrow::StatusCode::OK:
      return ErrorCode::kOk;
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::TypeError:
    case arrow::StatusCode::IndexError:
      return ErrorCode::kInvalidArgument;
    case arrow::StatusCode::KeyError:
      return ErrorCode::kNotFound;
    case arrow::StatusCode::AlreadyExists:
      return ErrorCode::kAlreadyExists;
    case arrow::StatusCode::OutOfMemory:
    case arrow::StatusCode::CapacityError:
      return ErrorCode::kResourceExhausted;
    case arrow::StatusCode::Cancelled:
      return ErrorCode::kCancelled;
    case arrow::StatusCode::NotImplemented:
      return ErrorCode::kUnimplemented;
    default:
      return ErrorCode::kInternal;
  }
}

// At most kMaxMessageBytes, never ending inside a UTF-8 sequence.
void CutMessage(std::string* message) {
  if (message->size() <= kMaxMessageBytes) return;
  constexpr std::string_view kMark = "...";
  size_t end = kMaxMessageBytes - kMark.size();
  while (end > 0 && (static_cast<unsigned char>((*message)[end]) & 0xC0) == 0x80) --end;
  message->resize(end);
  message->append(kMark);
}

}  // namespace

std::string_view ErrorCodeName(ErrorCode code) { return kCodes[static_cast<size_t>(code)].name; }

Status MakeError(ErrorCode code, std::string message) {
  if (code == ErrorCode::kOk) return Status::OK();
  CutMessage(&message);
  return Status(kCodes[static_cast<size_t>(code)].arrow_code, std::move(message),
                std::make_shared<ErrorDetail>(code));
}

ErrorCode CodeOf(const Status& status) {
  if (status.ok()) return ErrorCode::kOk;
  const auto& detail = status.detail();
  if (detail != nullptr && std::string_view(detail->type_id()) == kDetailType) {
    return static_cast<const ErrorDetail&>(*detail).code();
  }
  return NearestCode(status.code());
}

Status WithContext(const Status& status, std::string_view context) {
  if (status.ok()) return status;
  std::string message(context);
  message.append(": ").append(status.message());
  return MakeError(CodeOf(status), std::move(message));
}

}  // namespace longbow
