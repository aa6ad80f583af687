// Filters as text: a lexer, and a parser by recursive descent.
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "longbow/filter/filter.h"
#include "longbow/filter/filter_words.h"

namespace longbow::filter {
namespace {

enum class TokenKind : uint8_t { kEnd, kWord, kName, kText, kNumber, kSign };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of words in lower case; of quoted ones without the quotes
  std::string written;
  size_t at = 0;
};

constexpr size_t kShownBytes = 40;

Status Unexpected(const Token& token, std::string_view expected) {
  const std::string found =
      token.kind == TokenKind::kEnd ? "its end" : '"' + token.written.substr(0, kShownBytes) + '"';
  return InvalidArgument("filter text: at position ", token.at + 1, " expected ", expected, ", found ",
                         found);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Confined to one ParseFilter.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<Token> Next() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) ++at_;
    Token token;
    token.at = at_;
    if (at_ == text_.size()) return token;
    LB_RETURN_NOT_OK(Read(&token));
    token.written = text_.substr(token.at, at_ - token.at);
    return token;
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  Status Read(Token* token) {
    const char c = Peek();
    if (c == '\'') return ReadQuoted(TokenKind::kText, token);
    if (c == '"' || c == '`') return ReadQuoted(TokenKind::kName, token);
    const bool is_signed = c == '-' || c == '+';
    if (IsDigit(Peek(is_signed)) || (Peek(is_signed) == '.' && IsDigit(Peek(is_signed + 1)))) {
      return ReadNumber(token);
    }
    if (BeginsName(c)) return ReadWord(token);
    return ReadSign(token);
  }

  // A quote inside is written twice.
  Status ReadQuoted(TokenKind kind, Token* token) {
    const char quote = text_[at_++];
    token->kind = kind;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote && Peek() != quote) return Status::OK();
      if (c == quote) ++at_;
      token->text += c;
    }
    return InvalidArgument("filter text: the quote ", quote, " at position ", token->at + 1,
                           " is not closed; a quote inside is written twice");
  }

  Status ReadNumber(Token* token) {
    const size_t from = at_++;
    while (IsDigit(Peek()) || Peek() == '.' || LowerLetter(Peek()) == 'e' ||
           ((Peek() == '-' || Peek() == '+') && LowerLetter(text_[at_ - 1]) == 'e')) {
      ++at_;
    }
    token->kind = TokenKind::kNumber;
    token->text = text_.substr(from, at_ - from);
    return Status::OK();
  }

  Status ReadWord(Token* token) {
    const size_t from = at_;
    while (GoesOnInName(Peek())) ++at_;
    token->kind = TokenKind::kWord;
    token->text = Lowered(text_.substr(from, at_ - from));
    return Status::OK();
  }

  Status ReadSign(Token* token) {
    token->kind = TokenKind::kSign;
    for (const std::string_view sign :
         {"<=", ">=", "<>", "!=", "==", "&&", "||", "<", ">", "=", "!", "(", ")", ","}) {
      if (!text_.substr(at_).starts_with(sign)) continue;
      token->text = sign;
      at_ += sign.size();
      return Status::OK();
    }
    token->written = text_.substr(at_, 1);
    return Unexpected(*token, "a name, a value or an operator");
  }

  const std::string_view text_;
  size_t at_ = 0;
};

// Digits that count: without zeros before and, behind a point, after.
size_t SignificantDigits(std::string_view digits) {
  digits = digits.substr(0, digits.find_first_of("eE"));
  if (digits.find('.') != std::string_view::npos) digits = digits.substr(0, digits.find_last_not_of('0') + 1);
  size_t count = 0;
  for (const char c : digits) count += IsDigit(c) && (count > 0 || c != '0') ? 1 : 0;
  return count;
}

// Small and whole numbers as such; what a double would not keep stays text, which every column reads exactly.
Result<Value> NumberOf(const Token& token) {
  std::string_view digits = token.text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const char* const end = digits.data() + digits.size();
  int64_t integer = 0;
  if (const auto read = std::from_chars(digits.data(), end, integer);
      read.ptr == end && read.ec == std::errc())
    return Value(integer);
  uint64_t large = 0;
  if (const auto read = std::from_chars(digits.data(), end, large); read.ptr == end && read.ec == std::errc())
    return Value(large);
  double real = 0;
  const auto read = std::from_chars(digits.data(), end, real);
  if (read.ptr != end) return Unexpected(token, "a number");
  constexpr size_t kDoubleDigits = 17;
  if (read.ec != std::errc() || SignificantDigits(digits) > kDoubleDigits) return Value(std::string(digits));
  return Value(real);
}

// The operator with its sides changed: 3 < x is x > 3.
Operator Turned(Operator op) {
  switch (op) {
    case Operator::kLess:
      return Operator::kGreater;
    case Operator::kLessEqual:
      return Operator::kGreaterEqual;
    case Operator::kGreater:
      return Operator::kLess;
    case Operator::kGreaterEqual:
      return Operator::kLessEqual;
    default:
      return op;
  }
}

int DepthOf(const FilterTree& tree) {
  int below = 0;
  for (const FilterTree& child : tree.children) below = std::max(below, DepthOf(child));
  return below + 1;
}

Status TooDeep() { return InvalidArgument("filter text: nested deeper than ", kMaxDepth, " levels"); }

FilterTree Negated(FilterTree tree) { return {Operator::kNot, "", {}, {std::move(tree)}}; }

// Confined to one ParseFilter.
class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  Result<FilterTree> Parse() {
    LB_RETURN_NOT_OK(Advance());
    LB_ASSIGN_OR_RETURN(auto tree, Joined(Operator::kOr));
    if (token_.kind != TokenKind::kEnd) return Unexpected(token_, "and, or or the end");
    if (DepthOf(tree) > kMaxDepth) return TooDeep();
    return tree;
  }

 private:
  Status Advance() {
    LB_ASSIGN_OR_RETURN(token_, lexer_.Next());
    return Status::OK();
  }
  bool Is(std::string_view text) const {
    return (token_.kind == TokenKind::kWord || token_.kind == TokenKind::kSign) && token_.text == text;
  }
  Result<bool> Skip(std::string_view text) {
    if (!Is(text)) return false;
    LB_RETURN_NOT_OK(Advance());
    return true;
  }
  Status Expect(std::string_view text) {
    LB_ASSIGN_OR_RETURN(const bool found, Skip(text));
    return found ? Status::OK() : Unexpected(token_, '"' + std::string(text) + '"');
  }

  // Conditions joined by or, of which each is joined by and.
  Result<FilterTree> Joined(Operator op) {
    const bool either = op == Operator::kOr;
    std::vector<FilterTree> members;
    for (bool more = true; more;) {
      LB_ASSIGN_OR_RETURN(members.emplace_back(), either ? Joined(Operator::kAnd) : Condition());
      LB_ASSIGN_OR_RETURN(more, Skip(either ? "or" : "and"));
      if (more) continue;
      LB_ASSIGN_OR_RETURN(more, Skip(either ? "||" : "&&"));
    }
    if (members.size() == 1) return std::move(members[0]);
    return FilterTree{op, "", {}, std::move(members)};
  }

  Result<FilterTree> Condition() {
    // A level of the tree takes up to three of these: not, and its parentheses twice.
    if (++depth_ > 3 * kMaxDepth) return TooDeep();
    auto tree = Bare();
    --depth_;
    return tree;
  }

  Result<FilterTree> Bare() {
    if (Is("not") || Is("!")) {
      LB_RETURN_NOT_OK(Advance());
      LB_ASSIGN_OR_RETURN(auto tree, Condition());
      return Negated(std::move(tree));
    }
    LB_ASSIGN_OR_RETURN(const bool group, Skip("("));
    if (group) {
      LB_ASSIGN_OR_RETURN(auto tree, Joined(Operator::kOr));
      LB_RETURN_NOT_OK(Expect(")"));
      return tree;
    }
    if (++terms_ > kMaxTerms) return InvalidArgument("filter text: more than ", kMaxTerms, " conditions");
    LB_ASSIGN_OR_RETURN(const bool exists, Skip("exists"));
    if (exists) return Exists();
    if (token_.kind == TokenKind::kText || token_.kind == TokenKind::kNumber || Is("true") || Is("false")) {
      return FromValue();
    }
    LB_ASSIGN_OR_RETURN(auto column, Column());
    return OfColumn(std::move(column));
  }

  Result<FilterTree> Exists() {
    LB_ASSIGN_OR_RETURN(const bool group, Skip("("));
    LB_ASSIGN_OR_RETURN(auto column, Column());
    if (group) LB_RETURN_NOT_OK(Expect(")"));
    return FilterTree{Operator::kIsNotNull, std::move(column), {}, {}};
  }

  // true and false alone, or a value before its column.
  Result<FilterTree> FromValue() {
    const bool always = Is("true"), never = Is("false");
    LB_ASSIGN_OR_RETURN(auto value, OneValue());
    LB_ASSIGN_OR_RETURN(const auto op, Comparison());
    if (!op) {
      if (always) return FilterTree{Operator::kAnd, "", {}, {}};
      if (never) return FilterTree{Operator::kOr, "", {}, {}};
      return Unexpected(token_, "a comparison and a column after a value");
    }
    LB_ASSIGN_OR_RETURN(auto column, Column());
    return FilterTree{Turned(*op), std::move(column), {std::move(value)}, {}};
  }

  Result<std::optional<Operator>> Comparison() {
    if (token_.kind != TokenKind::kSign) return std::nullopt;
    const auto named = OperatorFromName(token_.text);
    if (!named.ok() || OperandsOf(named->op) != Operands::kOne) return std::nullopt;
    LB_RETURN_NOT_OK(Advance());
    return named->op;
  }

  Result<std::string> Column() {
    if (token_.kind == TokenKind::kName || (token_.kind == TokenKind::kWord && IsPlainName(token_.text))) {
      std::string name = token_.kind == TokenKind::kName ? token_.text : token_.written;
      LB_RETURN_NOT_OK(Advance());
      return name;
    }
    return Unexpected(token_, "a column (in double quotes when it is no plain word)");
  }

  Result<FilterTree> OfColumn(std::string column) {
    LB_ASSIGN_OR_RETURN(const auto comparison, Comparison());
    if (comparison) {
      FilterTree tree{*comparison, std::move(column), {}, {}};
      LB_ASSIGN_OR_RETURN(tree.values.emplace_back(), OneValue());
      return tree;
    }
    LB_ASSIGN_OR_RETURN(const bool is, Skip("is"));
    if (is) {
      LB_ASSIGN_OR_RETURN(const bool is_not, Skip("not"));
      LB_RETURN_NOT_OK(Expect("null"));
      return FilterTree{is_not ? Operator::kIsNotNull : Operator::kIsNull, std::move(column), {}, {}};
    }
    LB_ASSIGN_OR_RETURN(const bool negated, Skip("not"));
    LB_ASSIGN_OR_RETURN(auto tree, ByWord(std::move(column)));
    if (!negated) return tree;
    if (tree.op != Operator::kIn && tree.op != Operator::kIsNull) return Negated(std::move(tree));
    tree.op = tree.op == Operator::kIn ? Operator::kNotIn : Operator::kIsNotNull;
    return tree;
  }

  Result<FilterTree> ByWord(std::string column) {
    LB_ASSIGN_OR_RETURN(const Operator op, WordOperator());
    FilterTree tree{op, std::move(column), {}, {}};
    if (OperandsOf(op) == Operands::kNone) return tree;
    if (OperandsOf(op) == Operands::kAny) {
      LB_ASSIGN_OR_RETURN(tree.values, ValueList());
      return tree;
    }
    LB_ASSIGN_OR_RETURN(tree.values.emplace_back(), OneValue());
    if (OperandsOf(op) != Operands::kTwo) return tree;
    LB_RETURN_NOT_OK(Expect("and"));
    LB_ASSIGN_OR_RETURN(tree.values.emplace_back(), OneValue());
    return tree;
  }

  Result<Operator> WordOperator() {
    const Token first = token_;
    if (token_.kind == TokenKind::kWord) {
      LB_RETURN_NOT_OK(Advance());
      // The operators of two words.
      if (first.text == "starts") {
        LB_RETURN_NOT_OK(Expect("with"));
        return Operator::kPrefix;
      }
      if (first.text == "in") {
        LB_ASSIGN_OR_RETURN(const bool list, Skip("list"));
        return list ? Operator::kInList : Operator::kIn;
      }
      const auto named = OperatorFromName(first.text);
      if (named.ok() && OperandsOf(named->op) != Operands::kChildren) return named->op;
    }
    return Unexpected(first, "an operator such as =, <=, in, like, between, contains, is null");
  }

  Result<std::vector<Value>> ValueList() {
    LB_RETURN_NOT_OK(Expect("("));
    std::vector<Value> values;
    LB_ASSIGN_OR_RETURN(bool closed, Skip(")"));
    while (!closed) {
      if (values.size() == static_cast<size_t>(kMaxListValues)) {
        return InvalidArgument("filter text: a list has more than ", kMaxListValues,
                               " values; upload an allow-list and use in list");
      }
      LB_ASSIGN_OR_RETURN(values.emplace_back(), OneValue());
      LB_ASSIGN_OR_RETURN(closed, Skip(")"));
      if (!closed) LB_RETURN_NOT_OK(Expect(","));
    }
    return values;
  }

  Result<Value> OneValue() {
    if (Is("timestamp") || Is("date") || Is("time")) {
      LB_RETURN_NOT_OK(Advance());
      if (token_.kind != TokenKind::kText) return Unexpected(token_, "a text in single quotes");
    }
    const Token token = token_;
    const bool quoted = token.kind == TokenKind::kText || token.kind == TokenKind::kName;
    if (!quoted && token.kind != TokenKind::kNumber && !Is("true") && !Is("false") && !Is("null")) {
      return Unexpected(token, "a value: a number, true, false, or text in single quotes");
    }
    LB_RETURN_NOT_OK(Advance());
    if (quoted) return Value(token.text);
    if (token.kind == TokenKind::kNumber) return NumberOf(token);
    if (token.text == "null") return Value();
    return Value(token.text == "true");
  }

  Lexer lexer_;
  Token token_;
  int depth_ = 0, terms_ = 0;
};

}  // namespace

Result<FilterTree> ParseFilter(std::string_view text) {
  if (text.size() > kMaxFilterTextBytes) {
    return InvalidArgument("filter text: ", text.size(), " bytes; at most ", kMaxFilterTextBytes,
                           " are allowed, upload long lists as allow-lists");
  }
  return Parser(text).Parse();
}

}  // namespace longbow::filter
