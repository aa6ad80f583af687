#include <algorithm>

#include "settings.h"

namespace longbow {
namespace {

std::string_view KindWord(const SettingRow& row) {
  switch (row.kind) {
    case SettingKind::kString:
      return row.words.empty() ? "text" : row.words;
    case SettingKind::kBool:
      return "true|false";
    case SettingKind::kBytes:
      return "bytes";
    case SettingKind::kInteger:
      return "number";
    case SettingKind::kDuration:
      return "duration";
    case SettingKind::kAddress:
      return "host:port";
  }
  return "text";
}

// "|" ends a cell in Markdown.
std::string Cell(std::string_view text) {
  std::string cell;
  for (char c : text) {
    if (c == '|') cell += '\\';
    cell += c;
  }
  return cell;
}

// "name (why), name (why)" with equal reasons put together.
std::string IgnoredList(std::string_view quote, std::string_view line_start) {
  std::vector<std::string_view> reasons;
  for (const IgnoredSetting& ignored : IgnoredSettings()) {
    if (std::find(reasons.begin(), reasons.end(), ignored.why) == reasons.end())
      reasons.push_back(ignored.why);
  }
  std::string text;
  for (std::string_view reason : reasons) {
    text += line_start;
    bool first = true;
    for (const IgnoredSetting& ignored : IgnoredSettings()) {
      if (ignored.why != reason) continue;
      if (!first) text += ", ";
      first = false;
      text += std::string(quote) + std::string(ignored.name) + std::string(quote);
    }
    text += ": " + std::string(reason) + "\n";
  }
  return text;
}

}  // namespace

std::string SettingsHelp() {
  std::string text =
      "longbowd: a vector database that speaks Apache Arrow Flight\n\n"
      "usage: longbowd [--config FILE] [--SETTING VALUE]...\n\n"
      "  --config FILE       TOML file of name = value pairs\n"
      "  --ports-file FILE   write the ports as a line of JSON once they are listened on\n"
      "  --help              this text\n"
      "  --help-settings     the settings as a Markdown table\n"
      "  --version           version of this program, Arrow and gRPC\n"
      "  --verify            check every byte of data_path, say what is wrong, and exit\n"
      "  --repair            the same, and put aside what is damaged\n"
      "  --export PLACE      copy the newest snapshot of data_path to PLACE, what is there already left "
      "alone,\n"
      "                      and exit; PLACE is s3://bucket/prefix or a directory\n"
      "  --import PLACE      fill data_path, which must be new, from such a copy, and exit\n\n"
      "Every setting can be given as a flag, as LONGBOW_NAME in the environment, or in the file (names with\n"
      "underscores); the first of these wins.\n\n";
  for (const SettingRow& row : SettingTable()) {
    text += "  " + FlagName(row.name) + " " + std::string(KindWord(row)) + "\n      " + std::string(row.help);
    if (!row.default_text.empty()) text += " Default: " + std::string(row.default_text) + ".";
    text += "\n";
  }
  text += "\nAccepted, without effect:\n" + IgnoredList("", "  ");
  return text;
}

std::string SettingsMarkdown() {
  std::string text =
      "| setting | flag | environment | kind | default | meaning |\n|---|---|---|---|---|---|\n";
  for (const SettingRow& row : SettingTable()) {
    text += "| `" + std::string(row.name) + "` | `" + FlagName(row.name) + "` | `" + VariableName(row.name) +
            "` | " + Cell(KindWord(row)) + " | " +
            (row.default_text.empty() ? "" : "`" + std::string(row.default_text) + "`") + " | " +
            Cell(row.help) + " |\n";
  }
  text += "\nAccepted, without effect:\n\n" + IgnoredList("`", "- ");
  return text;
}

}  // namespace longbow
