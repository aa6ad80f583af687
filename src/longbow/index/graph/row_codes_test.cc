#include "longbow/index/graph/row_codes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace longbow::index {
namespace {

constexpr uint32_t kDim = 16;
constexpr RowOrdinal kRows = 16384;

class RowCodesTest : public testing::Test {
 protected:
  RowCodesTest() {
    store_.Grow(kRows);
    for (RowOrdinal row = 0; row < kRows; ++row) {
      auto* const vector = reinterpret_cast<float*>(store_.MutableRow(row));
      for (uint32_t i = 0; i < kDim; ++i) vector[i] = static_cast<float>((row * 7 + i * 13) % 31) - 15;
    }
  }

  MemoryLedger ledger_{0, 0};
  SlabArena arena_{&ledger_};
  VectorStore store_{distance::ElementType::kFloat32, kDim, &arena_, &ledger_};
  GraphSpace space_{distance::Metric::kL2, &store_, 1, std::vector<float>(kDim)};
  RowCodes codes_{&space_, &store_, &ledger_};
};

TEST_F(RowCodesTest, GiveBackWhatIsForgottenWhetherItWasCodedBeforeOrNot) {
  codes_.Code(kRows, 4096);
  ASSERT_EQ(codes_.coded_end(), 4096u);
  const int64_t coded = codes_.bytes();
  codes_.Forget(0, 4096);
  EXPECT_LT(codes_.bytes(), coded / 10);
  const int64_t forgotten = codes_.bytes();
  // Half of it is still to be coded, all of the next.
  codes_.Code(kRows, 2048);
  codes_.Forget(4096, 8192);
  codes_.Forget(8192, 12288);
  EXPECT_GT(codes_.bytes(), forgotten);
  while (codes_.Code(12288, 1024)) {
  }
  EXPECT_EQ(codes_.coded_end(), 12288u);
  EXPECT_LT(codes_.bytes(), 3 * coded / 10);
  EXPECT_EQ(codes_.At(9000).constants[8], 0);
  codes_.Code(kRows, 4096);
  const auto block = codes_.At(kRows - 1);
  EXPECT_TRUE(std::all_of(block.inverses, block.inverses + RowCodes::kRows, [](float x) { return x > 0; }));
}

}  // namespace
}  // namespace longbow::index
