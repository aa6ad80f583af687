// Names: which dataset a name means to writers and to readers, and which namespaces there are.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "longbow/engine/dataset.h"

namespace longbow::engine {

// Two pictures: as appended, which decides what may be logged next, and as applied, which readers see.
// Thread-safe; callers that change the appended picture hold `append_lock` around decision and append.
class Catalog {
 public:
  using Lock = std::unique_lock<std::mutex>;
  [[nodiscard]] Lock append_lock() { return Lock(append_mutex_); }

  // ---- as appended; under append_lock ----
  std::shared_ptr<Dataset> Writable(const std::string& name) const;
  std::vector<std::shared_ptr<Dataset>> WritableIn(const std::string& name_space) const;
  std::vector<std::shared_ptr<Dataset>> WritableAll() const;  // by name
  CatalogState AppendedState() const;                         // without datasets and retries
  bool HasNamespaceAppended(const std::string& name) const { return appended_namespaces_.contains(name); }
  DatasetId NextId() { return next_id_++; }
  void AddWritable(const std::shared_ptr<Dataset>& dataset);  // and its namespace
  void RemoveWritable(const Dataset& dataset);
  void AddNamespaceAppended(const std::string& name) { appended_namespaces_.insert(name); }
  void RemoveNamespaceAppended(const std::string& name) { appended_namespaces_.erase(name); }
  void SkipId(DatasetId id) { next_id_ = std::max(next_id_, id + 1); }

  // ---- as applied ----
  std::shared_ptr<Dataset> Visible(const std::string& name) const;
  std::vector<std::shared_ptr<Dataset>> VisibleAll() const;  // by name
  void Show(const std::shared_ptr<Dataset>& dataset);        // and its namespace
  void Hide(const Dataset& dataset);
  void ShowNamespace(const std::string& name);
  void HideNamespace(const std::string& name);
  std::vector<std::string> Namespaces() const;

  // Every dataset of either picture.
  std::vector<std::shared_ptr<Dataset>> All() const;

 private:
  using Names = std::map<std::string, std::shared_ptr<Dataset>>;

  mutable std::mutex append_mutex_;
  Names writable_;                                        // guarded by append_mutex_
  std::set<std::string> appended_namespaces_{"default"};  // guarded by append_mutex_
  DatasetId next_id_ = 1;                                 // guarded by append_mutex_

  mutable std::shared_mutex visible_mutex_;
  Names visible_;                                // guarded by visible_mutex_
  std::set<std::string> namespaces_{"default"};  // guarded by visible_mutex_
};

// InvalidArgument for what cannot be a namespace.
Status CheckNamespaceName(std::string_view name);

}  // namespace longbow::engine
