#include "settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

namespace longbow {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "longbow-settings-" + std::to_string(getpid()) + ".toml";
  }
  void TearDown() override { std::remove(path_.c_str()); }

  // With --config in front of the flags once a file was written.
  Result<StartCommand> Read(std::vector<std::string> flags = {}) {
    if (has_file_) flags.insert(flags.begin(), {"--config", path_});
    return ReadSettings(flags, [this](const std::string& name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    });
  }
  Settings Accepted(std::vector<std::string> flags = {}) {
    auto command = Read(std::move(flags));
    EXPECT_TRUE(command.ok()) << command.status();
    return command.ok() ? command->settings : Settings{};
  }
  std::string Refused(std::vector<std::string> flags = {}) {
    const auto command = Read(std::move(flags));
    EXPECT_FALSE(command.ok());
    if (command.ok()) return "";
    EXPECT_EQ(CodeOf(command.status()), ErrorCode::kInvalidArgument);
    return command.status().message();
  }
  void WriteFile(const std::string& content) {
    std::ofstream(path_) << content;
    has_file_ = true;
  }

  std::map<std::string, std::string> environment_;
  std::string path_;
  bool has_file_ = false;
};

TEST_F(SettingsTest, DefaultsReachNobodyElseAndAskForAToken) {
  const Settings settings = Accepted();
  EXPECT_EQ(settings.listen_addr.ToString(), "127.0.0.1:3000");
  EXPECT_EQ(settings.meta_addr.ToString(), "127.0.0.1:3001");
  EXPECT_EQ(settings.metrics_addr.ToString(), "127.0.0.1:9090");
  EXPECT_EQ(settings.auth, "token");
  EXPECT_FALSE(settings.insecure);
  EXPECT_EQ(settings.grpc_max_recv_msg_size, int64_t{512} << 20);
  EXPECT_EQ(settings.drain_time, std::chrono::seconds(8));
  EXPECT_TRUE(CheckReach(settings).ok());
}

TEST_F(SettingsTest, FlagsBeatEnvironmentBeatsFileBeatsDefaults) {
  WriteFile("max_k = 1\nmax_ef = 1\nmax_queries = 1\n");
  environment_ = {{"LONGBOW_MAX_K", "2"}, {"LONGBOW_MAX_EF", "2"}};
  const Settings settings = Accepted({"--max-k", "3"});
  EXPECT_EQ(settings.max_k, 3);
  EXPECT_EQ(settings.max_ef, 2);
  EXPECT_EQ(settings.max_queries, 1);
  EXPECT_EQ(settings.max_columns, 1024);
}

TEST_F(SettingsTest, FileHoldsEveryKind) {
  WriteFile(
      "# a comment\n"
      "data_path = '/tmp/x y'\n"
      "insecure = true\n"
      "max_memory = \"2GiB\"\n"
      "put_window_size = 6.7108864e+07\n"
      "max_k = 77\n"
      "drain_time = \"1m30s\"\n"
      "listen_addr = \"[::1]:1234\"\n");
  const Settings settings = Accepted();
  EXPECT_EQ(settings.data_path, "/tmp/x y");
  EXPECT_TRUE(settings.insecure);
  EXPECT_EQ(settings.max_memory, int64_t{2} << 30);
  EXPECT_EQ(settings.put_window_size, 67108864);
  EXPECT_EQ(settings.max_k, 77);
  EXPECT_EQ(settings.drain_time, std::chrono::seconds(90));
  EXPECT_EQ(settings.listen_addr.ToString(), "[::1]:1234");
}

TEST_F(SettingsTest, FlagsMayBeWrittenInEitherWay) {
  const Settings settings =
      Accepted({"--max-k=5", "--max_ef", "6", "--insecure", "--data-path=a=b", "--auth=none"});
  EXPECT_EQ(settings.max_k, 5);
  EXPECT_EQ(settings.max_ef, 6);
  EXPECT_TRUE(settings.insecure);
  EXPECT_EQ(settings.data_path, "a=b");
  EXPECT_EQ(settings.auth, "none");
  environment_ = {{"LONGBOW_INSECURE", "true"}};
  EXPECT_FALSE(Accepted({"--insecure=false"}).insecure);
}

TEST_F(SettingsTest, AFlagIsNotTakenForTheValueOfTheOneBefore) {
  EXPECT_THAT(Refused({"--drain-time", "--data-path", "d"}),
              AllOf(HasSubstr("flag --drain-time"), HasSubstr("expected a value")));
  EXPECT_EQ(Accepted({"--data-path=--odd"}).data_path, "--odd");
}

TEST_F(SettingsTest, ValuesThatContradictEachOtherAreNamed) {
  EXPECT_THAT(Refused({"--grpc-memory-quota", "1MiB"}),
              AllOf(HasSubstr("grpc_memory_quota: expected 0 or at least 671088640"),
                    HasSubstr("grpc_max_recv_msg_size"), HasSubstr("given 1048576")));
  EXPECT_EQ(Accepted({"--grpc-memory-quota=80KiB", "--grpc-max-recv-msg-size=64KiB"}).grpc_memory_quota,
            81920);
  EXPECT_THAT(Refused({"--data-path", ""}), HasSubstr("data_path: expected a directory"));
}

TEST_F(SettingsTest, AnUnknownKeyInTheFileNamesItsLineAndTheNearestSetting) {
  WriteFile("max_k = 1\n\nmax_memmory = 5\n");
  EXPECT_THAT(Refused(), AllOf(HasSubstr(path_ + " line 3"), HasSubstr("max_memmory"),
                               HasSubstr("is unknown"), HasSubstr("nearest setting is max_memory")));
}

TEST_F(SettingsTest, AnUnknownFlagNamesTheNearest) {
  EXPECT_THAT(Refused({"--listen-adr", "x"}), AllOf(HasSubstr("--listen-adr"), HasSubstr("--listen-addr")));
  EXPECT_THAT(Refused({"--hepl"}), HasSubstr("--help"));
  EXPECT_THAT(Refused({"--data-dir", "x"}), HasSubstr("--data-path"));
  EXPECT_THAT(Refused({"serve"}), HasSubstr("unexpected argument \"serve\""));
  EXPECT_THAT(Refused({"--max-k"}), AllOf(HasSubstr("--max-k"), HasSubstr("expected a value")));
}

TEST_F(SettingsTest, UnknownVariablesArePassedOver) {
  environment_ = {
      {"LONGBOW_MAX_MEMMORY", "x"}, {"LONGBOW_", "x"}, {"MAX_K", "3"}, {"LISTEN_ADDR", "0.0.0.0:1"}};
  const Settings settings = Accepted();
  EXPECT_EQ(settings.max_k, 10000);
  EXPECT_TRUE(settings.listen_addr.loopback());
}

TEST_F(SettingsTest, AnEmptyVariableIsNotSet) {
  environment_ = {{"LONGBOW_MAX_K", ""}, {"LONGBOW_AUTH", ""}};
  EXPECT_EQ(Accepted().max_k, 10000);
}

TEST_F(SettingsTest, FamiliesAreReadWithoutThePrefixToo) {
  environment_ = {{"MEMORY_SOFT_PERCENT", "50"}};
  EXPECT_EQ(Accepted().memory_soft_percent, 50);
  environment_["LONGBOW_MEMORY_SOFT_PERCENT"] = "60";
  EXPECT_EQ(Accepted().memory_soft_percent, 60);
}

TEST_F(SettingsTest, AValueThatDoesNotParseNamesSourceExpectedAndGiven) {
  WriteFile("max_k = 1\ndrain_time = \"soon\"\n");
  EXPECT_THAT(Refused(), AllOf(HasSubstr(path_ + " line 2: setting drain_time"),
                               HasSubstr("expected a duration"), HasSubstr("given \"soon\"")));
  has_file_ = false;
  environment_ = {{"LONGBOW_MAX_MEMORY", "lots"}};
  EXPECT_THAT(Refused(), AllOf(HasSubstr("environment variable LONGBOW_MAX_MEMORY"),
                               HasSubstr("expected a number of bytes"), HasSubstr("given \"lots\"")));
  environment_.clear();
  EXPECT_THAT(Refused({"--auth", "basic"}), AllOf(HasSubstr("flag --auth"), HasSubstr("expected token|none"),
                                                  HasSubstr("given \"basic\"")));
  EXPECT_THAT(Refused({"--memory-soft-percent", "101"}), HasSubstr("expected 1 to 100, given \"101\""));
  EXPECT_THAT(Refused({"--drain-time", "-1s"}), HasSubstr("expected a duration of zero or more"));
  EXPECT_THAT(Refused({"--grpc-keepalive-time", "1ms"}), HasSubstr("expected 1s to "));
  EXPECT_THAT(Refused({"--insecure=perhaps"}), HasSubstr("expected true or false"));
}

TEST_F(SettingsTest, AMistakeIsToldEvenWhereAStrongerSourceReplacesIt) {
  environment_ = {{"LONGBOW_MAX_K", "many"}};
  EXPECT_THAT(Refused({"--max-k", "5"}), HasSubstr("LONGBOW_MAX_K"));
}

TEST_F(SettingsTest, AFileThatIsNotTomlNamesTheLine) {
  WriteFile("max_k = 1\nmax_ef = = 2\n");
  EXPECT_THAT(Refused(), AllOf(HasSubstr(path_), HasSubstr("line 2")));
  WriteFile("max_k = 1\nmax_k = 2\n");
  EXPECT_THAT(Refused(), AllOf(HasSubstr(path_), HasSubstr("line 2")));
  WriteFile("[grpc]\nmax_calls = 1\n");
  EXPECT_THAT(Refused(), AllOf(HasSubstr("line 1"), HasSubstr("flat `name = value` pairs")));
}

TEST_F(SettingsTest, AFileThatIsNotThereIsAnError) {
  EXPECT_THAT(Refused({"--config", "/nonexistent/longbow.toml"}),
              AllOf(HasSubstr("--config"), HasSubstr("/nonexistent/longbow.toml")));
}

TEST_F(SettingsTest, NamesOfOtherServersAreAcceptedAndReported) {
  WriteFile("ttl = \"1h\"\n");
  environment_ = {{"LONGBOW_GOSSIP_ENABLED", "true"}, {"HNSW_M", "not even a number"}, {"GOGC", "75"}};
  const auto command = Read();
  ASSERT_TRUE(command.ok()) << command.status();
  std::vector<std::string> sources;
  for (const WithoutEffect& given : command->without_effect) {
    sources.push_back(given.source);
    EXPECT_FALSE(given.why.empty()) << given.source;
  }
  EXPECT_THAT(sources,
              ElementsAre(path_ + " line 1: setting ttl", "environment variable LONGBOW_GOSSIP_ENABLED",
                          "environment variable GOGC", "environment variable HNSW_M"));
  has_file_ = false;
  environment_.clear();
  EXPECT_THAT(Read()->without_effect, IsEmpty());
}

// Every variable of the wire protocol's list, and those that deployments set although nothing reads them.
TEST_F(SettingsTest, NoVariableOfOldDeploymentsStopsTheStart) {
  for (const char* name : {"LISTEN_ADDR=127.0.0.1:0",
                           "META_ADDR=127.0.0.1:0",
                           "METRICS_ADDR=127.0.0.1:0",
                           "NODE_ID=a",
                           "DATA_PATH=./d",
                           "MAX_MEMORY=1073741824",
                           "TTL=0s",
                           "SNAPSHOT_INTERVAL=1h",
                           "MAX_WAL_SIZE=104857600",
                           "LOG_FORMAT=json",
                           "LOG_LEVEL=info",
                           "GRPC_MAX_RECV_MSG_SIZE=5.36870912e+08",
                           "GRPC_MAX_SEND_MSG_SIZE=536870912",
                           "GRPC_INITIAL_WINDOW_SIZE=1048576",
                           "GRPC_INITIAL_CONN_WINDOW_SIZE=1048576",
                           "GRPC_MAX_CONCURRENT_STREAMS=250",
                           "GRPC_KEEPALIVE_TIME=2h",
                           "GRPC_KEEPALIVE_TIMEOUT=20s",
                           "GRPC_KEEPALIVE_MIN_TIME=5m",
                           "GRPC_KEEPALIVE_PERMIT_WITHOUT_STREAM=false",
                           "GOSSIP_ENABLED=false",
                           "GOSSIP_PORT=7946",
                           "GOSSIP_INTERVAL=200ms",
                           "GOSSIP_ADVERTISE_ADDR=127.0.0.1",
                           "GOSSIP_DISCOVERY_PROVIDER=static",
                           "GOSSIP_STATIC_PEERS=",
                           "GOSSIP_DNS_RECORD=",
                           "STORAGE_ASYNC_FSYNC=true",
                           "STORAGE_DOPUT_BATCH_SIZE=100",
                           "STORAGE_USE_IOURING=false",
                           "STORAGE_USE_DIRECT_IO=false",
                           "MEMORY_EVICTION_HEADROOM=0.10",
                           "MEMORY_EVICTION_POLICY=lru",
                           "MEMORY_REJECT_WRITES=true",
                           "HYBRID_SEARCH_ENABLED=false",
                           "HYBRID_SEARCH_TEXT_COLUMNS=a",
                           "HYBRID_SEARCH_ALPHA=0.5",
                           "GPU_ENABLED=false",
                           "GPU_DEVICE_ID=0",
                           "RATE_LIMIT_RPS=0",
                           "RATE_LIMIT_BURST=0",
                           "GC_BALLAST_G=0",
                           "GOGC=100",
                           "HNSW_M=32",
                           "HNSW_EF_CONSTRUCTION=400",
                           "HNSW_SQ8_ENABLED=false",
                           "COMPACTION_ENABLED=true",
                           "COMPACTION_INTERVAL=30s",
                           "COMPACTION_TARGET_BATCH_SIZE=10000",
                           "COMPACTION_MIN_BATCHES=10",
                           "AUTO_SHARDING_ENABLED=true",
                           "AUTO_SHARDING_THRESHOLD=10000",
                           "AUTO_SHARDING_SPLIT_THRESHOLD=65536",
                           "RING_SHARDING_ENABLED=true",
                           "INGESTION_WORKER_COUNT=0",
                           "USE_DISK=1",
                           "JIT=1",
                           "DEBUG=1",
                           "HNSW_ALPHA=1",
                           "HNSW_KEEP_PRUNED=1",
                           "HNSW_FLOAT16_ENABLED=1",
                           "HNSW_REFINEMENT_FACTOR=1",
                           "HNSW_PQ_ENABLED=1",
                           "HNSW_EF_SEARCH=1",
                           "USE_HNSW2=1",
                           "SNAPSHOT_PATH=x",
                           "STORAGE_BACKEND=x",
                           "S3_ENABLED=1",
                           "S3_BUCKET=x",
                           "S3_PREFIX=x",
                           "S3_REGION=x",
                           "S3_ENDPOINT=x",
                           "S3_USE_PATH_STYLE=1",
                           "WAL_COMPRESSION=1",
                           "HTTP_PORT=1",
                           "HOT_RELOAD=1",
                           "DEV_MODE=1",
                           "GOSSIP_BATCH_SIZE=1",
                           "MEMORY_LIMIT=x",
                           "INDEX_WORKERS=1",
                           "INDEX_QUEUE_SIZE=1"}) {
    const std::string pair = name;
    const size_t equals = pair.find('=');
    environment_["LONGBOW_" + pair.substr(0, equals)] = pair.substr(equals + 1);
    // Also known as a key of the file, where an unknown name would be an error.
    std::string key = pair.substr(0, equals);
    for (char& c : key) c = static_cast<char>(std::tolower(c));
    EXPECT_TRUE(Read({"--" + key + "=" + pair.substr(equals + 1)}).ok() || pair.back() == '=') << pair;
  }
  EXPECT_EQ(Accepted().grpc_max_recv_msg_size, int64_t{512} << 20);
}

TEST_F(SettingsTest, ReachingFurtherThanThisMachineHasToBeAskedFor) {
  for (const char* flag :
       {"--listen-addr=0.0.0.0:3000", "--meta-addr=10.1.2.3:3001", "--metrics-addr=[::]:9090"}) {
    const Status refused = CheckReach(Accepted({flag}));
    EXPECT_EQ(CodeOf(refused), ErrorCode::kFailedPrecondition) << flag;
    EXPECT_THAT(refused.message(),
                AllOf(HasSubstr("127.0.0.1:"), HasSubstr("--insecure"), HasSubstr("LONGBOW_INSECURE=true")));
    EXPECT_FALSE(CheckReach(Accepted({flag, "--auth=none"})).ok()) << flag;
    EXPECT_TRUE(CheckReach(Accepted({flag, "--insecure"})).ok()) << flag;
  }
  EXPECT_TRUE(CheckReach(Accepted({"--auth=none"})).ok());
}

TEST_F(SettingsTest, RequestsThatDoNotStartAServer) {
  EXPECT_EQ(Read({"--help"})->request, StartRequest::kHelp);
  EXPECT_EQ(Read({"-h"})->request, StartRequest::kHelp);
  EXPECT_EQ(Read({"--version"})->request, StartRequest::kVersion);
  EXPECT_EQ(Read({"--help-settings"})->request, StartRequest::kHelpSettings);
  EXPECT_EQ(Read({"--ports-file", "p"})->ports_file, "p");
}

TEST(SettingTable, NamesAreUniqueAndEverySettingIsInTheHelp) {
  std::set<std::string_view> names;
  const std::string help = SettingsHelp();
  for (const SettingRow& row : SettingTable()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_THAT(help, HasSubstr(FlagName(row.name)));
    EXPECT_FALSE(row.help.empty()) << row.name;
  }
  for (const IgnoredSetting& ignored : IgnoredSettings()) {
    EXPECT_TRUE(names.insert(ignored.name).second) << ignored.name;
    EXPECT_THAT(help, HasSubstr(std::string(ignored.name)));
  }
}

TEST(SettingTable, IsWhatTheOperationsPageShows) {
  std::ifstream file(LONGBOW_SOURCE_DIR "/docs/operations.md");
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(page.find(SettingsMarkdown()), std::string::npos)
      << "docs/operations.md: replace the table by the output of longbowd --help-settings";
}

}  // namespace
}  // namespace longbow
