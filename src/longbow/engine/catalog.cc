#include "longbow/engine/catalog.h"

namespace longbow::engine {
namespace {

std::string NamespaceOf(const Dataset& dataset) {
  return DatasetName::Parse(dataset.name()).ValueOr(DatasetName{"default", ""}).name_space;
}

}  // namespace

std::shared_ptr<Dataset> Catalog::Writable(const std::string& name) const {
  const auto found = writable_.find(name);
  return found == writable_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Dataset>> Catalog::WritableIn(const std::string& name_space) const {
  std::vector<std::shared_ptr<Dataset>> out;
  for (const auto& [name, dataset] : writable_) {
    if (NamespaceOf(*dataset) == name_space) out.push_back(dataset);
  }
  return out;
}

std::vector<std::shared_ptr<Dataset>> Catalog::WritableAll() const {
  std::vector<std::shared_ptr<Dataset>> out;
  for (const auto& [name, dataset] : writable_) out.push_back(dataset);
  return out;
}

CatalogState Catalog::AppendedState() const {
  CatalogState state;
  state.next_id = next_id_;
  state.namespaces.assign(appended_namespaces_.begin(), appended_namespaces_.end());
  return state;
}

void Catalog::AddWritable(const std::shared_ptr<Dataset>& dataset) {
  writable_[dataset->name()] = dataset;
  appended_namespaces_.insert(NamespaceOf(*dataset));
}

void Catalog::RemoveWritable(const Dataset& dataset) {
  const auto found = writable_.find(dataset.name());
  if (found != writable_.end() && found->second.get() == &dataset) writable_.erase(found);
}

std::shared_ptr<Dataset> Catalog::Visible(const std::string& name) const {
  std::shared_lock lock(visible_mutex_);
  const auto found = visible_.find(name);
  return found == visible_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Dataset>> Catalog::VisibleAll() const {
  std::shared_lock lock(visible_mutex_);
  std::vector<std::shared_ptr<Dataset>> out;
  for (const auto& [name, dataset] : visible_) out.push_back(dataset);
  return out;
}

void Catalog::Show(const std::shared_ptr<Dataset>& dataset) {
  std::unique_lock lock(visible_mutex_);
  visible_[dataset->name()] = dataset;
  namespaces_.insert(NamespaceOf(*dataset));
}

// A dataset dropped and made again may have taken the name over already.
void Catalog::Hide(const Dataset& dataset) {
  std::shared_ptr<Dataset> hidden;  // let go of outside the lock
  std::unique_lock lock(visible_mutex_);
  const auto found = visible_.find(dataset.name());
  if (found == visible_.end() || found->second.get() != &dataset) return;
  hidden = std::move(found->second);
  visible_.erase(found);
  lock.unlock();
}

void Catalog::ShowNamespace(const std::string& name) {
  std::unique_lock lock(visible_mutex_);
  namespaces_.insert(name);
}

void Catalog::HideNamespace(const std::string& name) {
  std::unique_lock lock(visible_mutex_);
  namespaces_.erase(name);
}

std::vector<std::string> Catalog::Namespaces() const {
  std::shared_lock lock(visible_mutex_);
  return {namespaces_.begin(), namespaces_.end()};
}

std::vector<std::shared_ptr<Dataset>> Catalog::All() const {
  std::set<std::shared_ptr<Dataset>> all;
  {
    std::lock_guard lock(append_mutex_);
    for (const auto& [name, dataset] : writable_) all.insert(dataset);
  }
  for (auto& dataset : VisibleAll()) all.insert(std::move(dataset));
  return {all.begin(), all.end()};
}

Status CheckNamespaceName(std::string_view name) {
  if (name.find('/') == std::string_view::npos && DatasetName::Parse(std::string(name) + "/x").ok()) {
    return Status::OK();
  }
  return InvalidArgument(
      "namespace name '", name.substr(0, 160),
      "': expected a letter or digit followed by at most 127 letters, digits, '.', '_' or '-'");
}

}  // namespace longbow::engine
