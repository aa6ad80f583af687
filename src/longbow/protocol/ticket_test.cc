#include "longbow/protocol/ticket.h"
#include "longbow/protocol/filter_json.h"

#include <gtest/gtest.h>

#include "longbow/protocol/flight_messages.h"
#include "longbow/protocol/random_bytes.h"

namespace longbow::protocol {
namespace {

using filter::Operator;

query::ScanRequest Scan(std::string_view text) {
  auto ticket = ReadTicket(text);
  EXPECT_TRUE(ticket.ok()) << ticket.status();
  if (!ticket.ok() || !std::holds_alternative<query::ScanRequest>(*ticket)) return {};
  return std::get<query::ScanRequest>(*ticket);
}

SearchCall Search(std::string_view text) {
  auto ticket = ReadTicket(text);
  EXPECT_TRUE(ticket.ok()) << ticket.status();
  if (!ticket.ok() || !std::holds_alternative<SearchCall>(*ticket)) return {};
  return std::get<SearchCall>(*ticket);
}

std::string ErrorOf(std::string_view text, ErrorCode code = ErrorCode::kInvalidArgument) {
  auto ticket = ReadTicket(text);
  EXPECT_FALSE(ticket.ok()) << text;
  if (ticket.ok()) return {};
  EXPECT_EQ(CodeOf(ticket.status()), code) << ticket.status();
  return ticket.status().message();
}

std::string Filtered(std::string_view filters) {
  const auto scan = Scan("{\"name\":\"d\",\"filters\":" + std::string(filters) + "}");
  return scan.filter ? scan.filter->ToString() : "none";
}

std::string FilterError(std::string_view filters) {
  return ErrorOf("{\"name\":\"d\",\"filters\":" + std::string(filters) + "}");
}

TEST(Ticket, ABareNameScansThatDataset) {
  EXPECT_EQ(Scan("my-data").dataset, "my-data");
  EXPECT_EQ(Scan("tenant/ds").dataset, "tenant/ds");
}

TEST(Ticket, ReadsScansAsClientsWriteThem) {
  const auto scan =
      Scan(R"({"name":"d","limit":10,"collection":"ignored","filters":null,"columns":["a","b"]})");
  EXPECT_EQ(scan.dataset, "d");
  EXPECT_EQ(scan.limit, 10);
  EXPECT_FALSE(scan.filter);
  EXPECT_EQ(*scan.columns, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(Scan(R"({"dataset":"d"})").dataset, "d");
  EXPECT_EQ(Scan(R"({"name":"d","limit":3.0})").limit, 3);
}

TEST(Ticket, TheScanTicketItWritesReadsBack) {
  EXPECT_EQ(Scan(WriteScanTicket("ns/na-me")).dataset, "ns/na-me");
}

TEST(Ticket, ReadsSearchesAsTheSdkSendsThem) {
  const auto call =
      Search(R"({"search":{"dataset":"d","vector":[1,2.5,-3e2],"k":5,"alpha":1.0,"text_query":null,
                              "unknown":[1],"local_only":true,
                              "filters":[{"field":"c","op":"Eq","value":"x"}]}})");
  EXPECT_EQ(call.request.dataset, "d");
  EXPECT_EQ(call.request.queries.numbers, (std::vector<std::vector<double>>{{1, 2.5, -300}}));
  EXPECT_EQ(call.request.k, std::vector<int64_t>{5});
  EXPECT_TRUE(call.local_only);
  ASSERT_TRUE(call.request.filter);
  EXPECT_EQ(call.request.filter->op, Operator::kEqual);
  EXPECT_FALSE(call.request.columns);  // the user's columns come along
}

TEST(Ticket, ReadsThePeersOldShape) {
  const auto call = Search(
      R"({"name":"","limit":0,"filters":null,"search":{"dataset":"d","vector":[1],"k":1,"local_only":true}})");
  EXPECT_EQ(call.request.dataset, "d");
}

TEST(Ticket, TheOuterNameAndFiltersCountForASearch) {
  const auto call = Search(R"({"name":"d","filters":[{"field":"a","op":">","value":1}],
                              "search":{"vector":[1],"k":1,"filters":[{"field":"b","op":"<","value":2}]}})");
  EXPECT_EQ(call.request.dataset, "d");
  ASSERT_TRUE(call.request.filter);
  EXPECT_EQ(call.request.filter->op, Operator::kAnd);
  EXPECT_EQ(call.request.filter->children.size(), 2u);
}

TEST(Ticket, OneRequestsFlagsDoNotLeakIntoTheNext) {
  EXPECT_EQ(Search(R"({"search":{"dataset":"d","vector":[1],"k":1,"include_vectors":true}})").request.vectors,
            query::VectorFormat::kBinary);
  EXPECT_EQ(Search(R"({"search":{"dataset":"d","vector":[1],"k":1}})").request.vectors,
            query::VectorFormat::kNone);
}

TEST(Ticket, GivesVectorsAsListsToThoseWhoNameTheColumn) {
  const auto call = Search(
      R"({"search":{"dataset":"d","vector":[1],"k":1,"columns":["a","vector"],"vector_format":"f16"}})");
  EXPECT_EQ(call.request.vectors, query::VectorFormat::kFloat16);
  EXPECT_EQ(*call.request.columns, std::vector<std::string>{"a"});
}

TEST(Ticket, SaysWhatIsWrong) {
  EXPECT_NE(ErrorOf("{not json").find("invalid ticket format"), std::string::npos);
  EXPECT_NE(ErrorOf("").find("invalid ticket format"), std::string::npos);
  EXPECT_NE(ErrorOf("\xff\xfe\x01").find("invalid ticket format"), std::string::npos);
  EXPECT_NE(ErrorOf("{}").find("\"name\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"name":1})").find("expected a string, got an integer"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"name":"d","limit":-1})").find("limit"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"name":"d","name":"e"})").find("given twice"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"search":{"dataset":"d","k":1}})").find("no query vector provided"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"search":{"dataset":"d","vector":[1,"x"],"k":1}})").find("'vector'"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"search":{"dataset":"d","vector":[1e999],"k":1}})").find("invalid ticket format"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"search":{"dataset":"d","vector":[1],"k":1,"recall":2}})").find("recall"),
            std::string::npos);
}

TEST(Ticket, ReadsTextWithOrWithoutAVector) {
  const auto both =
      Search(R"({"search":{"dataset":"d","vector":[1],"k":1,"text_query":"+cats \"two dogs\"","alpha":-1,
              "fusion":"weighted","text_columns":["title"]}})")
          .request.text;
  EXPECT_EQ(both.query, "+cats \"two dogs\"");
  EXPECT_EQ(both.alpha, -1);
  EXPECT_EQ(both.fusion, "weighted");
  EXPECT_EQ(*both.columns, std::vector<std::string>{"title"});
  const auto parts = Search(R"({"search":{"dataset":"d","k":1,"text_query":{"must":["cats"],
              "should":[{"phrase":"two dogs","boost":2}],"must_not":[{"text":"birds"}]}}})")
                         .request.text;
  ASSERT_TRUE(parts.clauses.has_value());
  ASSERT_EQ(parts.clauses->clauses.size(), 3u);
  EXPECT_EQ(parts.clauses->clauses[0].occur, text::Occur::kMust);
  EXPECT_TRUE(parts.clauses->clauses[1].phrase);
  EXPECT_EQ(parts.clauses->clauses[1].boost, 2);
  EXPECT_EQ(parts.clauses->clauses[2].text, "birds");
  const auto sparse =
      Search(
          R"({"search":{"dataset":"d","k":1,"sparse_query":{"indices":[7,4294967294],"values":[0.5,-2]}}})")
          .request.text.weights;
  ASSERT_EQ(sparse.size(), 2u);
  EXPECT_EQ(sparse[1].term, 4294967294u);
  EXPECT_EQ(sparse[1].weight, -2);
}

TEST(Ticket, RefusesTextThatIsNoQuery) {
  for (const char* text :
       {R"("text_query":{})", R"("text_query":{"must":"cats"})", R"("text_query":{"must":[{"boost":2}]})",
        R"("text_query":{"must":[{"text":"a","boost":-1}]})", R"("text_query":[1])",
        R"("sparse_query":{"indices":[1],"values":[]})", R"("sparse_query":{"indices":[1,1],"values":[1,2]})",
        R"("sparse_query":{"indices":[4294967295],"values":[1]})"}) {
    ErrorOf(std::string(R"({"search":{"dataset":"d","vector":[1],"k":1,)") + text + "}}");
  }
}

TEST(Ticket, ATextMayStandForTheVector) {
  const auto call = Search(R"({"search":{"dataset":"d","k":1,"text_query":"cats","alpha":0.5}})");
  EXPECT_EQ(call.request.text.query, "cats");
  EXPECT_EQ(call.request.text.alpha, 0.5);
  EXPECT_NE(
      ErrorOf(R"({"search":{"dataset":"d","k":1,"text_query":"cats","alpha":1}})").find("no query vector"),
      std::string::npos);
}

TEST(Ticket, ReadsEveryFormOfASearch) {
  const auto request = [](const std::string& keys) {
    return Search(R"({"search":{"dataset":"d","vector":[1],)" + keys + "}}").request;
  };
  EXPECT_EQ(request(R"("id":7,"ids":["a",8])").queries.keys, (std::vector<std::string>{"7", "a", "8"}));
  EXPECT_EQ(request(R"("limit":5)").k, std::vector<int64_t>{5});
  EXPECT_FALSE(request(R"("limit":5)").offset);
  EXPECT_EQ(request(R"("limit":5,"offset":0)").offset, 0) << "the first page";
  EXPECT_FALSE(request(R"("k":5)").offset);
  EXPECT_EQ(request(R"("limit":5,"offset":10)").offset, 10);
  EXPECT_EQ(request(R"("k":12,"limit":5,"offset":10)").k, std::vector<int64_t>{2});
  EXPECT_EQ(request(R"("k":12,"offset":10)").k, std::vector<int64_t>{12});
  EXPECT_EQ(request(R"("radius":0.5)").k, std::vector<int64_t>{0});
  EXPECT_EQ(request(R"("radius":0.5,"k":3)").radius, 0.5);
  EXPECT_EQ(request(R"("k":1,"order_by":"year desc")").order_by, (query::OrderBy{"year", true}));
  EXPECT_EQ(request(R"("k":1,"order_by":"year")").order_by, (query::OrderBy{"year", false}));
  EXPECT_EQ(request(R"("k":1,"order_by":{"column":"a desc","descending":false})").order_by,
            (query::OrderBy{"a desc", false}));
  EXPECT_EQ(request(R"("k":1,"dims":256)").dims, 256u);
  EXPECT_EQ(request(R"("k":1,"explain":true)").explain, query::Explain::kPlan);
  EXPECT_EQ(request(R"("k":1,"explain":"analyze")").explain, query::Explain::kAnalyze);
  EXPECT_TRUE(request(R"("k":1,"allow_partial":true,"check_recall":true)").check_recall);
  EXPECT_NE(ErrorOf(R"({"search":{"dataset":"d","vector":[1],"k":1,"explain":"all"}})").find("analyze"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"search":{"dataset":"d","vector":[1],"k":5,"limit":5,"offset":5}})").find("offset"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"search":{"dataset":"d","vector":[1],"k":5,"order_by":{}}})").find("order_by"),
            std::string::npos);
}

TEST(Ticket, ScansMayBeCountedPagedAndOrdered) {
  const auto scan = Scan(R"({"name":"d","count":true,"offset":3,"limit":4,"order_by":"a desc"})");
  EXPECT_TRUE(scan.count);
  EXPECT_EQ(scan.offset, 3);
  EXPECT_EQ(scan.limit, 4);
  EXPECT_EQ(scan.order_by, (query::OrderBy{"a", true}));
  EXPECT_NE(ErrorOf(R"({"name":"d","offset":-1})").find("offset"), std::string::npos);
}

TEST(Ticket, LimitsDepthAndSize) {
  const auto nested = [](int levels) {
    return "{\"name\":\"d\",\"x\":" + std::string(static_cast<size_t>(levels), '[') +
           std::string(static_cast<size_t>(levels), ']') + "}";
  };
  EXPECT_EQ(Scan(nested(20)).dataset, "d");
  EXPECT_NE(ErrorOf(nested(40)).find("levels"), std::string::npos);
  EXPECT_NE(ErrorOf(nested(30000)).find("levels"), std::string::npos);
  const std::string most(kMaxTicketBytes - 64, ' '), more(kMaxTicketBytes, ' ');
  const std::string search = "{\"search\":{\"dataset\":\"d\",\"vector\":[1],\"k\":1";
  EXPECT_EQ(Scan("{\"name\":\"d\"" + most + "}").dataset, "d");
  EXPECT_EQ(Search(search + most + "}}").request.dataset, "d");
  EXPECT_NE(ErrorOf("{\"name\":\"d\"" + more + "}").find("bytes"), std::string::npos);
  EXPECT_NE(ErrorOf(search + more + "}}").find("bytes"), std::string::npos);
}

TEST(Filters, AnArrayMustHoldAltogether) {
  EXPECT_EQ(Filtered("[]"), "none");
  EXPECT_EQ(Filtered("{}"), "none");
  const auto scan = Scan(R"({"name":"d","filters":[{"field":"a","operator":"==","value":"100"},
                                                  {"field":"b","op":"gte","value":1.5}]})");
  ASSERT_TRUE(scan.filter);
  EXPECT_EQ(scan.filter->op, Operator::kAnd);
  EXPECT_EQ(scan.filter->children[0].values, std::vector<filter::Value>{std::string("100")});
  EXPECT_EQ(scan.filter->children[1].op, Operator::kGreaterEqual);
  EXPECT_EQ(scan.filter->children[1].values, std::vector<filter::Value>{1.5});
}

TEST(Filters, KeepTheKindOfEachValue) {
  const auto value = [](std::string_view json) {
    const auto scan = Scan(
        "{\"name\":\"d\",\"filters\":[{\"field\":\"a\",\"op\":\"=\",\"value\":" + std::string(json) + "}]}");
    return scan.filter ? scan.filter->values.at(0) : filter::Value();
  };
  EXPECT_EQ(value("true"), filter::Value(true));
  EXPECT_EQ(value("-5"), filter::Value(int64_t{-5}));
  EXPECT_EQ(value("18446744073709551615"), filter::Value(uint64_t{18446744073709551615u}));
  EXPECT_EQ(value("2e-3"), filter::Value(0.002));
  EXPECT_EQ(value("\"x\""), filter::Value(std::string("x")));
}

TEST(Filters, NestWithLogic) {
  const auto scan = Scan(R"({"name":"d","filters":[{"logic":"or","filters":[
      {"field":"a","op":"=","value":1},
      {"logic":"NOT","filters":[{"field":"b","op":"in","value":[1,2]},{"field":"c","op":"is_null"}]}]}]})");
  ASSERT_TRUE(scan.filter);
  EXPECT_EQ(scan.filter->op, Operator::kOr);
  ASSERT_EQ(scan.filter->children.size(), 2u);
  const auto& negated = scan.filter->children[1];
  EXPECT_EQ(negated.op, Operator::kNot);
  ASSERT_EQ(negated.children.size(), 1u);
  EXPECT_EQ(negated.children[0].op, Operator::kAnd);
  EXPECT_EQ(negated.children[0].children[0].values.size(), 2u);
}

TEST(Filters, TakeListsAsTextWithCommas) {
  const auto scan = Scan(R"({"name":"d","filters":[{"field":"a","op":"NOT IN","value":"x, y,z"}]})");
  ASSERT_TRUE(scan.filter);
  EXPECT_EQ(scan.filter->op, Operator::kNotIn);
  EXPECT_EQ(scan.filter->values,
            (std::vector<filter::Value>{std::string("x"), std::string("y"), std::string("z")}));
}

TEST(Filters, SayWhatIsWrong) {
  EXPECT_FALSE(FilterError(R"([{"field":"a","op":"resembles","value":1}])").empty());
  EXPECT_NE(FilterError(R"([{"field":"a","value":1}])").find("operator"), std::string::npos);
  EXPECT_NE(FilterError(R"([{"field":"a","op":"="}])").find("value"), std::string::npos);
  EXPECT_NE(FilterError(R"([{"field":"a","op":"=","value":[1]}])").find("value"), std::string::npos);
  EXPECT_NE(FilterError(R"([{"op":"=","value":1}])").find("field"), std::string::npos);
  EXPECT_NE(FilterError(R"([1])").find("objects"), std::string::npos);
  EXPECT_NE(FilterError(R"([{"field":"a","op":"=","value":1,"logic":"OR"}])").find("OR joins"),
            std::string::npos);
  EXPECT_NE(FilterError(R"([{"field":"a","op":"=","value":1,"logic":"XOR"}])").find("XOR"),
            std::string::npos);
  EXPECT_NE(FilterError(R"("a ~ 1")").find("position 3"), std::string::npos);
  EXPECT_NE(FilterError(R"(7)").find("array"), std::string::npos);
}

TEST(Filters, MayBeWrittenAsText) {
  EXPECT_EQ(Filtered(R"j("year >= 2024 and lang in ('en','de')")j"),
            "(year >= 2024 and lang in ('en', 'de'))");
  EXPECT_EQ(Filtered(R"(" ")"), "none");
  const auto both = Scan(R"({"name":"d","filter":"a = 1","filters":[{"field":"b","op":"exists"}]})");
  EXPECT_EQ(both.filter->ToString(), "(b is not null and a = 1)");
}

TEST(Filters, TakeRangesAndNegatedOperators) {
  EXPECT_EQ(Filtered(R"([{"field":"a","op":"between","value":[1,null]}])"), "a between 1 and null");
  EXPECT_EQ(Filtered(R"([{"field":"a","op":"range","value":{"gte":1,"lt":"x"}}])"), "(a >= 1 and a < 'x')");
  EXPECT_EQ(Filtered(R"([{"field":"a","op":"not like","value":"x%"}])"), "not (a like 'x%')");
  EXPECT_EQ(Filtered(R"([{"field":"a","op":"exists","value":false}])"), "a is null");
  EXPECT_EQ(Filtered(R"([{"field":"a","op":"is not null"}])"), "a is not null");
  EXPECT_EQ(Filtered(R"([{"field":"id","op":"in_list","value":"mine"}])"), "id in list 'mine'");
  EXPECT_NE(FilterError(R"([{"field":"a","op":"range","value":{"near":1}}])").find("near"),
            std::string::npos);
  EXPECT_NE(FilterError(R"([{"field":"a","op":"between","value":[1,2,3]}])").find("two"), std::string::npos);
  EXPECT_NE(FilterError(R"([{"field":"a","op":"between","value":[]}])").find("two"), std::string::npos);
}

TEST(Filters, TextAndJsonAreOneTree) {
  for (const char* text :
       {"a = 1", "(a = 1 and (b < 2.5 or not (c in ('x', 'it''s', true))))", "a between null and 3", "true",
        "(false or x is null)", "\"a b\" not in (18446744073709551615, -1.0, '')", "tags contains 'x'",
        "id in list 'mine'", "not (not (t like '%\\_%'))", "t starts with 'null'"}) {
    const auto tree = filter::ParseFilter(text);
    ASSERT_TRUE(tree.ok()) << text << ": " << tree.status();
    EXPECT_EQ(tree->ToString(), text);
    const auto scan = Scan("{\"name\":\"d\",\"filters\":" + WriteFilter(*tree) + "}");
    ASSERT_TRUE(scan.filter) << WriteFilter(*tree);
    EXPECT_EQ(*scan.filter, *tree) << text << " became " << scan.filter->ToString();
  }
}

TEST(Filters, AreLimitedInNumber) {
  std::string many = "[";
  for (int i = 0; i < filter::kMaxTerms + 1; ++i) {
    many += std::string(i == 0 ? "" : ",") + R"({"field":"a","op":"=","value":1})";
  }
  EXPECT_NE(FilterError(many + "]").find("1024"), std::string::npos);
}

TEST(Criteria, ChooseByNameAndRows) {
  const auto matches = [](std::string_view filters, std::string_view name, int64_t rows) {
    auto criteria = FlightCriteria::Read("{\"filters\":[" + std::string(filters) + "],\"limit\":3}");
    EXPECT_TRUE(criteria.ok()) << criteria.status();
    return criteria.ok() && criteria->Matches(name, rows);
  };
  EXPECT_TRUE(FlightCriteria::Read("")->Matches("any", 0));
  EXPECT_TRUE(matches(R"({"field":"name","op":"==","value":"a"})", "a", 0));
  EXPECT_FALSE(matches(R"({"field":"name","op":"==","value":"a"})", "ab", 0));
  EXPECT_TRUE(matches(R"({"field":"name","op":"contains","value":"b"})", "abc", 0));
  EXPECT_TRUE(matches(R"({"field":"rows","op":">","value":"5"})", "a", 6));
  EXPECT_FALSE(matches(R"({"field":"rows","op":">","value":5})", "a", 5));
  EXPECT_TRUE(matches(R"({"field":"color","op":"=","value":5})", "a", 5));
  EXPECT_NE(FlightCriteria::Read("{x").status().message().find("Invalid criteria: "), std::string::npos);
}

TEST(Ticket, SurvivesBrokenBytes) {
  const std::string good =
      R"({"name":"d","limit":7,"filters":[{"logic":"or","filters":[{"field":"a","op":"in","value":[1,"x",true]}]}],)"
      R"("search":{"dataset":"d","vector":[1,2,3],"k":5,"columns":["a"],"include_vectors":true,"ef":10}})";
  int refused = 0;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomBytes random(seed);
    auto ticket = ReadTicket(seed % 5 == 0 ? random.Noise(random.Below(100)) : random.Break(good));
    if (ticket.ok()) continue;
    ++refused;
    const ErrorCode code = CodeOf(ticket.status());
    ASSERT_TRUE(code == ErrorCode::kInvalidArgument || code == ErrorCode::kUnimplemented) << ticket.status();
  }
  EXPECT_GT(refused, 2000);
}

}  // namespace
}  // namespace longbow::protocol
