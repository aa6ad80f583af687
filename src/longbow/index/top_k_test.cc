#include "longbow/index/top_k.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace longbow::index {
namespace {

// Rows in descending order.
class LaterFirst : public TieOrder {
 public:
  bool Before(RowOrdinal a, RowOrdinal b) const override { return a > b; }
};

std::vector<RowOrdinal> Rows(TopK& top, size_t k) {
  std::vector<Neighbor> out(k);
  out.resize(top.Drain(out.data()));
  std::vector<RowOrdinal> rows;
  for (const Neighbor& n : out) rows.push_back(n.row);
  return rows;
}

TEST(TopK, KeepsTheNearestInOrderWhateverTheOrderOfOffers) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const LaterFirst later_first;
  for (int round = 0; round < 300; ++round) {
    const size_t count = random() % 200, k = random() % 40;
    const TieOrder* ties = round % 2 == 0 ? nullptr : &later_first;
    std::vector<Neighbor> all(count);
    std::vector<float> distances(count);
    for (size_t i = 0; i < count; ++i) {
      distances[i] = static_cast<float>(random() % 8);  // many are equal
      if (random() % 20 == 0) distances[i] = INFINITY;
      all[i] = {distances[i], static_cast<RowOrdinal>(random() % 1000 * 256 + i)};
    }
    std::vector<Neighbor> memory(k);
    TopK top(memory.data(), k, NeighborOrder(ties));
    if (round % 3 == 0) {
      for (const Neighbor& n : all) top.Offer(n.distance, n.row);
    } else {
      top.OfferAll(distances.data(), count, [&](size_t i) { return all[i].row; });
    }
    std::sort(all.begin(), all.end(), NeighborOrder(ties));
    all.resize(std::min(k, count));
    std::vector<RowOrdinal> expected;
    for (const Neighbor& n : all) expected.push_back(n.row);
    ASSERT_EQ(Rows(top, k), expected) << "round " << round << " k " << k;
  }
}

TEST(TopK, TheThresholdIsTheWorstKeptOnceFull) {
  std::vector<Neighbor> memory(2);
  TopK top(memory.data(), 2, NeighborOrder(nullptr));
  EXPECT_EQ(top.threshold(), INFINITY);
  top.Offer(3, 0);
  EXPECT_EQ(top.threshold(), INFINITY);
  top.Offer(5, 1);
  EXPECT_EQ(top.threshold(), 5);
  top.Offer(1, 2);
  EXPECT_EQ(top.threshold(), 3);
}

}  // namespace
}  // namespace longbow::index
