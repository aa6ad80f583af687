#include "longbow/base/streaming_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace longbow {
namespace {

TEST(StreamingCopy, CopiesEveryLengthToEveryAlignmentAndNothingElse) {
  std::vector<uint8_t> from(600), to(800);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i * 7 + 1);
  for (size_t lead = 0; lead < 66; ++lead) {
    for (size_t bytes = 0; bytes <= 400; bytes += bytes < 140 ? 1 : 13) {
      std::fill(to.begin(), to.end(), uint8_t{0});
      CopyPastCaches(to.data() + lead, from.data() + lead % 5, bytes);
      for (size_t i = 0; i < to.size(); ++i) {
        const bool inside = i >= lead && i < lead + bytes;
        ASSERT_EQ(to[i], inside ? from[i - lead + lead % 5] : 0) << lead << " " << bytes << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace longbow
