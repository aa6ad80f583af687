#include "longbow/engine/engine.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include "longbow/engine/engine_for_test.h"

namespace longbow::engine {
namespace {

using Rows = std::vector<std::string>;

std::shared_ptr<arrow::RecordBatch> TwoRows(const std::string& ids, const std::string& texts,
                                            const std::string& vectors) {
  return BatchOf({{arrow::field("id", arrow::int64()), ids},
                  {arrow::field("text", arrow::utf8()), texts},
                  {arrow::field("vector", arrow::fixed_size_list(arrow::float32(), 2)), vectors}});
}

Rows RowsOf(EngineForTest& engine, const std::string& dataset) {
  const auto view = engine->Pin(dataset);
  if (!view.ok()) return {view.status().message()};
  return VisibleRows(**view);
}

TEST(Engine, RowsAreThereAfterAPutAndAfterARestart) {
  EngineForTest engine;
  const auto ack = engine.Put("d", TwoRows("[1, 2]", R"(["a", "b"])", "[[1, 2], [3, 4]]"));
  ASSERT_TRUE(ack.ok()) << ack.status().ToString();
  EXPECT_EQ(ack->rows, 2);
  const Rows expected = RowsOf(engine, "d");
  ASSERT_EQ(expected.size(), 2u);
  EXPECT_NE(expected[0].find("id=1 text=a"), std::string::npos) << expected[0];
  engine.Reopen();
  EXPECT_EQ(RowsOf(engine, "d"), expected);
}

}  // namespace
}  // namespace longbow::engine
