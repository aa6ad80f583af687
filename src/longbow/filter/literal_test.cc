#include "longbow/filter/literal.h"

#include <arrow/scalar.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <limits>

namespace longbow::filter {
namespace {

Literal Make(const Value& value, const std::shared_ptr<arrow::DataType>& type) {
  auto literal = MakeLiteral(value, type, "c");
  EXPECT_TRUE(literal.ok()) << type->ToString() << " " << ValueText(value) << ": " << literal.status();
  return literal.ok() ? *literal : Literal{};
}

void ExpectExact(const Value& value, const std::shared_ptr<arrow::DataType>& type, const std::string& text) {
  const Literal literal = Make(value, type);
  EXPECT_EQ(literal.place, Place::kExact) << type->ToString() << " " << ValueText(value);
  ASSERT_NE(literal.value, nullptr);
  EXPECT_EQ(literal.value->ToString(), text);
}

TEST(LiteralTest, NumbersAndTheirTextsBecomeTheColumnsType) {
  ExpectExact(std::string("100"), arrow::int64(), "100");
  ExpectExact(std::string(" +1e2 "), arrow::int16(), "100");
  ExpectExact(int64_t{12}, arrow::uint8(), "12");
  ExpectExact(12.0, arrow::int32(), "12");
  ExpectExact(std::string("12.0"), arrow::int32(), "12");
  ExpectExact(uint64_t{18446744073709551615u}, arrow::uint64(), "18446744073709551615");
  ExpectExact(std::string("18446744073709551615"), arrow::uint64(), "18446744073709551615");
  ExpectExact(int64_t{3}, arrow::float32(), "3");
  ExpectExact(std::string("0.5"), arrow::float64(), "0.5");
  ExpectExact(0.5, arrow::float16(), "0.5");
  ExpectExact(12.34, arrow::decimal128(10, 3), "12.340");
  ExpectExact(int64_t{-5}, arrow::decimal256(40, 2), "-5.00");
}

TEST(LiteralTest, BooleansTakeWordsAndBits) {
  for (const Value& value :
       {Value(true), Value(std::string("True")), Value(int64_t{1}), Value(std::string("1"))}) {
    ExpectExact(value, arrow::boolean(), "true");
  }
  ExpectExact(std::string("false"), arrow::boolean(), "false");
  EXPECT_FALSE(MakeLiteral(int64_t{2}, arrow::boolean(), "c").ok());
  EXPECT_FALSE(MakeLiteral(std::string("yes"), arrow::boolean(), "c").ok());
}

TEST(LiteralTest, LiteralsOutsideTheTypeAreSaidToLieThere) {
  EXPECT_EQ(Make(int64_t{300}, arrow::int8()).place, Place::kAboveAll);
  EXPECT_EQ(Make(int64_t{-1}, arrow::uint32()).place, Place::kBelowAll);
  EXPECT_EQ(Make(std::string("1e999999999999"), arrow::int64()).place, Place::kAboveAll);
  EXPECT_EQ(Make(-std::numeric_limits<double>::infinity(), arrow::int64()).place, Place::kBelowAll);
  EXPECT_EQ(Make(9223372036854775808.0, arrow::int64()).place, Place::kAboveAll);
  EXPECT_EQ(Make(std::string("1000"), arrow::decimal128(3, 0)).place, Place::kAboveAll);
  EXPECT_EQ(Make(std::string("-999.5"), arrow::decimal128(3, 0)).place, Place::kBelowAll);

  const Literal half = Make(1.5, arrow::int32());
  EXPECT_EQ(half.place, Place::kBetween);
  EXPECT_EQ(half.value->ToString(), "1");
  const Literal below = Make(-1.5, arrow::int32());
  EXPECT_EQ(below.place, Place::kBetween);
  EXPECT_EQ(below.value->ToString(), "-2");
  EXPECT_EQ(Make(std::string("-0.001"), arrow::decimal128(5, 2)).value->ToString(), "-0.01");
  EXPECT_EQ(Make(1e300, arrow::float32()).place, Place::kBetween);
  EXPECT_EQ(Make(std::string("1e999"), arrow::float64()).place, Place::kBetween);
  EXPECT_EQ(Make(std::string("inf"), arrow::float64()).place, Place::kExact);
  ExpectExact(std::string("1e-999"), arrow::float64(), "0");
}

TEST(LiteralTest, MomentsAreReadInTheColumnsUnit) {
  const auto seconds = arrow::timestamp(arrow::TimeUnit::SECOND);
  const auto nanos = arrow::timestamp(arrow::TimeUnit::NANO, "Europe/Berlin");
  const auto value = [](const Literal& literal) {
    return static_cast<const arrow::TimestampScalar&>(*literal.value).value;
  };
  EXPECT_EQ(value(Make(std::string("2024-01-02T03:04:05Z"), seconds)), 1704164645);
  EXPECT_EQ(value(Make(std::string("2024-01-02 03:04:05"), seconds)), 1704164645);
  EXPECT_EQ(value(Make(std::string("2024-01-02T05:04:05+02:00"), seconds)), 1704164645);
  EXPECT_EQ(value(Make(std::string("2024-01-02T03:04:05.25Z"), nanos)), 1704164645250000000);
  EXPECT_EQ(value(Make(std::string("1704164645"), seconds)), 1704164645);
  EXPECT_EQ(value(Make(int64_t{7}, nanos)), 7);
  EXPECT_EQ(value(Make(std::string("9999-12-31"), seconds)), 253402214400);
  EXPECT_EQ(Make(std::string("9999-12-31"), nanos).place, Place::kAboveAll);
  const Literal between = Make(std::string("1969-12-31T23:59:59.5"), seconds);
  EXPECT_EQ(between.place, Place::kBetween);
  EXPECT_EQ(value(between), -1);

  const Literal day = Make(std::string("1970-01-03"), arrow::date32());
  EXPECT_EQ(day.place, Place::kExact);
  EXPECT_EQ(static_cast<const arrow::Date32Scalar&>(*day.value).value, 2);
  EXPECT_EQ(Make(std::string("1970-01-03T00:00:01"), arrow::date32()).place, Place::kBetween);
  const Literal time = Make(std::string("01:00:00.5"), arrow::time64(arrow::TimeUnit::MICRO));
  EXPECT_EQ(static_cast<const arrow::Time64Scalar&>(*time.value).value, 3600500000);
}

TEST(LiteralTest, WhatIsNoValueOfTheColumnIsRefusedWithItsName) {
  for (const auto& type : {arrow::int8(), arrow::float16(), arrow::float64(), arrow::decimal128(5, 2),
                           arrow::timestamp(arrow::TimeUnit::MILLI), arrow::duration(arrow::TimeUnit::SECOND),
                           arrow::time32(arrow::TimeUnit::SECOND), arrow::boolean(), arrow::date64()}) {
    for (const char* text : {"", "abc", "1x", "0x10", "1.2.3", "--1", "12:00 Z", "2024-01-02T03:04:05.Z"}) {
      const auto literal = MakeLiteral(std::string(text), type, "price");
      ASSERT_FALSE(literal.ok()) << type->ToString() << " " << text;
      EXPECT_EQ(CodeOf(literal.status()), ErrorCode::kInvalidArgument);
      for (const std::string& part :
           {std::string("price"), type->ToString(), '"' + std::string(text) + '"'}) {
        EXPECT_NE(literal.status().message().find(part), std::string::npos) << literal.status();
      }
    }
    EXPECT_FALSE(MakeLiteral(std::monostate{}, type, "price").ok());
  }
  EXPECT_FALSE(MakeLiteral(true, arrow::int64(), "c").ok());
  EXPECT_FALSE(MakeLiteral(std::numeric_limits<double>::quiet_NaN(), arrow::int64(), "c").ok());
}

TEST(LiteralTest, TextColumnsTakeAnyValueByItsText) {
  ExpectExact(int64_t{12}, arrow::utf8(), "12");
  ExpectExact(true, arrow::large_utf8(), "true");
  ExpectExact(1.5, arrow::utf8(), "1.5");
}

}  // namespace
}  // namespace longbow::filter
