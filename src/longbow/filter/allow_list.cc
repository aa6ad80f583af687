#include "longbow/filter/allow_list.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/byte_size.h>

#include <utility>

namespace longbow::filter {

namespace {

Status CheckValues(std::string_view name, const arrow::Array& values) {
  if (!arrow::is_integer(values.type_id()) && !arrow::is_base_binary_like(values.type_id())) {
    return InvalidArgument("allow-list \"", name, "\": its values have type ", values.type()->ToString(),
                           "; give integers or text");
  }
  if (values.null_count() > 0) {
    return InvalidArgument("allow-list \"", name, "\" holds ", values.null_count(),
                           " nulls; a null matches nothing, leave them out");
  }
  return Status::OK();
}

// A copy, so that what the client sent it in is not held.
Result<std::shared_ptr<AllowList>> MakeList(std::string_view name, const arrow::ArrayVector& parts,
                                            MemoryLedger* ledger) {
  int64_t bytes = 0;
  for (const auto& part : parts) bytes += arrow::util::ReferencedBufferSize(*part).ValueOr(0);
  auto list = std::make_shared<AllowList>();
  LB_ASSIGN_OR_RETURN(list->memory, ledger->Reserve(MemoryUse::kCache, bytes));
  list->name = name;
  auto values = arrow::Concatenate(parts);
  if (!values.ok()) {
    return InvalidArgument("allow-list \"", name, "\": ", values.status().message(),
                           "; more than 2 GiB of text are given as large_utf8");
  }
  list->values = *std::move(values);
  return list;
}

}  // namespace

Status AllowLists::Put(std::string_view name, const std::shared_ptr<arrow::Array>& values) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return InvalidArgument("allow-list: its name has ", name.size(), " bytes; expected 1 to ", kMaxNameBytes);
  }
  LB_RETURN_NOT_OK(CheckValues(name, *values));
  LB_ASSIGN_OR_RETURN(auto list, MakeList(name, {values}, ledger_));
  std::lock_guard lock(mutex_);
  const auto found = lists_.find(name);
  if (found == lists_.end() && lists_.size() >= kMaxLists) {
    return Error(ErrorCode::kResourceExhausted, "there are ", lists_.size(),
                 " allow-lists already; drop some");
  }
  list->version = next_version_++;
  lists_.insert_or_assign(std::string(name), std::move(list));
  return Status::OK();
}

Status AllowLists::Append(std::string_view name, const std::shared_ptr<arrow::Array>& values) {
  LB_RETURN_NOT_OK(CheckValues(name, *values));
  for (;;) {
    std::shared_ptr<const AllowList> before;
    {
      std::lock_guard lock(mutex_);
      const auto found = lists_.find(name);
      if (found == lists_.end()) {
        return NotFound("allow-list not found: ", name.substr(0, kMaxNameBytes),
                        "; its first part is put without \"append\"");
      }
      before = found->second;
    }
    if (!before->values->type()->Equals(*values->type())) {
      return InvalidArgument("allow-list \"", name, "\" holds values of type ",
                             before->values->type()->ToString(), ", this part has ",
                             values->type()->ToString(), "; give all parts one type");
    }
    LB_ASSIGN_OR_RETURN(auto list, MakeList(name, {before->values, values}, ledger_));
    std::lock_guard lock(mutex_);
    const auto found = lists_.find(name);
    if (found == lists_.end() || found->second != before) continue;  // it changed while this was copied
    list->version = next_version_++;
    found->second = std::move(list);
    return Status::OK();
  }
}

Status AllowLists::Drop(std::string_view name) {
  std::lock_guard lock(mutex_);
  const auto found = lists_.find(name);
  if (found == lists_.end()) return NotFound("allow-list not found: ", name.substr(0, kMaxNameBytes));
  lists_.erase(found);
  return Status::OK();
}

Result<std::shared_ptr<const AllowList>> AllowLists::Find(std::string_view name) const {
  std::lock_guard lock(mutex_);
  const auto found = lists_.find(name);
  if (found != lists_.end()) return found->second;
  return InvalidArgument(
      "filter: no allow-list \"", name.substr(0, kMaxNameBytes),
      "\" here; upload it with the action put-allow-list (lists do not outlive the server)");
}

}  // namespace longbow::filter
