#include "longbow/storage/snapshot_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "longbow/storage/block_store.h"

namespace longbow::storage {
namespace {

using testing::HasSubstr;

// A store that fails when told to, after so many bytes of so many puts. Confined.
class TestStore final : public ObjectStore {
 public:
  Result<std::optional<uint64_t>> Size(std::string_view name) override {
    const auto found = objects.find(std::string(name));
    if (found == objects.end()) return std::nullopt;
    return std::optional<uint64_t>(found->second.size());
  }
  Status Put(std::string_view name, const ByteSource& source) override {
    if (on_put) on_put(std::string(name));
    std::string bytes;
    std::vector<uint8_t> step(100);
    while (true) {
      LB_ASSIGN_OR_RETURN(const size_t n, source(step));
      if (n == 0) break;
      bytes.append(reinterpret_cast<const char*>(step.data()), n);
    }
    if (puts_left-- <= 0) return Error(ErrorCode::kUnavailable, "the store is gone");
    objects[std::string(name)] = std::move(bytes);
    return Status::OK();
  }
  Status Get(std::string_view name, const ByteSink& sink) override {
    const auto found = objects.find(std::string(name));
    if (found == objects.end()) return NotFound("object ", name);
    return sink({reinterpret_cast<const uint8_t*>(found->second.data()), found->second.size()});
  }
  Result<std::vector<std::string>> List(std::string_view directory) override {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : objects) {
      if (name.starts_with(std::string(directory) + "/")) names.push_back(name);
    }
    return names;
  }
  Status Remove(std::string_view name) override {
    objects.erase(std::string(name));
    return Status::OK();
  }

  std::map<std::string, std::string> objects;
  std::function<void(const std::string&)> on_put;
  int puts_left = 1'000'000;
};

// A data directory with blocks whose bytes nobody understands. Confined.
class TestDirectory {
 public:
  TestDirectory() {
    char name[] = "/tmp/longbow_copy_XXXXXX";
    root = mkdtemp(name);
    files = *MakePosixFileSystem(root, 1);
    blocks = std::make_unique<BlockStore>(files.get());
    EXPECT_TRUE(blocks->Open({}).ok());
  }
  ~TestDirectory() {
    files.reset();
    std::filesystem::remove_all(root);
  }
  void AddBlock(const std::string& content) {
    BlockEntry entry{.shard = 1, .first_row = next_row, .end_row = next_row + 1, .rows = 1};
    next_row += 1;
    const auto block = *blocks->CreateBlock();
    ASSERT_TRUE(block->Append(content.data(), content.size()).ok());
    ASSERT_TRUE(block->Finish(&entry).ok());
    manifest.blocks.push_back(entry);
  }
  void AddDerived(const std::string& content) {
    const uint64_t number = blocks->NewNumber();
    const std::string directory = *blocks->CreateDerived(number);
    ASSERT_TRUE(files->ReplaceFile(directory + "/graph", content).ok());
    manifest.derived.push_back({number, 1, 0, 5});
  }
  void Save(Sequence sequence) {
    manifest.version += 1;
    manifest.snapshot_sequence = sequence;
    manifest.next_file = blocks->next_number();
    ASSERT_TRUE(SaveManifest(files.get(), manifest).ok());
    blocks->RemoveUnnamed(manifest);
  }

  std::string root;
  std::unique_ptr<FileSystem> files;
  std::unique_ptr<BlockStore> blocks;
  Manifest manifest;
  RowOrdinal next_row = 0;
};

void ExpectSame(FileSystem* files, const TestDirectory& original) {
  const auto manifest = LoadManifest(files);
  ASSERT_TRUE(manifest.ok()) << manifest.status().ToString();
  EXPECT_EQ(manifest->snapshot_sequence, original.manifest.snapshot_sequence);
  BlockStore store(files);
  ASSERT_EQ(manifest->blocks.size(), original.manifest.blocks.size());
  for (const auto& block : manifest->blocks) EXPECT_TRUE(store.OpenBlock(block).ok());
  for (const auto& derived : manifest->derived) {
    const std::string path = BlockStore::DerivedPath(derived.file) + "/graph";
    EXPECT_EQ(*files->ReadFile(path), *original.files->ReadFile(path));
  }
}

TEST(SnapshotCopy, GoesThereAndBackAndCopiesOnlyWhatIsNew) {
  for (const bool directory : {false, true}) {
    TestDirectory original, copy, restored;
    std::unique_ptr<ObjectStore> store = std::make_unique<TestStore>();
    if (directory) store = *OpenObjectStore("file://" + copy.root + "/deep/inside");
    original.AddBlock(std::string(3000, 'a'));
    original.AddBlock("b");
    original.AddDerived("graph of two rows");
    EXPECT_EQ(CodeOf(ExportSnapshot(original.files.get(), "me", store.get()).status()), ErrorCode::kNotFound);
    original.Save(7);
    const auto first = ExportSnapshot(original.files.get(), "me", store.get());
    ASSERT_TRUE(first.ok()) << first.status().ToString();
    EXPECT_EQ(first->files, 3);
    EXPECT_EQ(first->sequence, 7u);

    original.AddBlock("c");
    original.manifest.derived.clear();
    original.AddDerived("graph of three rows");
    original.Save(9);
    const auto second = ExportSnapshot(original.files.get(), "me", store.get());
    ASSERT_TRUE(second.ok()) << second.status().ToString();
    EXPECT_EQ(second->files, 2);
    EXPECT_EQ(second->files_there, 2);
    EXPECT_EQ(second->removed, 1) << "the older graph";

    std::filesystem::remove_all(restored.root + "/blocks");
    const auto import = ImportSnapshot(store.get(), restored.files.get());
    ASSERT_TRUE(import.ok()) << import.status().ToString();
    ExpectSame(restored.files.get(), original);
    EXPECT_EQ(CodeOf(ImportSnapshot(store.get(), restored.files.get()).status()),
              ErrorCode::kFailedPrecondition);
    const Status other = ExportSnapshot(original.files.get(), "somebody else", store.get()).status();
    EXPECT_EQ(CodeOf(other), ErrorCode::kFailedPrecondition);
    EXPECT_THAT(other.message(), HasSubstr("another data directory"));
  }
}

TEST(SnapshotCopy, IsTheOneBeforeOrTheNewOneWhereverTheStoreFails) {
  TestDirectory original;
  original.AddBlock("one");
  original.Save(1);
  TestStore before;
  ASSERT_TRUE(ExportSnapshot(original.files.get(), "me", &before).ok());
  for (int i = 0; i < 6; ++i) original.AddBlock(std::string(500, static_cast<char>('a' + i)));
  original.Save(2);
  for (int puts = 0; puts <= 7; ++puts) {
    TestStore store;
    store.objects = before.objects;
    store.puts_left = puts;
    const auto report = ExportSnapshot(original.files.get(), "me", &store);
    EXPECT_EQ(report.ok(), puts == 7) << puts;
    TestDirectory restored;
    const auto import = ImportSnapshot(&store, restored.files.get());
    ASSERT_TRUE(import.ok()) << import.status().ToString();
    EXPECT_EQ(import->sequence, puts == 7 ? 2u : 1u);
    store.puts_left = 100;
    const auto again = ExportSnapshot(original.files.get(), "me", &store);
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    EXPECT_EQ(again->files, 6 - std::min(puts, 6));
  }
}

TEST(SnapshotCopy, TakesTheNewerSnapshotThatReplacesTheOneUnderWay) {
  TestDirectory original;
  for (int i = 0; i < 4; ++i) original.AddBlock(std::string(100, static_cast<char>('a' + i)));
  original.Save(1);
  TestStore store;
  bool replaced = false;
  store.on_put = [&](const std::string& name) {
    if (!name.starts_with("blocks/") || std::exchange(replaced, true)) return;
    original.manifest.blocks.clear();
    original.AddBlock("merged");
    original.Save(2);
  };
  const auto report = ExportSnapshot(original.files.get(), "me", &store);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->sequence, 2u);
  TestDirectory restored;
  ASSERT_TRUE(ImportSnapshot(&store, restored.files.get()).ok());
  ExpectSame(restored.files.get(), original);
  EXPECT_EQ(store.objects.size(), 3u) << "owner, manifest, block";
}

TEST(SnapshotCopy, IsNotMadeWhileTheLogAloneHoldsRowsOfAFencedDataset) {
  TestDirectory original;
  original.AddBlock("rows");
  original.Save(5);
  TestStore store;
  ASSERT_TRUE(ExportSnapshot(original.files.get(), "me", &store).ok());
  const auto before = store.objects;
  original.AddBlock("more rows");
  original.manifest.behind = {{.shard = 1, .sequence = 5}};
  original.Save(9);
  const auto report = ExportSnapshot(original.files.get(), "me", &store);
  EXPECT_EQ(CodeOf(report.status()), ErrorCode::kFailedPrecondition);
  EXPECT_THAT(report.status().message(), HasSubstr("restart the server"));
  EXPECT_EQ(store.objects, before) << "the older copy stays";
  store.objects["manifest"] = *original.files->ReadFile("manifest");  // as of a data directory
  TestDirectory restored;
  EXPECT_EQ(CodeOf(ImportSnapshot(&store, restored.files.get()).status()), ErrorCode::kFailedPrecondition);
  EXPECT_FALSE(*restored.files->Exists("manifest"));
}

TEST(SnapshotCopy, RefusesADamagedOrMissingObjectAndLeavesNoManifest) {
  TestDirectory original;
  original.AddBlock(std::string(1000, 'a'));
  original.AddBlock(std::string(1000, 'b'));
  original.Save(1);
  TestStore store;
  ASSERT_TRUE(ExportSnapshot(original.files.get(), "me", &store).ok());
  const auto sound = store.objects;
  for (const auto& [name, bytes] : sound) {
    if (name == "owner") continue;
    for (const bool missing : {false, true}) {
      store.objects = sound;
      if (missing) store.objects.erase(name);
      if (!missing) store.objects[name][bytes.size() / 2] ^= 1;
      TestDirectory restored;
      const auto import = ImportSnapshot(&store, restored.files.get());
      EXPECT_EQ(CodeOf(import.status()), missing ? ErrorCode::kNotFound : ErrorCode::kCorruption) << name;
      EXPECT_FALSE(*restored.files->Exists("manifest"));
      store.objects = sound;  // what is sound of it is used
      const auto again = ImportSnapshot(&store, restored.files.get());
      ASSERT_TRUE(again.ok()) << again.status().ToString();
      ExpectSame(restored.files.get(), original);
    }
  }
}

TEST(SnapshotCopy, NamesPlacesThatItUnderstands) {
  EXPECT_THAT(OpenObjectStore("ftp://host/x").status().message(), HasSubstr("s3://bucket/prefix"));
  EXPECT_EQ(CodeOf(OpenObjectStore("").status()), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace longbow::storage
