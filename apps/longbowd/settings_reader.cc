#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <type_traits>

#include "settings.h"
#include "settings_file.h"

namespace longbow {
namespace {

Status Invalid(std::string message) { return MakeError(ErrorCode::kInvalidArgument, std::move(message)); }

// Letters to insert, delete or replace (Wagner and Fischer 1974).
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// The flags that are no settings.
struct CommandFlag {
  std::string_view name;
  bool takes_value;
};
constexpr CommandFlag kCommandFlags[] = {{"config", true},         {"ports_file", true}, {"help", false},
                                         {"help_settings", false}, {"version", false},   {"verify", false},
                                         {"repair", false},        {"export", true},     {"import", true}};

// Who begins a name rightly has more often forgotten its end: `data_dir` is meant to be `data_path`.
std::string NearestName(std::string_view name, bool with_command_flags) {
  std::string_view best;
  const auto distance = [&](std::string_view known) {
    const auto same = std::ranges::mismatch(name, known).in1 - name.begin();
    return 2 * static_cast<int64_t>(EditDistance(name, known)) - static_cast<int64_t>(same);
  };
  const auto consider = [&](std::string_view known) {
    if (best.empty() || distance(known) < distance(best)) best = known;
  };
  for (const SettingRow& row : SettingTable()) consider(row.name);
  if (with_command_flags) {
    for (const CommandFlag& flag : kCommandFlags) consider(flag.name);
  }
  return std::string(best);
}

const SettingRow* FindRow(std::string_view name) {
  for (const SettingRow& row : SettingTable()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

const IgnoredSetting* FindIgnored(std::string_view name) {
  for (const IgnoredSetting& ignored : IgnoredSettings()) {
    if (ignored.name == name) return &ignored;
  }
  return nullptr;
}

bool IsOneOf(std::string_view words, std::string_view text) {
  for (size_t start = 0; start <= words.size();) {
    const size_t end = std::min(words.find('|', start), words.size());
    if (words.substr(start, end - start) == text) return true;
    start = end + 1;
  }
  return false;
}

Result<int64_t> ParseNumber(const SettingRow& row, std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const int64_t value,
                        row.kind == SettingKind::kBytes ? ParseBytes(text) : ParseInteger(text));
  if (value >= row.least && value <= row.most) return value;
  return Invalid("expected " + std::to_string(row.least) + " to " + std::to_string(row.most) + ", given \"" +
                 std::string(text) + "\"");
}

Result<Nanoseconds> ParseTime(const SettingRow& row, std::string_view text) {
  ARROW_ASSIGN_OR_RAISE(const Nanoseconds value, ParseDuration(text));
  if (value.count() >= row.least && value.count() <= row.most) return value;
  const auto seconds = [](int64_t nanos) {
    std::string digits = std::to_string(static_cast<double>(nanos) * 1e-9);
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
    return digits + "s";
  };
  return Invalid("expected " + seconds(row.least) + " to " + seconds(row.most) + ", given \"" +
                 std::string(text) + "\"");
}

// The one place where text becomes a member of Settings.
Status Assign(const SettingRow& row, std::string_view text, Settings* settings) {
  return std::visit(
      [&](auto member) -> Status {
        using Value = std::remove_reference_t<decltype(settings->*member)>;
        if constexpr (std::is_same_v<Value, std::string>) {
          if (!row.words.empty() && !IsOneOf(row.words, text)) {
            return Invalid("expected " + std::string(row.words) + ", given \"" +
                           std::string(text.substr(0, 128)) + "\"");
          }
          settings->*member = std::string(text);
        } else if constexpr (std::is_same_v<Value, bool>) {
          ARROW_ASSIGN_OR_RAISE(settings->*member, ParseBool(text));
        } else if constexpr (std::is_same_v<Value, int64_t>) {
          ARROW_ASSIGN_OR_RAISE(settings->*member, ParseNumber(row, text));
        } else if constexpr (std::is_same_v<Value, Nanoseconds>) {
          ARROW_ASSIGN_OR_RAISE(settings->*member, ParseTime(row, text));
        } else {
          ARROW_ASSIGN_OR_RAISE(settings->*member, ParseAddress(text));
        }
        return Status::OK();
      },
      row.field);
}

// Collects the sources from the weakest to the strongest; each value given is checked, also one that a
// stronger source replaces, so that no mistake lies in wait. Confined.
class Reader {
 public:
  Status Defaults() {
    for (const SettingRow& row : SettingTable()) {
      ARROW_RETURN_NOT_OK(WithContext(Assign(row, row.default_text, &command.settings), row.name));
    }
    return Status::OK();
  }

  // `source` names where the value stands, for whoever has to correct it.
  Status Take(std::string_view name, std::string_view text, const std::string& source) {
    if (const SettingRow* row = FindRow(name)) {
      const Status status = Assign(*row, text, &command.settings);
      return status.ok() ? status : WithContext(status, source);
    }
    if (const IgnoredSetting* ignored = FindIgnored(name)) {
      command.without_effect.push_back({source, ignored->why});
      return Status::OK();
    }
    return Invalid(source + " is unknown; the nearest setting is " + NearestName(name, false));
  }

  Status File(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    if (!file) return Invalid("flag --config: cannot read " + path);
    auto settings = ParseSettingsFile(content);
    if (!settings.ok()) return WithContext(settings.status(), path);
    for (const FileSetting& setting : *settings) {
      ARROW_RETURN_NOT_OK(Take(setting.name, setting.text,
                               path + " line " + std::to_string(setting.line) + ": setting " + setting.name));
    }
    return Status::OK();
  }

  Status Environment(const EnvironmentLookup& lookup) {
    for (const SettingRow& row : SettingTable()) ARROW_RETURN_NOT_OK(Variable(row.name, lookup));
    for (const IgnoredSetting& ignored : IgnoredSettings())
      ARROW_RETURN_NOT_OK(Variable(ignored.name, lookup));
    return Status::OK();
  }

  StartCommand command;

 private:
  Status Variable(std::string_view name, const EnvironmentLookup& lookup) {
    const std::string prefixed = VariableName(name);
    for (const std::string& variable : {prefixed, prefixed.substr(prefixed.find('_') + 1)}) {
      const char* text = lookup(variable);
      if (text != nullptr && *text != '\0') return Take(name, text, "environment variable " + variable);
      if (!HasUnprefixedName(name)) break;
    }
    return Status::OK();
  }
};

struct Flag {
  std::string name;  // with underscores
  std::string text;
};

// --name value, --name=value, and --name alone for truth values.
Result<std::vector<Flag>> SplitFlags(const std::vector<std::string>& arguments) {
  std::vector<Flag> flags;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "-h") {
      flags.push_back({"help", {}});
      continue;
    }
    if (argument.size() < 3 || argument.substr(0, 2) != "--") {
      return Invalid("unexpected argument \"" + argument.substr(0, 128) +
                     "\"; settings are given as --name value");
    }
    const size_t equals = argument.find('=');
    Flag flag{argument.substr(2, equals == std::string::npos ? equals : equals - 2), {}};
    std::replace(flag.name.begin(), flag.name.end(), '-', '_');
    const SettingRow* row = FindRow(flag.name);
    const auto* command = std::find_if(std::begin(kCommandFlags), std::end(kCommandFlags),
                                       [&](const CommandFlag& each) { return each.name == flag.name; });
    const bool is_command = command != std::end(kCommandFlags);
    if (row == nullptr && !is_command && FindIgnored(flag.name) == nullptr) {
      return Invalid("flag " + FlagName(flag.name) + " is unknown; the nearest one is " +
                     FlagName(NearestName(flag.name, true)) + " (--help lists all)");
    }
    const bool needs_value =
        is_command ? command->takes_value : row == nullptr || row->kind != SettingKind::kBool;
    if (equals != std::string::npos) {
      flag.text = argument.substr(equals + 1);
    } else if (!needs_value) {
      flag.text = "true";
    } else if (i + 1 < arguments.size() && arguments[i + 1].substr(0, 2) != "--") {
      flag.text = arguments[++i];
    } else {
      return Invalid("flag " + FlagName(flag.name) + ": expected a value behind it, given nothing");
    }
    flags.push_back(std::move(flag));
  }
  return flags;
}

// Takes the flags that are no settings out of `flags`; returns the settings file's path, empty for none.
std::string TakeCommandFlags(std::vector<Flag>* flags, StartCommand* command) {
  std::string config;
  std::vector<Flag> settings;
  for (Flag& flag : *flags) {
    if (flag.name == "help") {
      command->request = StartRequest::kHelp;
    } else if (flag.name == "help_settings") {
      command->request = StartRequest::kHelpSettings;
    } else if (flag.name == "version") {
      command->request = StartRequest::kVersion;
    } else if (flag.name == "verify") {
      command->request = StartRequest::kVerify;
    } else if (flag.name == "repair") {
      command->request = StartRequest::kRepair;
    } else if (flag.name == "export" || flag.name == "import") {
      command->request = flag.name == "export" ? StartRequest::kExport : StartRequest::kImport;
      command->place = flag.text;
    } else if (flag.name == "config") {
      config = flag.text;
    } else if (flag.name == "ports_file") {
      command->ports_file = flag.text;
    } else {
      settings.push_back(std::move(flag));
    }
  }
  *flags = std::move(settings);
  return config;
}

// What no value shows by itself.
Status CheckTogether(const Settings& settings) {
  if (settings.data_path.empty()) return Invalid("data_path: expected a directory, given nothing");
  const int64_t least_quota = settings.grpc_max_recv_msg_size + settings.grpc_max_recv_msg_size / 4;
  if (settings.grpc_memory_quota == 0 || settings.grpc_memory_quota >= least_quota) return Status::OK();
  return Invalid("grpc_memory_quota: expected 0 or at least " + std::to_string(least_quota) +
                 ", 1.25 times grpc_max_recv_msg_size, given " + std::to_string(settings.grpc_memory_quota));
}

}  // namespace

Result<StartCommand> ReadSettings(const std::vector<std::string>& arguments,
                                  const EnvironmentLookup& environment) {
  Reader reader;
  ARROW_RETURN_NOT_OK(reader.Defaults());
  ARROW_ASSIGN_OR_RAISE(std::vector<Flag> flags, SplitFlags(arguments));
  const std::string config = TakeCommandFlags(&flags, &reader.command);
  const StartRequest request = reader.command.request;
  const bool only_prints = request == StartRequest::kHelp || request == StartRequest::kHelpSettings ||
                           request == StartRequest::kVersion;
  if (only_prints) return std::move(reader.command);
  if (!config.empty()) ARROW_RETURN_NOT_OK(reader.File(config));
  ARROW_RETURN_NOT_OK(reader.Environment(environment));
  for (const Flag& flag : flags) {
    ARROW_RETURN_NOT_OK(reader.Take(flag.name, flag.text, "flag " + FlagName(flag.name)));
  }
  ARROW_RETURN_NOT_OK(CheckTogether(reader.command.settings));
  return std::move(reader.command);
}

}  // namespace longbow
