#include "longbow/text/text_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <future>
#include <map>
#include <new>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "longbow/text/bm25.h"
#include "longbow/text/text_scratch.h"

namespace longbow::text {
namespace {

using Words = std::vector<std::string>;

// Keys that are not in the order of the rows.
class ScatteredKeys final : public TieOrder {
 public:
  static uint32_t KeyOf(RowOrdinal row) { return row * 2654435761u; }
  bool Before(RowOrdinal a, RowOrdinal b) const override { return KeyOf(a) < KeyOf(b); }
};

// A column of texts (or weights) with the index under test, and the answers that one gets by looking at every
// row.
class World : public DocumentSource {
 public:
  World(uint64_t seed, bool weights, int threads)
      : random(seed),
        weights_(weights),
        builders_(threads == 0 ? nullptr : MakeThreadPool({.threads = threads})) {
    TextIndexInput input;
    input.analyzer = weights ? nullptr : *FindAnalyzerType("whitespace");
    input.source = this;
    input.versions = &versions_;
    input.builders = builders_.get();
    input.ledger = &ledger_;
    index = std::make_unique<TextIndex>(input);
    scratch_ = index->NewScratch();
    if (weights) {
      weighted_.resize(kRows);
    } else {
      texts_.resize(kRows);
    }
  }
  ~World() override { index.reset(); }

  void Read(RowOrdinal first, RowOrdinal end, DocumentVisitor* visitor) const override {
    for (RowOrdinal row = first; row < end; ++row) {
      if (weights_) {
        std::vector<TermId> terms;
        std::vector<float> weights;
        for (const auto& [term, weight] : weighted_[row]) terms.push_back(term), weights.push_back(weight);
        if (!terms.empty()) visitor->Weights(row, terms, weights);
        continue;
      }
      std::string text;
      for (const auto& word : texts_[row]) text += word + " ";
      if (!text.empty()) visitor->Text(row, text);
    }
  }

  std::string Word() {
    // A few words are in most rows, most words in few.
    const double u = std::uniform_real_distribution<double>(0, 1)(random);
    std::string word = "w";
    word += std::to_string(static_cast<int>(std::pow(u, 4) * 200));
    return word;
  }
  void Append(size_t rows) {
    const RowOrdinal first = end_;
    ASSERT_LE(first + rows, kRows);
    ++now;
    versions_.Grow(first + rows);
    for (size_t i = 0; i < rows; ++i) {
      if (weights_) {
        auto& document = weighted_[end_];
        for (size_t n = random() % 8; n > 0; --n) {
          document[static_cast<TermId>(std::stoi(Word().substr(1)) * 20000003u)] =
              std::round(std::normal_distribution<float>(1, 1)(random) * 8) / 8;
        }
      } else {
        auto& document = texts_[end_];
        const size_t length = random() % 20 == 0 ? 200 + random() % 300 : random() % 12;
        for (size_t n = length; n > 0; --n) document.push_back(Word());
      }
      versions_.SetBorn(end_++, now);
    }
    index->RowsAppended(first, end());
  }
  RowOrdinal end() const { return end_; }
  void Kill(size_t count) {
    ++now;
    std::vector<RowOrdinal> dead;
    for (size_t i = 0; i < count && end() > 0; ++i) {
      const auto row = static_cast<RowOrdinal>(random() % end());
      if (versions_.died(row) != kNever) continue;
      versions_.SetDied(row, now);
      dead.push_back(row);
      graves_.push_back(row);
    }
    index->RowsDied(now, dead);
  }
  // Forgets rows that died at or before `horizon`.
  void Bury(Sequence horizon) {
    std::vector<RowOrdinal> gone;
    std::erase_if(graves_, [&](RowOrdinal row) {
      if (versions_.died(row) > horizon) return false;
      gone.push_back(row);
      return true;
    });
    index->Erase(gone);
  }
  Visibility View() const { return {&versions_, now, end()}; }

  // ---- row by row ----
  uint32_t LengthOf(RowOrdinal row) const {
    return DecodeLength(EncodeLength(static_cast<uint32_t>(texts_[row].size())));
  }
  static uint32_t Occurrences(const Words& text, const Words& phrase) {
    uint32_t count = 0;
    for (size_t i = 0; i + phrase.size() <= text.size(); ++i) {
      count += std::equal(phrase.begin(), phrase.end(), text.begin() + static_cast<ptrdiff_t>(i));
    }
    return count;
  }
  static Words WordsOf(const std::string& text) {
    Words words(1);
    for (const char c : text) {
      if (c == ' ') {
        words.emplace_back();
      } else {
        words.back() += c;
      }
    }
    std::erase(words, "");
    return words;
  }

  std::vector<Hit> Expect(const TextSearchSpec& spec) const {
    std::vector<Hit> hits;
    double documents = 0, terms = 0;
    std::map<std::string, uint64_t> frequency;
    const RowOrdinal rows = weights_ ? 0 : std::min(spec.visibility.end, end());
    for (RowOrdinal row = 0; row < rows; ++row) {
      if (!spec.visibility.Visible(row) || texts_[row].empty()) continue;
      documents += 1;
      terms += LengthOf(row);
      for (const auto& word : std::set<std::string>(texts_[row].begin(), texts_[row].end()))
        ++frequency[word];
    }
    Bm25Lengths lengths;
    lengths.Prepare(documents == 0 ? 0 : terms / documents);
    std::map<std::string, float> plain;  // boosts of the same word add up
    std::vector<std::string> plain_order;
    bool all_plain = spec.query != nullptr;
    for (size_t i = 0; spec.query != nullptr && i < spec.query->clauses.size(); ++i) {
      const auto& clause = spec.query->clauses[i];
      all_plain &= clause.occur == Occur::kShould && !clause.phrase;
      if (!plain.contains(clause.text)) plain_order.push_back(clause.text);
      plain[clause.text] += clause.boost;
    }
    const auto count = [&](float boost, const Words& phrase, RowOrdinal row, bool* present) {
      const uint32_t n = Occurrences(texts_[row], phrase);
      *present = n > 0;
      double idf = 0;
      for (const auto& word : phrase) {
        const auto found = frequency.find(word);
        idf += Idf(static_cast<uint64_t>(documents), found == frequency.end() ? 0 : found->second) *
               (kBm25K1 + 1);
      }
      const float weight = boost * static_cast<float>(idf);
      const float share = n < 256 ? 1.0f / static_cast<float>(std::max(n, 1u)) : 1.0f / static_cast<float>(n);
      const LengthCode code = EncodeLength(static_cast<uint32_t>(texts_[row].size()));
      return n == 0 ? 0.0f : weight / (1.0f + lengths.norm[code] * share);
    };
    for (RowOrdinal row = 0; row < std::min(spec.visibility.end, end()); ++row) {
      if (!spec.visibility.Visible(row) || (spec.selection != nullptr && !spec.selection->Contains(row)))
        continue;
      double score = 0;
      bool any = false, wrong = false;
      if (weights_) {
        for (const WeightedTerm& term : spec.weights) {
          const auto found = weighted_[row].find(term.term);
          if (found == weighted_[row].end() || found->second == 0) continue;
          any = true;
          score += term.weight * found->second;
        }
      } else if (all_plain) {
        for (const auto& word : plain_order) {
          bool present;
          score += count(plain[word], {word}, row, &present);
          any |= present;
        }
      } else {
        for (const auto& clause : spec.query->clauses) {
          bool present;
          const float part =
              count(clause.boost, clause.phrase ? WordsOf(clause.text) : Words{clause.text}, row, &present);
          if (clause.occur == Occur::kMustNot) {
            wrong |= present;
          } else {
            wrong |= clause.occur == Occur::kMust && !present;
            any |= present;
            score += part;
          }
        }
      }
      if (any && !wrong) hits.push_back({static_cast<float>(score), row});
    }
    std::sort(hits.begin(), hits.end(), [&](const Hit& a, const Hit& b) {
      if (a.score != b.score) return a.score > b.score;
      return spec.ties != nullptr ? spec.ties->Before(a.row, b.row) : a.row < b.row;
    });
    if (hits.size() > spec.k) hits.resize(spec.k);
    return hits;
  }

  void Check(const TextSearchSpec& spec, const std::string& what) {
    TextHits hits;
    ASSERT_TRUE(index->Search(spec, scratch_.get(), &hits).ok());
    ASSERT_FALSE(hits.partial);
    const auto expected = Expect(spec);
    ASSERT_EQ(hits.hits.size(), expected.size()) << what;
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(hits.hits[i].row, expected[i].row)
          << what << " at " << i << ": " << hits.hits[i].score << " for " << expected[i].score;
      ASSERT_EQ(hits.hits[i].score, expected[i].score) << what << " at " << i;
    }
  }

  TextQuery RandomQuery(bool plain) {
    TextQuery query;
    for (size_t n = 1 + random() % 4; n > 0; --n) {
      TextQuery::Clause clause;
      clause.text = random() % 20 == 0 ? "unheard" : Word();
      if (random() % 4 == 0) clause.boost = 0.5f * static_cast<float>(1 + random() % 4);
      if (!plain) {
        if (random() % 3 == 0) clause.occur = static_cast<Occur>(random() % 3);
        if (random() % 3 == 0) {
          clause.phrase = true;
          for (size_t more = 1 + random() % 2; more > 0; --more) clause.text += " " + Word();
        }
      }
      query.clauses.push_back(clause);
    }
    return query;
  }
  static std::string Say(const TextQuery& query) {
    std::string said;
    for (const auto& clause : query.clauses) {
      said.append(1, "?+-"[static_cast<int>(clause.occur)]).append("[").append(clause.text).append("]^");
      said.append(std::to_string(clause.boost));
    }
    return said;
  }

  // Asks something random at `view` and compares.
  void Ask(const Visibility& view) {
    TextSearchSpec spec;
    spec.visibility = view;
    spec.k = static_cast<uint32_t>(random() % 3 == 0 ? 1 + random() % 200 : 10);
    const ScatteredKeys keys;
    if (random() % 2 == 0) spec.ties = &keys;
    RowSelection selection(end());
    if (random() % 3 == 0) {
      const uint64_t of = random() % 2 == 0 ? 2 : 200;
      for (RowOrdinal row = 0; row < end(); ++row) {
        if (random() % of == 0) selection.Add(row);
      }
      spec.selection = &selection;
      spec.selected = static_cast<uint64_t>(selection.Count());
    }
    if (!weights_) {
      const TextQuery query = RandomQuery(random() % 2 == 0);
      spec.query = &query;
      return Check(spec, Say(query));
    }
    std::map<TermId, float> terms;
    for (size_t n = 1 + random() % 5; n > 0; --n) {
      terms[static_cast<TermId>(std::stoi(Word().substr(1)) * 20000003u)] =
          std::normal_distribution<float>(1, 2)(random);
    }
    std::vector<WeightedTerm> weights;
    for (const auto& [term, weight] : terms) weights.push_back({term, weight});
    spec.weights = weights;
    Check(spec, "weights");
  }

  std::mt19937_64 random;
  Sequence now = 1;
  std::unique_ptr<TextIndex> index;

 private:
  static constexpr size_t kRows = 1 << 17;  // never moved: builders read while rows are appended
  const bool weights_;
  RowOrdinal end_ = 0;
  MemoryLedger ledger_{0, 0};
  RowVersions versions_{&ledger_};
  std::vector<Words> texts_;
  std::vector<std::map<TermId, float>> weighted_;
  std::vector<RowOrdinal> graves_;
  std::unique_ptr<Executor> builders_;
  std::unique_ptr<TextScratch> scratch_;
};

class TextIndexModel : public ::testing::TestWithParam<std::tuple<bool, int>> {};

TEST_P(TextIndexModel, AnswersEveryViewAsLookingAtEveryRowDoes) {
  const auto [weights, threads] = GetParam();
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed, weights, threads);
    std::vector<Visibility> views;
    for (int step = 0; step < 60; ++step) {
      switch (world.random() % 6) {
        case 0:
        case 1:
          world.Append(world.random() % 4 == 0 ? 1 + world.random() % 1500 : 1 + world.random() % 5);
          break;
        case 2:
          world.Kill(1 + world.random() % 200);
          break;
        case 3:
          views.push_back(world.View());
          break;
        case 4: {
          if (views.size() > 3 || world.random() % 4 == 0) views.clear();
          Sequence horizon = world.now;
          for (const auto& view : views) horizon = std::min(horizon, view.at);
          world.Bury(horizon);
          break;
        }
        default:
          world.Ask(views.empty() || world.random() % 2 == 0 ? world.View()
                                                             : views[world.random() % views.size()]);
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, TextIndexModel,
                         ::testing::Combine(::testing::Bool(), ::testing::Values(0, 2)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "Weights" : "Texts") +
                                  (std::get<1>(info.param) == 0 ? "BuiltAtOnce" : "BuiltByThreads");
                         });

TEST(TextIndex, LargeSegmentsMergedInTheBackgroundAnswerTheSame) {
  World world(77, false, 1);
  for (int i = 0; i < 10; ++i) {
    world.Append(9000);
    world.Kill(300);
    if (i % 3 == 0) world.Bury(world.now);
  }
  for (int i = 0; i < 12; ++i) {
    world.Ask(world.View());
    if (::testing::Test::HasFatalFailure()) return;
  }
  world.Kill(60000);
  world.Bury(world.now);
  for (int i = 0; i < 6; ++i) {
    world.Ask(world.View());
    if (::testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(world.index->merges(), 10);
}

TEST(TextIndex, ScoresAreThoseOfTheTextbook) {
  // 3 documents of 1, 2 and 3 words; "a" once in each of two.
  MemoryLedger ledger(0, 0);
  RowVersions versions(&ledger);
  struct Source final : DocumentSource {
    void Read(RowOrdinal first, RowOrdinal end, DocumentVisitor* visitor) const override {
      for (RowOrdinal row = first; row < end; ++row)
        visitor->Text(row, row == 0 ? "a" : row == 1 ? "a b" : "b c d");
    }
  } source;
  TextIndex index({*FindAnalyzerType("standard"), &source, &versions, nullptr, &ledger});
  versions.Grow(3);
  for (RowOrdinal row = 0; row < 3; ++row) versions.SetBorn(row, 1);
  index.RowsAppended(0, 3);
  const TextQuery query = ParseTextQuery("a").ValueOrDie();
  TextSearchSpec spec;
  spec.query = &query;
  spec.visibility = {&versions, 1, 3};
  TextHits hits;
  const auto scratch = index.NewScratch();
  ASSERT_TRUE(index.Search(spec, scratch.get(), &hits).ok());
  ASSERT_EQ(hits.hits.size(), 2u);
  const double idf = std::log(1 + (3 - 2 + 0.5) / (2 + 0.5));
  EXPECT_NEAR(hits.hits[0].score, idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 1 / 2.0)), 1e-6);
  EXPECT_NEAR(hits.hits[1].score, idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 2.0)), 1e-6);
}

TEST(TextIndex, ABudgetThatEndsLeavesAPartialAnswer) {
  World world(3, false, 0);
  world.Append(20000);
  Budget budget(SystemClock(), 0, nullptr, 100);
  const TextQuery query = ParseTextQuery("w0 w1 w2").ValueOrDie();
  TextSearchSpec spec;
  spec.query = &query;
  spec.visibility = world.View();
  spec.budget = &budget;
  TextHits hits;
  const auto scratch = world.index->NewScratch();
  ASSERT_TRUE(world.index->Search(spec, scratch.get(), &hits).ok());
  EXPECT_TRUE(hits.partial);
  EXPECT_EQ(budget.end(), BudgetEnd::kDistances);
}

TEST(TextIndex, AnIndexBegunAmongOldRowsKnowsWhichAreDead) {
  World world(9, false, 0);
  world.Append(3000);
  world.Kill(500);
  world.Kill(500);
  const auto view = world.View();
  TextIndexInput input{*FindAnalyzerType("whitespace"), &world, view.versions};
  auto begun = std::make_unique<TextIndex>(input);
  begun->Begin(world.end(), view.at - 1);
  begun->RowsAppended(0, world.end());
  world.index = std::move(begun);
  for (int i = 0; i < 20; ++i) world.Ask(view);
  world.Append(1000);
  world.Kill(100);
  for (int i = 0; i < 20; ++i) world.Ask(world.View());
}

// Cannot be read.
class LostDocuments final : public DocumentSource {
 public:
  void Read(RowOrdinal, RowOrdinal, DocumentVisitor*) const override { throw std::bad_alloc(); }
};

TEST(TextIndexFailureTest, WhoWaitsForAnIndexThatCannotBeBuiltIsTold) {
  MemoryLedger ledger(0, 0);
  RowVersions versions(&ledger);
  versions.Grow(10);
  const LostDocuments source;
  const auto builders = MakeThreadPool({.threads = 2});
  std::promise<std::string> failed;
  TextIndexInput input;
  input.analyzer = *FindAnalyzerType("whitespace");
  input.source = &source;
  input.versions = &versions;
  input.builders = builders.get();
  input.ledger = &ledger;
  input.failed = [&](const std::string& what) { failed.set_value(what); };
  auto index = std::make_unique<TextIndex>(input);
  std::promise<Status> early;
  index->WhenIndexed(10, [&](const Status& status) { early.set_value(status); });
  index->RowsAppended(0, 10);
  EXPECT_EQ(failed.get_future().get(), "std::bad_alloc");
  EXPECT_EQ(CodeOf(early.get_future().get()), ErrorCode::kInternal);
  Status late;
  index->WhenIndexed(10, [&](const Status& status) { late = status; });
  EXPECT_EQ(CodeOf(late), ErrorCode::kInternal);
  index.reset();  // waits for nobody
}

}  // namespace
}  // namespace longbow::text
