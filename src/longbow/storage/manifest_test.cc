#include "longbow/storage/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <string>

#include "longbow/storage/little_endian.h"
#include "longbow/storage/log_test_machine.h"

namespace longbow::storage {
namespace {

Manifest SomeManifest() {
  return {.version = 12,
          .log_generation = 3,
          .snapshot_sequence = 99,
          .next_file = 9,
          .blocks = {{.file = 1,
                      .shard = 2,
                      .first_row = 3,
                      .end_row = 13,
                      .rows = 9,
                      .bytes = 5,
                      .checksum = 6,
                      .dead = std::string("\x01\x02", 2)},
                     {.file = 7,
                      .shard = 8,
                      .first_row = 9,
                      .end_row = 10,
                      .rows = 1,
                      .bytes = 11,
                      .checksum = ~uint64_t{0},
                      .dead = ""}},
          .derived = {{.file = 8, .shard = 2, .column = 1, .sequence = 77}},
          .catalog = "what the engine knows"};
}

// Bytes of a manifest after `change`, with a checksum that fits.
std::string Changed(std::string bytes, size_t offset, uint32_t value) {
  StoreAt(reinterpret_cast<uint8_t*>(bytes.data()), offset, value);
  bytes.resize(bytes.size() - 8);
  AppendTo(&bytes, uint64_t{XXH3_64bits(bytes.data(), bytes.size())});
  return bytes;
}

TEST(ManifestFile, IsNotFoundInAFreshDirectory) {
  LogTestMachine machine;
  EXPECT_EQ(CodeOf(LoadManifest(&machine.files()).status()), ErrorCode::kNotFound);
}

TEST(ManifestFile, ComesBackAndIsReplacedAsAWhole) {
  LogTestMachine machine;
  ASSERT_TRUE(SaveManifest(&machine.files(), SomeManifest()).ok());
  const Manifest read = *LoadManifest(&machine.files());
  EXPECT_EQ(read.version, 12u);
  EXPECT_EQ(read.log_generation, 3u);
  EXPECT_EQ(read.snapshot_sequence, 99u);
  ASSERT_EQ(read.blocks.size(), 2u);
  EXPECT_EQ(read.next_file, 9u);
  EXPECT_EQ(read.blocks[0].end_row, 13u);
  EXPECT_EQ(read.blocks[0].rows, 9u);
  EXPECT_TRUE(read.blocks[0].IsDead(3));
  EXPECT_FALSE(read.blocks[0].IsDead(4));
  EXPECT_TRUE(read.blocks[0].IsDead(12));
  EXPECT_FALSE(read.blocks[1].IsDead(9));
  EXPECT_EQ(read.blocks[1].file, 7u);
  EXPECT_EQ(read.blocks[1].shard, 8u);
  EXPECT_EQ(read.blocks[1].first_row, 9u);
  EXPECT_EQ(read.blocks[1].bytes, 11u);
  EXPECT_EQ(read.blocks[1].checksum, ~uint64_t{0});
  ASSERT_EQ(read.derived.size(), 1u);
  EXPECT_EQ(read.derived[0].file, 8u);
  EXPECT_EQ(read.derived[0].shard, 2u);
  EXPECT_EQ(read.derived[0].column, 1u);
  EXPECT_EQ(read.derived[0].sequence, 77u);
  EXPECT_EQ(read.catalog, "what the engine knows");
  ASSERT_TRUE(SaveManifest(&machine.files(), {.version = 13}).ok());
  EXPECT_EQ(LoadManifest(&machine.files())->version, 13u);
}

TEST(ManifestFile, NoBitCanFlipAndNoByteBeMissingUnseen) {
  LogTestMachine machine;
  ASSERT_TRUE(SaveManifest(&machine.files(), SomeManifest()).ok());
  std::string bytes = *machine.files().ReadFile("manifest");
  auto file = *machine.files().Open("manifest", OpenMode::kReadWrite);
  const auto write = [&] {
    return file->Write(0, {{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}}, false);
  };
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    ASSERT_TRUE(write().ok());
    ASSERT_EQ(CodeOf(LoadManifest(&machine.files()).status()), ErrorCode::kCorruption) << "bit " << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
  ASSERT_TRUE(write().ok());
  for (size_t n = bytes.size(); n-- > 0;) {
    ASSERT_TRUE(file->Truncate(n).ok());
    ASSERT_EQ(CodeOf(LoadManifest(&machine.files()).status()), ErrorCode::kCorruption) << n << " bytes";
  }
}

TEST(ManifestFile, NamesShardsThatAreBehindAndThenIsNotForOlderPrograms) {
  LogTestMachine machine;
  Manifest manifest = SomeManifest();
  ASSERT_TRUE(SaveManifest(&machine.files(), manifest).ok());
  EXPECT_EQ((*machine.files().ReadFile("manifest"))[12], 2) << "programs before can read what has none";
  EXPECT_EQ(manifest.StateOf(2), 99u);
  EXPECT_EQ(manifest.log_begin(), 99u);
  manifest.behind = {{.shard = 2, .sequence = 40}, {.shard = 5, .sequence = 0}};
  ASSERT_TRUE(SaveManifest(&machine.files(), manifest).ok());
  EXPECT_EQ((*machine.files().ReadFile("manifest"))[12], 3);
  const Manifest read = *LoadManifest(&machine.files());
  EXPECT_EQ(read.StateOf(2), 40u);
  EXPECT_EQ(read.StateOf(5), 0u);
  EXPECT_EQ(read.StateOf(8), 99u);
  EXPECT_EQ(read.log_begin(), 0u);
  EXPECT_EQ(read.derived[0].sequence, 77u);
  EXPECT_EQ(read.catalog, "what the engine knows");
  manifest.behind[1].sequence = 100;
  ASSERT_TRUE(SaveManifest(&machine.files(), manifest).ok());
  EXPECT_EQ(CodeOf(LoadManifest(&machine.files()).status()), ErrorCode::kCorruption);
}

TEST(ManifestFile, OfANewerFormatIsRefusedAndNotTouched) {
  LogTestMachine machine;
  ASSERT_TRUE(SaveManifest(&machine.files(), SomeManifest()).ok());
  const std::string newer = Changed(*machine.files().ReadFile("manifest"), 12, 4);
  ASSERT_TRUE(machine.files().ReplaceFile("manifest", newer).ok());
  EXPECT_EQ(CodeOf(LoadManifest(&machine.files()).status()), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(*machine.files().ReadFile("manifest"), newer);
}

TEST(ManifestFile, OfANewerFormatThatOldReadersUnderstandIsRead) {
  LogTestMachine machine;
  ASSERT_TRUE(SaveManifest(&machine.files(), SomeManifest()).ok());
  ASSERT_TRUE(
      machine.files().ReplaceFile("manifest", Changed(*machine.files().ReadFile("manifest"), 8, 3)).ok());
  EXPECT_EQ(LoadManifest(&machine.files())->snapshot_sequence, 99u);
}

TEST(ManifestFile, WhoseNumberOfBlocksLiesIsDamaged) {
  LogTestMachine machine;
  ASSERT_TRUE(SaveManifest(&machine.files(), SomeManifest()).ok());
  ASSERT_TRUE(
      machine.files().ReplaceFile("manifest", Changed(*machine.files().ReadFile("manifest"), 48, 3)).ok());
  EXPECT_EQ(CodeOf(LoadManifest(&machine.files()).status()), ErrorCode::kCorruption);
}

TEST(ManifestFile, OfTheFirstFormatIsRead) {
  LogTestMachine machine;
  std::string bytes;
  AppendTo(&bytes, uint64_t{0x5346494E414D424C});
  for (const uint32_t number : {1u, 1u}) AppendTo(&bytes, number);
  for (const uint64_t number : {4ull, 2ull, 0ull, 0ull}) AppendTo(&bytes, uint64_t{number});
  AppendTo(&bytes, uint64_t{XXH3_64bits(bytes.data(), bytes.size())});
  ASSERT_TRUE(machine.files().ReplaceFile("manifest", bytes).ok());
  const auto read = LoadManifest(&machine.files());
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->version, 4u);
  EXPECT_EQ(read->log_generation, 2u);
  EXPECT_EQ(read->next_file, 1u);
}

}  // namespace
}  // namespace longbow::storage
