#include "longbow/engine/dataset_schema.h"

#include <arrow/extension/bool8.h>
#include <arrow/extension/fixed_shape_tensor.h>
#include <arrow/extension/uuid.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "longbow/engine/column_type.h"

namespace longbow::engine {
namespace {

using ::testing::HasSubstr;

const auto kId = arrow::field("id", arrow::int64());
std::shared_ptr<arrow::Field> Vector(const std::string& name, std::shared_ptr<arrow::DataType> type,
                                     int size) {
  return arrow::field(name, arrow::fixed_size_list(std::move(type), size));
}
std::shared_ptr<arrow::KeyValueMetadata> Metadata(std::string key, std::string value) {
  return arrow::key_value_metadata({std::move(key)}, {std::move(value)});
}
Status Refusal(const std::shared_ptr<arrow::Schema>& schema) { return ReadSchema(*schema, {}).status(); }
Status MergeRefusal(const std::shared_ptr<const DatasetSchema>& current,
                    const std::shared_ptr<arrow::Schema>& schema) {
  return MergeSchema(current, *schema, {}).status();
}

TEST(DatasetSchema, ReadsAllElementTypes) {
  using distance::ElementType;
  const std::pair<std::shared_ptr<arrow::DataType>, ElementType> cases[] = {
      {arrow::float16(), ElementType::kFloat16}, {arrow::float32(), ElementType::kFloat32},
      {arrow::float64(), ElementType::kFloat64}, {arrow::int8(), ElementType::kInt8},
      {arrow::int16(), ElementType::kInt16},     {arrow::int32(), ElementType::kInt32},
      {arrow::int64(), ElementType::kInt64},     {arrow::uint8(), ElementType::kUInt8},
      {arrow::uint16(), ElementType::kUInt16},   {arrow::uint32(), ElementType::kUInt32},
      {arrow::uint64(), ElementType::kUInt64}};
  for (const auto& [type, expected] : cases) {
    const auto schema = ReadSchema(*arrow::schema({kId, Vector("vector", type, 6)}), {});
    ASSERT_TRUE(schema.ok()) << schema.status().ToString();
    EXPECT_EQ((*schema)->vectors[0].type, expected);
    EXPECT_EQ((*schema)->vectors[0].dim, 6u);
  }
}

TEST(DatasetSchema, ComplexVectorsAreFloatsOfTwiceTheLength) {
  for (const auto& metadata :
       {Metadata("longbow.vector_type", "complex64"), Metadata("longbow.complex", "true")}) {
    const auto on_schema =
        *ReadSchema(*arrow::schema({kId, Vector("vector", arrow::float32(), 6)}, metadata), {});
    EXPECT_EQ(on_schema->vectors[0].type, distance::ElementType::kComplex64);
    EXPECT_EQ(on_schema->vectors[0].dim, 3u);
    const auto on_field =
        *ReadSchema(*arrow::schema({kId, Vector("vector", arrow::float32(), 6)->WithMetadata(metadata)}), {});
    EXPECT_EQ(on_field->vectors[0].type, distance::ElementType::kComplex64);
  }
  EXPECT_THAT(Refusal(arrow::schema({kId, Vector("vector", arrow::float32(), 5)},
                                    Metadata("longbow.complex", "true")))
                  .message(),
              HasSubstr("even list size, given 5"));
  EXPECT_THAT(Refusal(arrow::schema({kId, Vector("vector", arrow::float32(), 4)},
                                    Metadata("longbow.vector_type", "int8")))
                  .message(),
              HasSubstr("longbow.vector_type is 'int8' but the column holds float32"));
}

TEST(DatasetSchema, TheDefaultVectorIsVectorThenEmbeddingThenTheFirst) {
  const auto name = [](std::vector<std::string> names) {
    arrow::FieldVector fields{kId};
    for (const auto& n : names) fields.push_back(Vector(n, arrow::float32(), 2));
    return (*ReadSchema(*arrow::schema(fields), {}))->FindVector("")->name;
  };
  EXPECT_EQ(name({"a", "embedding", "vector"}), "vector");
  EXPECT_EQ(name({"a", "embedding"}), "embedding");
  EXPECT_EQ(name({"b", "a"}), "b");
}

TEST(DatasetSchema, MetricComesFromTheFieldThenTheSchema) {
  const auto schema = arrow::schema(
      {kId, Vector("a", arrow::float32(), 2)->WithMetadata(Metadata("longbow.metric", "dot_product")),
       Vector("b", arrow::float32(), 2)},
      Metadata("longbow.metric", "cosine"));
  const auto read = *ReadSchema(*schema, {});
  EXPECT_EQ(read->vectors[0].metric, distance::Metric::kInnerProduct);
  EXPECT_EQ(read->vectors[1].metric, distance::Metric::kCosine);
  EXPECT_THAT(
      Refusal(arrow::schema({Vector("a", arrow::float32(), 2)}, Metadata("longbow.metric", "x"))).message(),
      HasSubstr("unknown longbow.metric 'x'"));
}

TEST(DatasetSchema, TakesTheCodecsOfTheIndexTypeAndRefusesOthers) {
  const auto column = Vector("v", arrow::float32(), 2);
  for (const char* codec : {"auto", "f32", "f16", "sq8", "rabitq"}) {
    const auto read = ReadSchema(*arrow::schema({kId, column}, Metadata("longbow.codec", codec)), {});
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    EXPECT_EQ((*read)->vectors[0].codec, codec);
  }
  EXPECT_THAT(
      Refusal(arrow::schema({kId, column}, Metadata("longbow.codec", "sq4"))).message(),
      HasSubstr("column 'v': longbow.codec: index type 'graph' has no codec 'sq4'; use one of: auto, f32"));
}

TEST(DatasetSchema, RefusesWhatItCannotStore) {
  const auto refused = [](const std::shared_ptr<arrow::Field>& field) {
    return Refusal(arrow::schema({kId, field})).message();
  };
  EXPECT_THAT(refused(Vector("vector", arrow::float32(), 0)), HasSubstr("at least 1 dimension, given 0"));
  EXPECT_THAT(refused(Vector("vector", arrow::float32(), 4097)), HasSubstr("4097 dimensions, at most 4096"));
  EXPECT_THAT(refused(arrow::field("x", arrow::dense_union({arrow::field("a", arrow::int8())}))),
              HasSubstr("column 'x': type dense_union<a: int8=0> is not supported; send a column for each"));
  EXPECT_THAT(refused(arrow::field("x", arrow::run_end_encoded(arrow::int32(), arrow::list(arrow::int8())))),
              HasSubstr("column 'x': runs of nested values"));
  EXPECT_THAT(refused(arrow::field("_seq", arrow::int8())), HasSubstr("'_seq' is reserved"));
  EXPECT_THAT(refused(arrow::field("", arrow::int8())), HasSubstr("no name"));
  EXPECT_THAT(refused(kId), HasSubstr("'id' appears twice"));
  EXPECT_THAT(Refusal(arrow::schema({arrow::field("id", arrow::float64())})).message(),
              HasSubstr("column 'id': expected an integer or string type, given double"));
  EXPECT_THAT(Refusal(arrow::schema(arrow::FieldVector{})).message(), HasSubstr("no columns"));
  std::shared_ptr<arrow::DataType> deep = arrow::int8();
  for (int i = 0; i < 8; ++i) deep = arrow::list(deep);
  EXPECT_THAT(refused(arrow::field("x", deep)), HasSubstr("nested deeper than 8"));
  EXPECT_TRUE(Refusal(arrow::schema({kId, arrow::field("x", deep->field(0)->type())})).ok());
  EXPECT_THAT(
      Refusal(arrow::schema({kId, Vector("v", arrow::float32(), 2)}, Metadata("longbow.index", "magic")))
          .message(),
      HasSubstr("magic"));
  EXPECT_THAT(Refusal(arrow::schema({kId}, Metadata("longbow.durability", "quantum"))).message(),
              HasSubstr("known: fsync, async, memory"));
}

TEST(DatasetSchema, DictionariesAndViewsAreWhatTheyStandFor) {
  const auto read = *ReadSchema(
      *arrow::schema({arrow::field("id", arrow::dictionary(arrow::int8(), arrow::utf8())),
                      arrow::field("a", arrow::utf8_view()),
                      arrow::field("b", arrow::list_view(arrow::binary_view())),
                      arrow::field("c", arrow::struct_({arrow::field("d", arrow::utf8_view())}))}),
      {});
  EXPECT_EQ(read->key, KeyKind::kString);
  EXPECT_TRUE(read->arrow->field(1)->type()->Equals(arrow::utf8()));
  EXPECT_TRUE(SameColumnType(*read->arrow->field(2)->type(), *arrow::list(arrow::binary())));
  EXPECT_TRUE(
      SameColumnType(*read->arrow->field(3)->type(), *arrow::struct_({arrow::field("d", arrow::utf8())})));
}

TEST(DatasetSchema, ExtensionsAreTheirStorageAndKeepTheirName) {
  const auto uuid = arrow::field("x", arrow::extension::uuid());
  const auto other = arrow::field("y", arrow::list(arrow::field("item", arrow::extension::bool8())), true,
                                  Metadata("ARROW:extension:name", "my.type"));
  const auto read = *ReadSchema(*arrow::schema({kId, uuid, other}), {});
  const auto& x = *read->arrow->field(1);
  EXPECT_TRUE(x.type()->Equals(arrow::fixed_size_binary(16)));
  EXPECT_EQ(ExtensionName(x), "arrow.uuid");
  EXPECT_EQ(ExtensionName(*read->arrow->field(2)), "my.type");
  EXPECT_TRUE(SameColumnType(*read->arrow->field(2)->type(), *arrow::list(arrow::int8())));
  EXPECT_EQ(ExtensionName(*read->arrow->field(2)->type()->field(0)), "arrow.bool8");
  EXPECT_EQ(*MergeSchema(read, *arrow::schema({kId, uuid, other}), {}), read);
  EXPECT_EQ(*MergeSchema(read, *arrow::schema({kId, x.WithMetadata(nullptr)}), {}), read) << "plain values";
  EXPECT_THAT(
      MergeRefusal(read, arrow::schema({kId, x.WithMetadata(Metadata("ARROW:extension:name", "my.id"))}))
          .message(),
      HasSubstr("column 'x': expected extension type 'arrow.uuid', given extension type 'my.id'"));
  EXPECT_THAT(MergeRefusal(read, arrow::schema({kId, other->WithMetadata(nullptr)->WithName("x")})).message(),
              HasSubstr("type mismatch for column 'x'"));
  const auto plain = *ReadSchema(*arrow::schema({kId, x.WithMetadata(nullptr)}), {});
  EXPECT_THAT(MergeRefusal(plain, arrow::schema({kId, uuid})).message(),
              HasSubstr("expected fixed_size_binary[16], given extension type 'arrow.uuid'"));
}

TEST(DatasetSchema, ATensorOfFixedShapeIsAVectorColumn) {
  const auto read = *ReadSchema(*arrow::schema({kId, arrow::field("v", arrow::extension::fixed_shape_tensor(
                                                                           arrow::float32(), {2, 3}))}),
                                {});
  ASSERT_EQ(read->vectors.size(), 1u);
  EXPECT_EQ(read->vectors[0].dim, 6u);
  EXPECT_EQ(ExtensionName(*read->arrow->field(1)), "arrow.fixed_shape_tensor");
}

TEST(DatasetSchema, MergingAddsBehindAndKeepsTheRest) {
  const auto first =
      *ReadSchema(*arrow::schema({kId, Vector("vec", arrow::float32(), 2)}, Metadata("pandas", "{}")), {});
  EXPECT_EQ(*MergeSchema(first, *arrow::schema({kId}), {}), first);
  const auto more = *MergeSchema(
      first,
      *arrow::schema({arrow::field("new", arrow::utf8(), false), kId, Vector("vector", arrow::int8(), 3)}),
      {});
  EXPECT_EQ(more->version, 2u);
  EXPECT_EQ(more->arrow->field_names(), (std::vector<std::string>{"id", "vec", "new", "vector"}));
  EXPECT_TRUE(more->arrow->field(2)->nullable()) << "rows so far have none";
  EXPECT_EQ(more->arrow->metadata()->Get("pandas").ValueOr(""), "{}");
  EXPECT_EQ(more->vectors[1].field, 3);
  EXPECT_EQ(more->FindVector("")->name, "vector");
}

TEST(DatasetSchema, MergingRefusesChanges) {
  const auto first = *ReadSchema(
      *arrow::schema({kId, Vector("v", arrow::float32(), 2), arrow::field("l", arrow::list(arrow::int8()))}),
      {});
  EXPECT_THAT(MergeRefusal(first, arrow::schema({kId, Vector("v", arrow::float32(), 3)})).message(),
              ::testing::StartsWith("schema mismatch: type mismatch for column 'v'"));
  EXPECT_THAT(MergeRefusal(first, arrow::schema({kId, Vector("v", arrow::float64(), 2)})).message(),
              HasSubstr("type mismatch"));
  EXPECT_THAT(MergeRefusal(first, arrow::schema({arrow::field("id", arrow::int32())})).message(),
              HasSubstr("type mismatch for column 'id'"));
  EXPECT_TRUE(
      MergeRefusal(
          first, arrow::schema({kId, arrow::field("l", arrow::list(arrow::field("element", arrow::int8())))}))
          .ok())
      << "what items are called does not count";
  const auto metric = MergeRefusal(
      first, arrow::schema({kId, Vector("v", arrow::float32(), 2)}, Metadata("longbow.metric", "cosine")));
  EXPECT_EQ(CodeOf(metric), ErrorCode::kFailedPrecondition) << metric.ToString();
  const auto complex = MergeRefusal(
      first, arrow::schema({kId, Vector("v", arrow::float32(), 2)}, Metadata("longbow.complex", "true")));
  EXPECT_THAT(complex.message(), HasSubstr("schema mismatch"));
}

TEST(DatasetName, SplitsAtTheSlash) {
  EXPECT_EQ(*DatasetName::Parse("a"), (DatasetName{"default", "a"}));
  EXPECT_EQ(*DatasetName::Parse("ns/a.b-c_D9"), (DatasetName{"ns", "a.b-c_D9"}));
  EXPECT_EQ(DatasetName::Parse("default/a")->ToString(), "a");
  EXPECT_EQ(DatasetName::Parse("ns/a")->ToString(), "ns/a");
}

}  // namespace
}  // namespace longbow::engine
