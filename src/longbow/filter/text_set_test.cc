#include "longbow/filter/text_set.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

namespace longbow::filter {
namespace {

std::string RandomText(std::mt19937_64& random) {
  const char letters[] = {'a', 'b', '\0'};
  std::string text(random() % 20, 'a');
  for (char& c : text) c = letters[random() % 8 < 6 ? 0 : 1 + random() % 2];
  return text;
}

template <typename Builder>
void FindsWhatAStringComparisonFinds(uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<std::string> texts(random() % (TextSet::kMost + 1));
  for (auto& text : texts) text = RandomText(random);
  Builder builder;
  std::vector<std::optional<std::string>> values(random() % 200);
  for (auto& value : values) {
    if (random() % 10 > 0) value = RandomText(random);
    ASSERT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  const auto array = builder.Finish().ValueOrDie();
  const auto from = static_cast<int64_t>(random() % (values.size() + 1));
  const auto slice = array->Slice(from);
  const auto found = TextSet(texts).Find(*slice);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE((*found)->ValidateFull().ok());
  const auto& marks = static_cast<const arrow::BooleanArray&>(**found);
  ASSERT_EQ(marks.length(), slice->length());
  for (int64_t i = 0; i < marks.length(); ++i) {
    const auto& value = values[static_cast<size_t>(from + i)];
    ASSERT_EQ(marks.IsValid(i), value.has_value());
    if (value) {
      EXPECT_EQ(marks.Value(i), std::find(texts.begin(), texts.end(), *value) != texts.end()) << *value;
    }
  }
}

TEST(TextSetTest, FindsWhatAStringComparisonFinds) {
  const uint64_t seed = std::random_device()();
  for (uint64_t i = 0; i < 500; ++i) {
    FindsWhatAStringComparisonFinds<arrow::StringBuilder>(seed + i);
    FindsWhatAStringComparisonFinds<arrow::LargeBinaryBuilder>(seed + i);
  }
}

}  // namespace
}  // namespace longbow::filter
