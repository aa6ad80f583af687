#include "longbow/storage/block_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "longbow/storage/log_test_machine.h"

namespace longbow::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BlockFiles : public testing::Test {
 protected:
  BlockFiles() { EXPECT_TRUE(store_.Open({}).ok()); }
  BlockEntry Write(const std::string& content) {
    auto file = *store_.CreateBlock();
    for (const char c : content) EXPECT_TRUE(file->Append(&c, 1).ok());
    BlockEntry entry{.end_row = 1};
    EXPECT_TRUE(file->Finish(&entry).ok());
    return entry;
  }
  void Flip(const std::string& path, uint64_t offset) {
    auto file = *machine_.files().Open(path, OpenMode::kReadWrite);
    uint8_t byte = 0;
    EXPECT_TRUE(file->Read(offset, {&byte, 1}).ok());
    byte ^= 1;
    EXPECT_TRUE(file->Write(offset, {{&byte, 1}}, false).ok());
  }
  LogTestMachine machine_;
  BlockStore store_{&machine_.files()};
};

TEST_F(BlockFiles, AreWhatTheirEntrySays) {
  const BlockEntry entry = Write(std::string(3000000, 'x') + "end");
  EXPECT_EQ(entry.bytes, 3000003u);
  uint8_t end[3];
  EXPECT_TRUE(store_.OpenBlock(entry)->Read(3000000, end).ok());
  EXPECT_EQ(std::string(end, end + 3), "end");
  EXPECT_FALSE(store_.OpenBlock(entry)->Read(3000001, end).ok());
  const Status sound = store_.OpenBlock(entry).status();
  EXPECT_TRUE(sound.ok()) << sound.ToString();
}

TEST_F(BlockFiles, AreDamagedByAnyFlipAnyCutAndAbsence) {
  const BlockEntry entry = Write("the rows");
  const std::string path = BlockStore::BlockPath(entry.file);
  for (uint64_t offset = 0; offset < entry.bytes; ++offset) {
    Flip(path, offset);
    EXPECT_EQ(CodeOf(store_.OpenBlock(entry).status()), ErrorCode::kCorruption) << offset;
    Flip(path, offset);
  }
  ASSERT_TRUE((*machine_.files().Open(path, OpenMode::kReadWrite))->Truncate(entry.bytes - 1).ok());
  EXPECT_EQ(CodeOf(store_.OpenBlock(entry).status()), ErrorCode::kCorruption);
  ASSERT_TRUE(machine_.files().Remove(path).ok());
  const Status missing = store_.OpenBlock(entry).status();
  EXPECT_EQ(CodeOf(missing), ErrorCode::kCorruption);
  EXPECT_THAT(missing.message(), HasSubstr(path));
}

TEST_F(BlockFiles, AreRemovedWhenNoManifestNamesThemAndOthersAreLeftAlone) {
  const BlockEntry kept = Write("kept");
  (void)Write("left over");
  const uint64_t derived = store_.NewNumber(), forgotten = store_.NewNumber();
  for (const uint64_t number : {derived, forgotten}) {
    const std::string path = *store_.CreateDerived(number);
    ASSERT_TRUE(machine_.files().ReplaceFile(path + "/graph", "g").ok());
  }
  ASSERT_TRUE(machine_.files().ReplaceFile("blocks/notes.txt", "mine").ok());
  ASSERT_TRUE(machine_.files().ReplaceFile("blocks/007.parquet", "mine, too").ok());
  Manifest manifest{.blocks = {kept}, .derived = {{.file = derived}}};
  EXPECT_EQ(store_.RemoveUnnamed(manifest), 2);
  EXPECT_THAT(*machine_.files().List("blocks"), ElementsAre("007.parquet", "1.parquet", "notes.txt"));
  EXPECT_THAT(*machine_.files().List("derived"), ElementsAre(std::to_string(derived)));
}

TEST_F(BlockFiles, NeverShareANumber) {
  ASSERT_TRUE(machine_.files().ReplaceFile("blocks/41.parquet", "left over").ok());
  BlockStore again(&machine_.files());
  ASSERT_TRUE(again.Open({.next_file = 17}).ok());
  EXPECT_EQ(again.NewNumber(), 42u);
  EXPECT_EQ(again.NewNumber(), 43u);
}

}  // namespace
}  // namespace longbow::storage
