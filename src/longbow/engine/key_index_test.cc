#include "longbow/engine/key_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include "longbow/base/random.h"

namespace longbow::engine {
namespace {

using Rows = ChunkedArray<RowOrdinal>;

// An index, and a map that is told the same.
class Compared {
 public:
  Compared() : previous_(&ledger_, MemoryUse::kRows, kNoRow), index_(&ledger_) {}

  void Put(const std::vector<uint64_t>& numbers) {
    const RowOrdinal first = next_;
    next_ += static_cast<RowOrdinal>(numbers.size());
    previous_.Grow(next_);
    index_.Put(numbers, first, &previous_);
    for (size_t i = 0; i < numbers.size(); ++i) {
      model_[numbers[i]].push_back(first + static_cast<RowOrdinal>(i));
      number_of_.push_back(numbers[i]);
    }
  }
  void Forget(RowOrdinal first, RowOrdinal last) {
    std::vector<uint64_t> numbers(number_of_.begin() + first, number_of_.begin() + last + 1);
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    index_.Forget(numbers, first, last, &previous_);
    for (const uint64_t number : numbers)
      std::erase_if(model_[number], [&](RowOrdinal row) { return row >= first && row <= last; });
  }
  void ExpectSame() const {
    for (const auto& [number, rows] : model_) {
      bool forgotten = false;
      RowOrdinal row = index_.Newest(number, &forgotten);
      ASSERT_EQ(forgotten, rows.empty()) << number;
      for (size_t i = rows.size(); i-- > 0; row = previous_.GetRelaxed(row))
        ASSERT_EQ(row, rows[i]) << number;
      ASSERT_EQ(row, kNoRow) << number;
    }
  }
  int64_t KeyBytes() const { return ledger_.used(MemoryUse::kKeys); }
  RowOrdinal rows() const { return next_; }
  const KeyIndex& index() const { return index_; }

 private:
  MemoryLedger ledger_{0, 0};
  Rows previous_;
  KeyIndex index_;
  RowOrdinal next_ = 0;
  std::vector<uint64_t> number_of_;  // by row
  std::map<uint64_t, std::vector<RowOrdinal>> model_;
};

std::vector<uint64_t> Upwards(uint64_t from, size_t count) {
  std::vector<uint64_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), from);
  return numbers;
}

TEST(KeyIndex, FindsEveryRowOfEveryNumberWhateverOrderTheyCameIn) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const std::unique_ptr<Random> random = MakeSeededRandom(seed);
    const auto below = [&](uint64_t n) { return random->Next() % n; };
    Compared both;
    uint64_t top = seed % 3 == 0 ? UINT64_MAX - 3000 : below(2) * 1000;  // also across the highest number
    for (int batch = 0; batch < 60; ++batch) {
      std::vector<uint64_t> numbers;
      for (uint64_t piece = 0; piece < 1 + below(3); ++piece) {
        const size_t count = 1 + below(200);
        if (below(3) > 0) {
          const auto run = Upwards(top += below(2) * below(50), count);
          numbers.insert(numbers.end(), run.begin(), run.end());
          top += count;
        } else {
          const uint64_t again = top - below(3000), step = below(3);  // numbers that mostly are there
          for (size_t i = 0; i < count; ++i) numbers.push_back(again + i * step);
        }
      }
      both.Put(numbers);
      if (below(4) == 0) {
        const RowOrdinal first = static_cast<RowOrdinal>(below(both.rows()));
        both.Forget(first,
                    std::min<RowOrdinal>(both.rows() - 1, first + static_cast<RowOrdinal>(below(400))));
      }
      if (batch % 10 == 9) {
        ASSERT_NO_FATAL_FAILURE(both.ExpectSame());
      }
    }
  }
}

TEST(KeyIndex, TakesNextToNothingForNumbersThatGoUp) {
  Compared both;
  for (uint64_t batch = 0; batch < 100; ++batch) both.Put(Upwards(batch * 1000, 1000));
  EXPECT_LT(both.KeyBytes(), 4096);
  both.Put({500});
  both.Put(Upwards(100'000, 1000));
  EXPECT_LT(both.KeyBytes(), 4096) << "one that came again does not end it";
  both.ExpectSame();
  EXPECT_EQ(both.index().Newest(101'000), kNoRow);
}

TEST(KeyIndex, ForgetsNumbersThatWentUpForGood) {
  constexpr RowOrdinal kCount = KeyIndex::kRemembered + 20'000;
  Compared both;
  both.Put(Upwards(0, kCount));
  for (RowOrdinal first = 0; first < kCount; first += 100)
    both.Forget(first, std::min(kCount - 1, first + 99));
  bool forgotten = false;
  EXPECT_EQ(both.index().Newest(kCount - 1, &forgotten), kNoRow);
  EXPECT_TRUE(forgotten);
  forgotten = false;
  EXPECT_EQ(both.index().Newest(0, &forgotten), kNoRow);
  EXPECT_FALSE(forgotten) << "only the last ones are remembered";
  both.Put(Upwards(0, 100));
  EXPECT_EQ(both.index().Newest(7), kCount + 7);
}

TEST(KeyIndex, LeadsReadersToARowOrToTheWordThatItIsForgotten) {
  constexpr uint64_t kCount = 200'000;
  MemoryLedger ledger(0, 0);
  Rows previous(&ledger, MemoryUse::kRows, kNoRow);
  previous.Grow(kCount);
  KeyIndex index(&ledger);
  index.Put(Upwards(0, kCount), 0, &previous);
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    for (uint64_t number = 0; !stop; number = (number + 7) % kCount) {
      bool forgotten = false;
      const RowOrdinal row = index.Newest(number, &forgotten);
      ASSERT_TRUE(forgotten || row == number) << number;
    }
  });
  for (RowOrdinal first = 0; first < 60'000; first += 1000)
    index.Forget(Upwards(first, 1000), first, first + 999, &previous);
  stop = true;
  reader.join();
}

}  // namespace
}  // namespace longbow::engine
