#include "token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace longbow {
namespace {

using ::testing::HasSubstr;

class TokenFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "longbow-token-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ + "/token";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void Write(const std::string& content, mode_t mode) {
    std::ofstream(path_) << content;
    chmod(path_.c_str(), mode);
  }
  std::string Refused() {
    const auto token = ReadOrMakeToken(path_, SystemRandom());
    EXPECT_FALSE(token.ok());
    return token.ok() ? "" : token.status().message();
  }
  std::string directory_, path_;
};

TEST_F(TokenFileTest, IsMadeOnceAndOnlyForItsOwner) {
  const auto first = ReadOrMakeToken(path_, SystemRandom());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(*first, ::testing::MatchesRegex("lb_[0-9a-f]*"));
  EXPECT_EQ(first->size(), 3u + 64u);
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(ReadOrMakeToken(path_, SystemRandom()).ValueOr(""), *first);
  size_t files = 0;
  for (const auto& each : std::filesystem::directory_iterator(directory_)) files += !each.path().empty();
  EXPECT_EQ(files, 1u) << "a draft was left behind";
}

TEST_F(TokenFileTest, EachServerHasItsOwn) {
  const std::string first = ReadOrMakeToken(path_, SystemRandom()).ValueOr("");
  const std::string second = ReadOrMakeToken(path_ + "2", SystemRandom()).ValueOr("");
  EXPECT_NE(first, second);
}

TEST_F(TokenFileTest, WhatTheOperatorWroteIsTaken) {
  Write("  a-token-of-ones-own-1234\r\n", 0600);
  EXPECT_EQ(ReadOrMakeToken(path_, SystemRandom()).ValueOr(""), "a-token-of-ones-own-1234");
  chmod(path_.c_str(), 0400);
  EXPECT_EQ(ReadOrMakeToken(path_, SystemRandom()).ValueOr(""), "a-token-of-ones-own-1234");
}

TEST_F(TokenFileTest, AFileThatOthersCanReadIsRefused) {
  for (mode_t mode : {0644, 0640, 0604, 0620}) {
    Write("a-token-of-ones-own-1234\n", mode);
    const std::string why = Refused();
    EXPECT_THAT(why, HasSubstr("chmod 600"));
    EXPECT_THAT(why, ::testing::Not(HasSubstr("a-token-of-ones-own")));
  }
}

TEST_F(TokenFileTest, WhatCannotBeASecretIsRefused) {
  for (const char* content : {"", "\n", "short", "two words are not one token", "tab\tin-the-middle-of-it",
                              "caf\xc3\xa9-is-not-ascii-at-all"}) {
    Write(content, 0600);
    EXPECT_THAT(Refused(), HasSubstr("16 to 4096 printable")) << content;
  }
  Write(std::string(5000, 'a'), 0600);
  EXPECT_THAT(Refused(), HasSubstr("16 to 4096 printable"));
}

TEST_F(TokenFileTest, ADirectoryThatIsNotThereIsNamed) {
  path_ = directory_ + "/missing/token";
  EXPECT_THAT(Refused(), HasSubstr(path_));
}

TEST_F(TokenFileTest, ADraftLeftByACrashIsInTheWayOfNothing) {
  std::ofstream(path_ + ".new") << "half";
  EXPECT_TRUE(ReadOrMakeToken(path_, SystemRandom()).ok());
  EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
}

}  // namespace
}  // namespace longbow
