#include "longbow/base/buffer_chain.h"

#include <gtest/gtest.h>

namespace longbow {
namespace {

std::string TextOf(const BufferChain& chain) {
  std::string text(static_cast<size_t>(chain.size()), '?');
  EXPECT_TRUE(chain.CopyTo(0, chain.size(), text.data()).ok());
  return text;
}

BufferChain ThreePieces() {
  BufferChain chain = BufferChain::FromString("one");
  chain.AppendString("");
  chain.AppendString("two");
  chain.AppendString("three");
  return chain;
}

TEST(BufferChain, KeepsPiecesInOrderAndDropsEmptyOnes) {
  const BufferChain chain = ThreePieces();
  EXPECT_EQ(chain.pieces().size(), 3u);
  EXPECT_EQ(chain.size(), 11);
  EXPECT_EQ(TextOf(chain), "onetwothree");
  EXPECT_EQ(BufferChain(nullptr).size(), 0);
}

TEST(BufferChain, EveryRangeCopiesSlicesAndVisitsTheSameBytes) {
  const BufferChain chain = ThreePieces();
  const std::string whole = TextOf(chain);
  for (int64_t offset = 0; offset <= chain.size(); ++offset) {
    for (int64_t length = 0; offset + length <= chain.size(); ++length) {
      const std::string expected = whole.substr(static_cast<size_t>(offset), static_cast<size_t>(length));
      std::string copied(static_cast<size_t>(length), '?');
      ASSERT_TRUE(chain.CopyTo(offset, length, copied.data()).ok());
      EXPECT_EQ(copied, expected);
      EXPECT_EQ(TextOf(chain.Slice(offset, length).ValueOrDie()), expected);
      std::string visited;
      chain.ForEachSpan(offset, length, [&](const uint8_t* data, int64_t n) {
        EXPECT_GT(n, 0);
        visited.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
      });
      EXPECT_EQ(visited, expected);
    }
  }
}

TEST(BufferChain, RefusesRangesThatLeaveIt) {
  const BufferChain chain = ThreePieces();
  char out[16];
  for (const auto& [offset, length] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 12}, {11, 1}, {12, 0}, {-1, 1}, {0, -1}, {INT64_MAX, 1}, {1, INT64_MAX}}) {
    EXPECT_EQ(CodeOf(chain.CopyTo(offset, length, out)), ErrorCode::kInvalidArgument)
        << offset << "+" << length;
    EXPECT_FALSE(chain.Slice(offset, length).ok()) << offset << "+" << length;
  }
}

TEST(BufferChain, SharesMemoryWhereItCan) {
  const BufferChain chain = ThreePieces();
  const BufferChain slice = chain.Slice(4, 4).ValueOrDie();
  ASSERT_EQ(slice.pieces().size(), 2u);
  EXPECT_EQ(slice.pieces()[0]->data(), chain.pieces()[1]->data() + 1);
  EXPECT_EQ(slice.pieces()[1]->data(), chain.pieces()[2]->data());

  const BufferChain single = BufferChain::FromString("alone");
  EXPECT_EQ(single.Join().ValueOrDie()->data(), single.pieces()[0]->data());
  EXPECT_EQ(chain.Join().ValueOrDie()->ToString(), "onetwothree");
  EXPECT_EQ(BufferChain().Join().ValueOrDie()->size(), 0);
}

TEST(BufferChain, MayBeAppendedToItself) {
  BufferChain chain = ThreePieces();
  chain.Append(chain);
  EXPECT_EQ(TextOf(chain), "onetwothreeonetwothree");
}

}  // namespace
}  // namespace longbow
