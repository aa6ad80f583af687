#include "ann/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "ann/exact.h"

namespace longbow::bench {
namespace {

struct NpyHeader {
  std::string type;  // "<f4"
  size_t rows = 0, columns = 1;
};

NpyHeader ReadNpyHeader(std::ifstream& in, const std::string& path) {
  unsigned char start[10];
  if (!in.read(reinterpret_cast<char*>(start), sizeof(start))) Fail("cannot read " + path);
  std::string text(start[8] | static_cast<size_t>(start[9]) << 8, ' ');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  NpyHeader header;
  const size_t type = text.find("'descr': '"), shape = text.find("'shape': (");
  if (!in || type == std::string::npos || shape == std::string::npos ||
      text.find("True") != std::string::npos)
    Fail(path + " is no C-ordered .npy file");
  header.type = text.substr(type + 10, text.find('\'', type + 10) - type - 10);
  if (std::sscanf(text.c_str() + shape + 10, "%zu, %zu", &header.rows, &header.columns) < 1)
    Fail(path + " has no shape");
  return header;
}

template <typename Stored, typename Value>
void ReadValues(std::ifstream& in, const std::string& path, std::vector<Value>* values) {
  std::vector<Stored> stored(std::min<size_t>(values->size(), size_t{1} << 20));
  for (size_t at = 0; at < values->size(); at += stored.size()) {
    const size_t count = std::min(stored.size(), values->size() - at);
    if (!in.read(reinterpret_cast<char*>(stored.data()),
                 static_cast<std::streamsize>(count * sizeof(Stored))))
      Fail(path + " is too short");
    std::transform(stored.begin(), stored.begin() + static_cast<std::ptrdiff_t>(count),
                   values->begin() + static_cast<std::ptrdiff_t>(at),
                   [](Stored value) { return static_cast<Value>(value); });
  }
}

Matrix ReadNpy(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const NpyHeader header = ReadNpyHeader(in, path);
  Matrix matrix{header.rows, header.columns, std::vector<float>(header.rows * header.columns)};
  if (header.type == "<f4")
    ReadValues<float>(in, path, &matrix.values);
  else if (header.type == "|u1")
    ReadValues<uint8_t>(in, path, &matrix.values);
  else
    Fail(path + " holds " + header.type + "; expected <f4 or |u1");
  return matrix;
}

std::vector<uint32_t> ReadNpyIds(const std::string& path, size_t* columns) {
  std::ifstream in(path, std::ios::binary);
  const NpyHeader header = ReadNpyHeader(in, path);
  std::vector<uint32_t> ids(header.rows * header.columns);
  if (header.type != "<i4") Fail(path + " holds " + header.type + "; expected <i4");
  ReadValues<int32_t>(in, path, &ids);
  *columns = header.columns;
  return ids;
}

Matrix ReadFvecs(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Matrix matrix;
  for (int32_t dim; in.read(reinterpret_cast<char*>(&dim), sizeof(dim)); ++matrix.rows) {
    if (matrix.rows == 0) matrix.dim = static_cast<size_t>(dim);
    if (dim <= 0 || static_cast<size_t>(dim) != matrix.dim) Fail(path + " has rows of several lengths");
    matrix.values.resize((matrix.rows + 1) * matrix.dim);
    in.read(reinterpret_cast<char*>(matrix.values.data() + matrix.rows * matrix.dim), dim * 4);
  }
  return matrix;
}

// Empty when there is no such file.
Matrix ReadMatrix(const std::string& stem) {
  if (std::filesystem::exists(stem + ".npy")) return ReadNpy(stem + ".npy");
  if (std::filesystem::exists(stem + ".fvecs")) return ReadFvecs(stem + ".fvecs");
  return {};
}

distance::Metric ReadMetric(const std::string& directory) {
  std::ifstream in(directory + "/meta.json");
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const size_t key = text.find("\"metric\"");
  if (key == std::string::npos) return distance::Metric::kL2;
  const size_t begin = text.find('"', key + 8) + 1;
  const auto metric = distance::MetricFromName(text.substr(begin, text.find('"', begin) - begin));
  if (!metric.has_value()) Fail(directory + "/meta.json names no metric that is known");
  return *metric;
}

void ToUnitLength(Matrix* matrix) {
  for (size_t i = 0; i < matrix->rows; ++i) {
    float* row = matrix->values.data() + i * matrix->dim;
    double square = 0;
    for (size_t j = 0; j < matrix->dim; ++j) square += double{row[j]} * row[j];
    if (square == 0) Fail("a vector of length zero has no cosine");
    for (size_t j = 0; j < matrix->dim; ++j) row[j] = static_cast<float>(row[j] / std::sqrt(square));
  }
}

void Shorten(Matrix* matrix, size_t rows) {
  matrix->rows = rows;
  matrix->values.resize(rows * matrix->dim);
}

void Find(Dataset* data, const std::string& keep_at) {
  ExactSearch exact(data->metric, data->base);
  data->neighbors.clear();
  for (const auto& found : exact.NearestOfMany(data->queries, Dataset::kTruth)) {
    data->neighbors.insert(data->neighbors.end(), found.begin(), found.end());
    data->neighbors.resize((data->neighbors.size() + Dataset::kTruth - 1) / Dataset::kTruth * Dataset::kTruth,
                           kNoRow);
  }
  if (keep_at.empty()) return;
  const std::vector<int32_t> ids(data->neighbors.begin(), data->neighbors.end());
  WriteNpy(keep_at, ids, Dataset::kTruth);
}

std::string NpyText(const char* type, size_t rows, size_t columns) {
  std::string text = std::string("{'descr': '") + type + "', 'fortran_order': False, 'shape': (" +
                     std::to_string(rows) + "," + (columns == 0 ? "" : " " + std::to_string(columns)) +
                     "), }";
  text.resize((10 + text.size()) / 64 * 64 + 64 - 10 - 1, ' ');
  return text + '\n';
}

void WriteFile(const std::string& path, const std::string& header, const void* data, size_t bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write("\x93NUMPY\x01\x00", 8);
  out.put(static_cast<char>(header.size() & 0xff)).put(static_cast<char>(header.size() >> 8));
  out << header;
  out.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  if (!out.flush()) Fail("cannot write " + path);
}

}  // namespace

Dataset LoadDataset(const std::string& directory, size_t rows) {
  Dataset data;
  data.name = std::filesystem::path(directory).lexically_normal().filename().string();
  data.metric = ReadMetric(directory);
  data.base = ReadMatrix(directory + "/base");
  data.queries = ReadMatrix(directory + "/queries");
  data.extra = ReadMatrix(directory + "/extra");
  if (data.base.rows == 0 || data.queries.rows == 0) Fail(directory + " has no base or no queries");
  if (data.base.dim != data.queries.dim) Fail(directory + ": rows and queries differ in dimension");
  if (data.metric == distance::Metric::kCosine) {
    for (Matrix* matrix : {&data.base, &data.queries, &data.extra}) ToUnitLength(matrix);
  }
  size_t columns = 0;
  const std::string clusters = directory + "/cluster.npy", truth = directory + "/gt_ids.npy";
  if (std::filesystem::exists(clusters)) data.cluster = ReadNpyIds(clusters, &columns);
  if (rows != 0 && rows < data.base.rows) {
    Shorten(&data.base, rows);
    if (!data.cluster.empty()) data.cluster.resize(rows);
    Find(&data, "");
  } else if (std::filesystem::exists(truth)) {
    data.neighbors = ReadNpyIds(truth, &columns);
    if (columns != Dataset::kTruth || data.neighbors.size() != columns * data.queries.rows)
      Fail(truth + " should have " + std::to_string(Dataset::kTruth) + " neighbours of each query");
  } else {
    Find(&data, truth);
  }
  return data;
}

void WriteNpy(const std::string& path, const Matrix& matrix) {
  WriteFile(path, NpyText("<f4", matrix.rows, matrix.dim), matrix.values.data(), matrix.bytes());
}

void WriteNpy(const std::string& path, std::span<const int32_t> values, size_t columns) {
  WriteFile(
      path,
      columns == 1 ? NpyText("<i4", values.size(), 0) : NpyText("<i4", values.size() / columns, columns),
      values.data(), values.size_bytes());
}

void Fail(const std::string& problem) {
  std::fprintf(stderr, "ann_bench: %s\n", problem.c_str());
  std::exit(2);
}

}  // namespace longbow::bench
