// Which columns a search for text looks into, and how they are analyzed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "longbow/base/status.h"
#include "longbow/engine/dataset_schema.h"
#include "longbow/text/analyzer.h"

namespace longbow::engine {

// What a text index is made of: the columns' texts of a row together, or the weights of one column. Equal
// ones share an index.
struct TextColumns {
  std::vector<std::string> names;                // in the schema's order
  const text::AnalyzerType* analyzer = nullptr;  // null: a column of weights
  bool operator==(const TextColumns&) const = default;
};

// Field metadata `longbow.text` names a string column's analyzer. InvalidArgument for an unknown one, or on a
// column without strings.
Status CheckTextMetadata(const arrow::Schema& schema);

// The columns asked for; without a list those with `longbow.text`, or every string column but the key where
// none has it. A column without `longbow.text` gets the default analyzer. InvalidArgument for a column that
// holds no strings, for columns of different analyzers, and where there are none.
Result<TextColumns> ChooseTextColumns(const DatasetSchema& schema,
                                      const std::optional<std::vector<std::string>>& names);

// The columns with `longbow.text` where these have one analyzer: what is indexed before anybody asks for it.
std::optional<TextColumns> DeclaredTextColumns(const DatasetSchema& schema);

// A column of sparse vectors: map<uint32, float32>. Without a name the only one. InvalidArgument otherwise.
Result<TextColumns> ChooseWeightColumn(const DatasetSchema& schema, const std::string& name);

}  // namespace longbow::engine
