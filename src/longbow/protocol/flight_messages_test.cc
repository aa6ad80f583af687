#include "longbow/protocol/flight_messages.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "longbow/protocol/random_bytes.h"

namespace longbow::protocol {
namespace {

TEST(FlightMessages, ComeBackAsWritten) {
  const FlightDescriptor path{{"ingest", "d"}, ""}, command{{}, "VectorSearch"};
  EXPECT_EQ(ParseFlightDescriptor(EncodeFlightDescriptor(path))->path, path.path);
  EXPECT_EQ(ParseFlightDescriptor(EncodeFlightDescriptor(command))->command, "VectorSearch");
  EXPECT_EQ(*ParseTicket(EncodeTicket("{}")), "{}");
  EXPECT_EQ(ParseAction(EncodeAction({"delete", "body"}))->type, "delete");
  EXPECT_EQ(ParseAction(EncodeAction({"delete", "body"}))->body, "body");
  EXPECT_EQ(*ParseCriteria(EncodeCriteria("x")), "x");
  EXPECT_EQ(*ParsePutResult(EncodePutResult("{}")), "{}");
}

TEST(FlightMessages, ADescriptorNeedsNoType) {
  const std::string path_only = std::string("\x1a\x02") + "ds";
  EXPECT_EQ(*DatasetOf(*ParseFlightDescriptor(path_only)), "ds");
}

TEST(FlightMessages, EveryWayToNameADatasetWorks) {
  EXPECT_EQ(*DatasetOf({{"d", "ignored"}, ""}), "d");
  EXPECT_EQ(*DatasetOf({{}, "d"}), "d");
  EXPECT_EQ(*DatasetOf({{}, R"({"name":"d"})"}), "d");
  EXPECT_EQ(*DatasetOf({{}, R"({"dataset":"d"})"}), "d");
}

TEST(FlightMessages, ADescriptorWithoutADatasetIsRefused) {
  for (const FlightDescriptor& bad :
       {FlightDescriptor{{}, ""}, FlightDescriptor{{""}, ""}, FlightDescriptor{{}, "{}"},
        FlightDescriptor{{}, "{\"name\":3}"}, FlightDescriptor{{}, "{"}}) {
    auto name = DatasetOf(bad);
    ASSERT_FALSE(name.ok());
    EXPECT_EQ(CodeOf(name.status()), ErrorCode::kInvalidArgument) << name.status();
  }
  EXPECT_NE(DatasetOf({}).status().message().find("missing flight descriptor path"), std::string::npos);
}

TEST(FlightMessages, LargeOnesAreRefusedBeforeTheyAreDecoded) {
  EXPECT_TRUE(ParseFlightDescriptor(EncodeFlightDescriptor({{}, std::string(60000, 'x')})).ok());
  EXPECT_FALSE(ParseFlightDescriptor(EncodeFlightDescriptor({{}, std::string(70000, 'x')})).ok());
  EXPECT_FALSE(ParseTicket(EncodeTicket(std::string(kMaxTicketBytes + 1000, 'x'))).ok());
}

TEST(FlightMessages, SchemaAndInfoEncode) {
  const auto schema = arrow::schema({arrow::field("id", arrow::int64())});
  EXPECT_TRUE(EncodeFlightInfo({"d", schema, 5, 100}).ok());
  EXPECT_TRUE(EncodePollInfo({"d", schema, 5, 100}).ok());
  EXPECT_TRUE(EncodeSchemaResult(*schema).ok());
}

TEST(FlightMessages, SurviveBrokenBytes) {
  const std::string good = EncodeFlightDescriptor({{"a", "b"}, "c"}) + EncodeAction({"type", "body"});
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    RandomBytes random(seed);
    const std::string bytes = random.Break(good);
    if (auto descriptor = ParseFlightDescriptor(bytes); descriptor.ok()) (void)DatasetOf(*descriptor);
    (void)ParseAction(bytes);
    (void)ParseTicket(bytes);
  }
}

}  // namespace
}  // namespace longbow::protocol
