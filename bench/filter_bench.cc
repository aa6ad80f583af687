// Millions of values a second that filters look at, one core: rows x columns compared / time, over immutable
// blocks as the engine keeps them, with 4 payload columns.
//
//   filter_bench [--rows 100000] [--rounds 21]
#include <arrow/api.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "longbow/filter/filter.h"

namespace longbow::filter {
namespace {

constexpr int64_t kBlockRows = 65536;

std::shared_ptr<arrow::RecordBatch> Payload(int64_t rows) {
  std::mt19937_64 random(1);
  arrow::Int64Builder year;
  arrow::StringBuilder lang;
  arrow::DoubleBuilder price;
  arrow::BooleanBuilder stocked;
  const char* const langs[] = {"en", "de", "fr", "es", "pt-BR", "zh"};
  for (int64_t i = 0; i < rows; ++i) {
    (void)year.Append(1990 + static_cast<int64_t>(random() % 35));
    (void)lang.Append(langs[random() % std::size(langs)]);
    (void)price.Append(static_cast<double>(random() % 10000) / 100);
    (void)stocked.Append(random() % 2 == 0);
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("year", arrow::int64()), arrow::field("lang", arrow::utf8()),
                     arrow::field("price", arrow::float64()), arrow::field("stocked", arrow::boolean())}),
      rows,
      {year.Finish().ValueOrDie(), lang.Finish().ValueOrDie(), price.Finish().ValueOrDie(),
       stocked.Finish().ValueOrDie()});
}

double Micros(const BoundFilter& filter, const arrow::RecordBatch& rows, int rounds, int64_t* selected) {
  std::vector<double> micros;
  std::vector<std::shared_ptr<arrow::RecordBatch>> blocks;
  for (int64_t at = 0; at < rows.num_rows(); at += kBlockRows) blocks.push_back(rows.Slice(at, kBlockRows));
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    RowSelection selection(static_cast<RowOrdinal>(rows.num_rows()));
    for (size_t i = 0; i < blocks.size(); ++i) {
      const auto status = filter.Select(*blocks[i], static_cast<RowOrdinal>(i * kBlockRows), &selection);
      if (!status.ok()) std::abort();
    }
    *selected = selection.Count();
    micros.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::nth_element(micros.begin(), micros.begin() + rounds / 2, micros.end());
  return micros[static_cast<size_t>(rounds / 2)];
}

int Run(int argc, char** argv) {
  int64_t rows = 100000;
  int rounds = 21;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--rows") rows = std::atoll(argv[i + 1]);
    if (std::string_view(argv[i]) == "--rounds") rounds = std::atoi(argv[i + 1]);
  }
  struct Case {
    const char* text;
    int terms;
  };
  const Case cases[] = {{"year >= 2015", 1},
                        {"year >= 2015 and price < 20", 2},
                        {"year between 2000 and 2010 or price > 99.5", 2},
                        {"year >= 2015 and stocked = true", 2},
                        {"lang = 'de'", 1},
                        {"year >= 2015 and lang = 'de'", 2},
                        {"year >= 2015 and lang in ('en', 'de')", 2},
                        {"year in (1999, 2005, 2011) and price < 50", 2},
                        {"lang like 'p%' and year < 2000", 2},
                        {"lang contains 't-' and year < 2000", 2}};
  const auto payload = Payload(rows);
  std::printf("%lld rows, 4 payload columns, median of %d rounds\n%-46s %8s %8s %10s\n",
              static_cast<long long>(rows), rounds, "filter", "rows", "us", "M values/s");
  for (const Case& one : cases) {
    const auto tree = ParseFilter(one.text).ValueOrDie();
    const auto bound = BoundFilter::Bind(tree, *payload->schema()).ValueOrDie();
    int64_t selected = 0;
    const double micros = Micros(*bound, *payload, rounds, &selected);
    std::printf("%-46s %8lld %8.0f %10.0f\n", one.text, static_cast<long long>(selected), micros,
                static_cast<double>(rows) * one.terms / micros);
  }
  return 0;
}

}  // namespace
}  // namespace longbow::filter

int main(int argc, char** argv) { return longbow::filter::Run(argc, argv); }
