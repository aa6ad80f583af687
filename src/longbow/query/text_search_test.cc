#include "longbow/query/text_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <thread>

#include "longbow/query/test_database.h"

namespace longbow::query {
namespace {

using Ids = std::vector<uint64_t>;

SearchRequest Asks(const std::string& text, double alpha = 0, int64_t k = 10) {
  SearchRequest request;
  request.dataset = "d";
  request.text.query = text;
  request.text.alpha = alpha;
  request.k = {k};
  return request;
}

class TextSearches : public ::testing::Test {
 protected:
  void Put(const std::vector<std::optional<int64_t>>& ids,
           const std::vector<std::optional<std::string>>& texts,
           const std::vector<std::vector<double>>& vectors) {
    database_.Put("d",
                  Batch({{"id", Int64s(ids)}, {"body", Strings(texts)}, {"vector", Vectors(vectors, 2)}}));
  }
  SearchAnswer Answer(const SearchRequest& request) {
    auto answer = database_.query().Search(request);
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : SearchAnswer{};
  }
  Ids Found(const SearchRequest& request) { return Values<arrow::UInt64Type>(*Answer(request).hits, "id"); }
  ErrorCode Refused(const SearchRequest& request) {
    return CodeOf(database_.query().Search(request).status());
  }

  TestDatabase database_;
};

TEST_F(TextSearches, WordsFindRowsAtOnceAndDeletesHideThem) {
  Put({1, 2, 3}, {"a red fox", "a blue whale", std::nullopt}, {{0, 0}, {1, 0}, {2, 0}});
  EXPECT_EQ(Found(Asks("fox")), Ids{1});
  EXPECT_EQ(Found(Asks("red whale")), (Ids{1, 2}));
  Put({4}, {"another fox, much longer than the first"}, {{3, 0}});
  EXPECT_EQ(Found(Asks("fox")), (Ids{1, 4}));
  database_.Delete("d", {"1"});
  EXPECT_EQ(Found(Asks("fox")), Ids{4});
  Put({4}, {"now a whale"}, {{3, 0}});
  EXPECT_EQ(Found(Asks("fox")), Ids{});
  EXPECT_EQ(Found(Asks("whale")), (Ids{2, 4}));
}

TEST_F(TextSearches, PhrasesAndSignsAreHonoured) {
  Put({1, 2, 3}, {"fast red car", "red fast car", "red bus"}, {{0, 0}, {0, 0}, {0, 0}});
  EXPECT_EQ(Found(Asks("\"fast car\"")), Ids{2});
  EXPECT_EQ(Found(Asks("+red -car")), Ids{3});
  EXPECT_EQ(Found(Asks("red -\"red fast\"")), (Ids{3, 1}));
}

TEST_F(TextSearches, AlphaSaysWhatCounts) {
  Put({1, 2, 3}, {"fox", "whale", "whale and more words"}, {{0, 0}, {5, 5}, {9, 9}});
  auto request = Asks("whale", 1, 2);
  request.queries.numbers = {{0, 0}};
  EXPECT_EQ(Found(request), (Ids{1, 2}));
  request.text.alpha = 0;
  EXPECT_EQ(Found(request), (Ids{2, 3}));
  request.text.alpha = 0.4;
  EXPECT_EQ(Found(request), (Ids{2, 3}));  // in both lists
  request.text.alpha = -1;                 // one word: 0.3
  EXPECT_EQ(Found(request), (Ids{2, 3}));
  request.text.alpha = 0.9;
  EXPECT_EQ(Found(request)[0], 2u);
  request.text.fusion = "weighted";
  EXPECT_EQ(Found(request)[0], 1u);
  request.text.alpha = 1.5;
  EXPECT_EQ(Refused(request), ErrorCode::kInvalidArgument);
}

TEST_F(TextSearches, ScoresAreBm25AndDistancesUnknownWhereTextAloneFound) {
  Put({1, 2}, {"fox", "owl"}, {{0, 0}, {3, 4}});
  auto answer = Answer(Asks("fox"));
  EXPECT_NEAR(Values<arrow::FloatType>(*answer.hits, "score")[0], std::log(1 + 1.5 / 1.5) * 2.2 / 2.2, 1e-6);
  EXPECT_TRUE(std::isnan(Values<arrow::FloatType>(*answer.hits, "distance")[0]));
  auto both = Asks("owl", 0.5);
  both.queries.numbers = {{0, 0}};
  answer = Answer(both);
  EXPECT_EQ(Values<arrow::UInt64Type>(*answer.hits, "id"), (Ids{2, 1}));
  EXPECT_EQ(Values<arrow::FloatType>(*answer.hits, "distance")[0], 5);
}

TEST_F(TextSearches, FiltersApplyToText) {
  Put({1, 2, 3, 4}, {"fox", "fox", "owl", "fox"}, {{0, 0}, {1, 1}, {2, 2}, {3, 3}});
  auto request = Asks("fox");
  request.filter = filter::ParseFilter("id > 1").ValueOrDie();
  EXPECT_EQ(Found(request), (Ids{2, 4}));
  request.text.alpha = 0.5;
  request.queries.numbers = {{0, 0}};
  EXPECT_EQ(Found(request), (Ids{2, 4, 3}));
}

TEST_F(TextSearches, ColumnsSayWhereTextIsAndHowItIsRead) {
  const auto text = arrow::key_value_metadata({"longbow.text"}, {"english"});
  const auto schema = arrow::schema({arrow::field("id", arrow::int64()), arrow::field("title", arrow::utf8()),
                                     arrow::field("body", arrow::utf8(), true, text)});
  database_.Put("d", arrow::RecordBatch::Make(schema, 2,
                                              {Int64s({1, 2}), Strings({"jumping", "a"}),
                                               Strings({"nothing", "he was jumping"})}));
  EXPECT_EQ(Found(Asks("jumps")), Ids{2});  // the declared column, stemmed; no vectors needed
  auto request = Asks("jumping");
  request.text.columns = {"title"};
  EXPECT_EQ(Found(request), Ids{1});
  request.text.columns = {"title", "body"};
  EXPECT_EQ(Refused(request), ErrorCode::kInvalidArgument);
  request.text.columns = {"id"};
  EXPECT_EQ(Refused(request), ErrorCode::kInvalidArgument);
  request.text.columns = {"nowhere"};
  EXPECT_EQ(Refused(request), ErrorCode::kInvalidArgument);
  request = Asks("jumping");
  request.radius = 1;
  EXPECT_EQ(Refused(request), ErrorCode::kInvalidArgument);
}

TEST_F(TextSearches, UnknownAnalyzersAreRefusedWhenTheDatasetIsMade) {
  const auto schema = arrow::schema(
      {arrow::field("body", arrow::utf8(), true, arrow::key_value_metadata({"longbow.text"}, {"klingon"}))});
  EXPECT_EQ(CodeOf(database_.engine().OpenWriter("d", *schema).status()), ErrorCode::kInvalidArgument);
}

TEST_F(TextSearches, AllStringColumnsAreOneTextByDefault) {
  database_.Put(
      "d",
      Batch({{"id", Strings({"fox", "x"})}, {"a", Strings({"red", "red"})}, {"b", Strings({"owl", "fox"})}}));
  const auto answer = Answer(Asks("+red +fox"));
  EXPECT_EQ(answer.hits->num_rows(), 1);                       // keys are no text
  EXPECT_EQ(Answer(Asks("\"red fox\"")).hits->num_rows(), 0);  // no phrase goes across columns
}

TEST_F(TextSearches, SparseVectorsAreFoundByTheirProduct) {
  arrow::MapBuilder builder(arrow::default_memory_pool(), std::make_shared<arrow::UInt32Builder>(),
                            std::make_shared<arrow::FloatBuilder>());
  auto* terms = static_cast<arrow::UInt32Builder*>(builder.key_builder());
  auto* weights = static_cast<arrow::FloatBuilder*>(builder.item_builder());
  const std::vector<std::map<uint32_t, float>> rows = {{{7, 1.0f}, {4000000000u, 2.0f}}, {{7, 3.0f}}, {}};
  for (const auto& row : rows) {
    ASSERT_TRUE(builder.Append().ok());
    for (const auto& [term, weight] : row) {
      ASSERT_TRUE(terms->Append(term).ok());
      ASSERT_TRUE(weights->Append(weight).ok());
    }
  }
  database_.Put("d", Batch({{"id", Int64s({1, 2, 3})}, {"terms", builder.Finish().ValueOrDie()}}));
  SearchRequest request = Asks("");
  request.text.weights = {{7, 1}, {4000000000u, 2}};
  const auto answer = Answer(request);
  EXPECT_EQ(Values<arrow::UInt64Type>(*answer.hits, "id"), (Ids{1, 2}));
  EXPECT_EQ(Values<arrow::FloatType>(*answer.hits, "score"), (std::vector<float>{5, 3}));
  request.text.weight_column = "id";
  EXPECT_EQ(Refused(request), ErrorCode::kInvalidArgument);
}

TEST_F(TextSearches, PagesOfTextFollowEachOther) {
  for (int64_t id = 0; id < 30; ++id)
    Put({id}, {std::string(static_cast<size_t>(id % 7), 'x') + " fox"}, {{0, 0}});
  const Ids all = Found(Asks("fox", 0, 30));
  ASSERT_EQ(all.size(), 30u);
  Ids paged;
  for (int64_t offset = 0; offset < 30; offset += 7) {
    auto request = Asks("fox", 0, 7);
    request.offset = offset;
    for (const uint64_t id : Found(request)) paged.push_back(id);
  }
  EXPECT_EQ(paged, all);
}

// Of a fusion only the part by vector can miss rows: what an approximate search of it found is compared with
// what an exact one would have led to.
TEST_F(TextSearches, RecallOfAFusionIsThatOfItsHits) {
  std::mt19937_64 random(3);
  std::vector<std::optional<int64_t>> ids;
  std::vector<std::optional<std::string>> texts;
  std::vector<std::vector<double>> vectors;
  for (int64_t id = 0; id < 2000; ++id) {
    ids.push_back(id);
    texts.push_back(std::string("w").append(std::to_string(random() % 50)));
    vectors.push_back({static_cast<double>(random() % 1000), static_cast<double>(random() % 1000)});
  }
  Put(ids, texts, vectors);
  auto request = Asks("w3", 0.5, 20);
  request.queries.numbers = {{500, 500}};
  request.check_recall = true;
  const auto answer = Answer(request);
  ASSERT_TRUE(answer.recall.has_value());
  EXPECT_GT(*answer.recall, 0.5);
  EXPECT_LE(*answer.recall, 1);
  request.exact = true;
  EXPECT_EQ(Answer(request).recall, 1);
}

// Cut short or not, with vectors beside the text or without: what a search of text alone found is compared
// with the same search of text.
TEST_F(TextSearches, RecallOfTextCutShortIsThatOfTheWholeText) {
  std::vector<std::optional<std::string>> texts;
  std::vector<std::vector<double>> vectors;
  for (int64_t id = 0; id < 5000; ++id) {
    texts.push_back("word and its number " + std::to_string(id % 5));
    vectors.push_back({static_cast<double>(id), 0});
  }
  database_.Put("words", Batch({{"id", Range(0, 5000)}, {"body", Strings(texts)}}));
  database_.Put("d",
                Batch({{"id", Range(0, 5000)}, {"body", Strings(texts)}, {"vector", Vectors(vectors, 2)}}));
  for (const char* dataset : {"words", "d"}) {
    auto request = Asks("number word 3", 0, 20);
    request.dataset = dataset;
    request.max_distances = 1;
    request.allow_partial = request.check_recall = true;
    const auto cut = Answer(request);
    EXPECT_EQ(cut.coverage, index::Coverage::kPartial);
    ASSERT_TRUE(cut.recall.has_value());
    EXPECT_LT(*cut.recall, 1);
    request.max_distances = 0;
    const auto whole = Answer(request);
    EXPECT_EQ(whole.coverage, index::Coverage::kExact);
    EXPECT_EQ(whole.recall, 1);
    const Ids expected = IdsOf(whole), found = IdsOf(cut);
    const auto good = std::count_if(found.begin(), found.end(), [&](uint64_t id) {
      return std::find(expected.begin(), expected.end(), id) != expected.end();
    });
    EXPECT_DOUBLE_EQ(*cut.recall, static_cast<double>(good) / static_cast<double>(expected.size()));
  }
  database_.clock.step_ns = 4'000'000;  // a look at the clock: some of the time that is given
  auto request = Asks("number word 3", 0, 20);
  request.queries.numbers = {{0, 0}};
  request.text.alpha = 0.5;
  request.allow_partial = request.check_recall = true;
  for (int64_t millis = 1; millis < 200; millis += 9) {
    request.deadline_ns = database_.clock.MonotonicNanos() + millis * 1'000'000;
    const auto answer = database_.query().Search(request);
    if (!answer.ok()) {
      EXPECT_EQ(CodeOf(answer.status()), ErrorCode::kDeadlineExceeded) << answer.status();
      continue;
    }
    EXPECT_GE(answer->recall.value_or(0), 0);
    EXPECT_LE(answer->recall.value_or(1), 1);
  }
}

TEST_F(TextSearches, ScoresFollowTheirHitsIntoAnotherOrder) {
  Put({1, 2, 3}, {"fox fox fox", "fox and whale", "fox"}, {{0, 0}, {0, 0}, {0, 0}});
  const auto plain = Answer(Asks("fox"));
  auto request = Asks("fox");
  request.order_by = OrderBy{"id", true};
  const auto ordered = Answer(request);
  EXPECT_EQ(Values<arrow::UInt64Type>(*ordered.hits, "id"), (Ids{3, 2, 1}));
  std::map<uint64_t, float> scores;
  for (const auto* answer : {&plain, &ordered}) {
    const auto found = Values<arrow::UInt64Type>(*answer->hits, "id");
    const auto values = Values<arrow::FloatType>(*answer->hits, "score");
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(scores.emplace(found[i], values[i]).first->second, values[i]);
    }
  }
}

TEST_F(TextSearches, CachedAnswersAreOfTheSameText) {
  Put({1, 2}, {"fox", "owl"}, {{0, 0}, {0, 0}});
  for (int time = 0; time < 3; ++time) {
    EXPECT_EQ(Found(Asks("fox")), Ids{1});
    EXPECT_EQ(Found(Asks("owl")), Ids{2});
  }
}

// An index that begins while rows come and go knows all that its reader sees.
TEST_F(TextSearches, ManyReadersBesideAWriterSeeEachRowTheyShould) {
  std::mt19937_64 random(11);
  std::map<int64_t, std::string> rows;
  const auto put = [&](int64_t id) {
    rows[id] = std::string("w").append(std::to_string(random() % 5)).append(" every");
    Put({id}, {rows[id]}, {{0, 0}});
  };
  for (int64_t id = 0; id < 50; ++id) put(id);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 3; ++reader) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto answer = database_.query().Search(Asks("every", 0, 1000));
        ASSERT_TRUE(answer.ok()) << answer.status();
        EXPECT_EQ(answer->hits->num_rows(), 50);  // replacing never shows more or fewer
      }
    });
  }
  for (int step = 0; step < 300; ++step) put(static_cast<int64_t>(random() % 50));
  stop = true;
  for (auto& reader : readers) reader.join();
  for (int word = 0; word < 5; ++word) {
    const std::string asked = std::string("w").append(std::to_string(word));
    Ids expected;
    for (const auto& [id, text] : rows) {
      if (text.substr(0, 2) == asked) expected.push_back(static_cast<uint64_t>(id));
    }
    EXPECT_EQ(Found(Asks(asked, 0, 100)), expected);  // equal scores: by key
  }
}

}  // namespace
}  // namespace longbow::query
