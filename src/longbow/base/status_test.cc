#include "longbow/base/status.h"

#include <gtest/gtest.h>

namespace longbow {
namespace {

TEST(Status, CarriesItsCodeAndWords) {
  const Status status =
      Error(ErrorCode::kDimensionMismatch, "column 'v': expected ", 128, " dimensions, got ", 3);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(CodeOf(status), ErrorCode::kDimensionMismatch);
  EXPECT_EQ(status.message(), "column 'v': expected 128 dimensions, got 3");
  EXPECT_NE(status.ToString().find("DimensionMismatch"), std::string::npos);
}

TEST(Status, EveryCodeSurvivesAndHasItsOwnName) {
  std::vector<std::string_view> names;
  for (int i = 1; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    EXPECT_EQ(CodeOf(MakeError(code, "x")), code);
    for (std::string_view other : names) EXPECT_NE(other, ErrorCodeName(code));
    names.push_back(ErrorCodeName(code));
  }
}

TEST(Status, AnErrorOfCodeOkIsOk) { EXPECT_TRUE(MakeError(ErrorCode::kOk, "ignored").ok()); }

TEST(Status, ArrowsOwnErrorsGetTheNearestCode) {
  EXPECT_EQ(CodeOf(Status::OK()), ErrorCode::kOk);
  EXPECT_EQ(CodeOf(Status::Invalid("x")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Status::TypeError("x")), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Status::KeyError("x")), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(Status::OutOfMemory("x")), ErrorCode::kResourceExhausted);
  EXPECT_EQ(CodeOf(Status::NotImplemented("x")), ErrorCode::kUnimplemented);
  EXPECT_EQ(CodeOf(Status::Cancelled("x")), ErrorCode::kCancelled);
  EXPECT_EQ(CodeOf(Status::IOError("x")), ErrorCode::kInternal);
}

TEST(Status, ContextKeepsTheCode) {
  const Status status = WithContext(NotFound("no such dataset"), "search");
  EXPECT_EQ(CodeOf(status), ErrorCode::kNotFound);
  EXPECT_EQ(status.message(), "search: no such dataset");
  EXPECT_TRUE(WithContext(Status::OK(), "search").ok());
}

TEST(Status, LongMessagesAreCutAtACharacter) {
  EXPECT_EQ(InvalidArgument(std::string(1024, 'a')).message().size(), 1024u);
  // Two-byte characters, once from an even and once from an odd place.
  for (const std::string& lead : {std::string(), std::string("a")}) {
    std::string text = lead;
    for (int i = 0; i < 2000; ++i) text += "\xC3\xA9";
    const std::string message = InvalidArgument(text).message();
    EXPECT_LE(message.size(), 1024u);
    EXPECT_GE(message.size(), 1020u);
    ASSERT_EQ(message.substr(message.size() - 3), "...");
    EXPECT_EQ(static_cast<unsigned char>(message[message.size() - 4]), 0xA9) << "a character was cut in two";
  }
}

}  // namespace
}  // namespace longbow
