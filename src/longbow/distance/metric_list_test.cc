#include "longbow/distance/metric_list.h"

#include <gtest/gtest.h>

namespace longbow::distance {
namespace {

TEST(ElementTypes, EveryNameFindsItsType) {
  for (int i = 0; i < kElementTypes; ++i) {
    const auto type = static_cast<ElementType>(i);
    EXPECT_EQ(ElementTypeFromName(ElementTypeName(type)), type) << ElementTypeName(type);
  }
  EXPECT_EQ(ElementTypeName(ElementType::kFloat32), "float32");
  EXPECT_EQ(ElementTypeName(ElementType::kComplex128), "complex128");
  EXPECT_EQ(ElementTypeFromName("float8"), std::nullopt);
}

TEST(ElementTypes, StoredSizesAndQueryPrecision) {
  EXPECT_EQ(ScalarBytes(ElementType::kFloat16), 2u);
  EXPECT_EQ(ScalarBytes(ElementType::kComplex64), 4u);
  EXPECT_EQ(ScalarsPerElement(ElementType::kComplex64), 2);
  EXPECT_EQ(ScalarsPerElement(ElementType::kInt64), 1);
  EXPECT_EQ(QueryTypeOf(ElementType::kUInt16), QueryType::kFloat32);
  EXPECT_EQ(QueryTypeOf(ElementType::kInt32), QueryType::kFloat64);
  EXPECT_EQ(QueryTypeOf(ElementType::kComplex128), QueryType::kFloat64);
}

TEST(Metrics, NamesThatClientsSend) {
  EXPECT_EQ(MetricFromName("l2"), Metric::kL2);
  EXPECT_EQ(MetricFromName("euclidean"), Metric::kL2);
  EXPECT_EQ(MetricFromName("cosine"), Metric::kCosine);
  for (const char* name : {"ip", "inner_product", "dot_product", "dot"}) {
    EXPECT_EQ(MetricFromName(name), Metric::kInnerProduct) << name;
  }
  EXPECT_EQ(MetricFromName("L2"), std::nullopt);
  EXPECT_EQ(MetricName(Metric::kL2), "l2");
  EXPECT_EQ(MetricName(Metric::kCosine), "cosine");
  EXPECT_EQ(MetricName(Metric::kInnerProduct), "ip");
}

}  // namespace
}  // namespace longbow::distance
