#include <gtest/gtest.h>

#include "longbow/index/vector_index.h"

namespace longbow::index {
namespace {

TEST(IndexTypes, FlatIsThereAndEveryTypeIsFoundByItsName) {
  ASSERT_TRUE(FindIndexType("flat").ok());
  for (const IndexType& type : IndexTypes()) {
    auto found = FindIndexType(type.name);
    ASSERT_TRUE(found.ok()) << type.name;
    EXPECT_EQ(*found, &type);
  }
}

TEST(IndexTypes, AnUnknownNameIsRefusedWithTheKnownOnes) {
  const Status status = FindIndexType("flatt").status();
  EXPECT_EQ(CodeOf(status), ErrorCode::kInvalidArgument);
  EXPECT_NE(status.message().find("flatt"), std::string::npos) << status.message();
  for (const IndexType& type : IndexTypes()) {
    EXPECT_NE(status.message().find(type.name), std::string::npos) << status.message();
  }
}

TEST(IndexTypes, ACodecThatATypeDoesNotHaveIsRefusedWithThoseItHas) {
  const IndexType& graph = **FindIndexType("graph");
  for (const std::string_view codec : {"auto", "f32", "f16", "sq8", "rabitq"}) {
    EXPECT_TRUE(CheckCodec(graph, codec).ok()) << codec;
  }
  const IndexType& flat = **FindIndexType("flat");
  EXPECT_TRUE(CheckCodec(flat, "auto").ok());
  EXPECT_TRUE(CheckCodec(flat, "f32").ok());
  const Status status = CheckCodec(flat, "sq8");
  EXPECT_EQ(CodeOf(status), ErrorCode::kInvalidArgument);
  EXPECT_NE(status.message().find("sq8"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("auto"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace longbow::index
