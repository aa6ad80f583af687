// Allow-lists: uploaded once, used by many filters.
#include <arrow/array.h>

#include <utility>

#include "longbow/protocol/actions.h"
#include "longbow/protocol/allow_list_body.h"
#include "longbow/server/action_list.h"

namespace longbow::server {
namespace {

constexpr double kNanosPerByte = 1;  // read, checked and copied; JSON takes longer

Result<std::string> Put(const ActionCall& action) {
  LB_ASSIGN_OR_RETURN(const auto body, protocol::ReadAllowLists(action.body()));
  auto& lists = action.query().allow_lists();
  int64_t values = 0;
  for (const auto& list : body.lists) {
    LB_RETURN_NOT_OK(body.append ? lists.Append(list.name, list.values) : lists.Put(list.name, list.values));
    values += list.values->length();
  }
  return protocol::CountJson(values);
}

Result<std::string> Drop(const ActionCall& action) {
  LB_ASSIGN_OR_RETURN(const auto name, protocol::ReadAllowListName(action.body()));
  LB_RETURN_NOT_OK(action.query().allow_lists().Drop(name));
  return protocol::StatusJson("dropped");
}

}  // namespace

void PutAllowList(const ActionCall& action) {
  const auto nanos = kNanosPerByte * static_cast<double>(action.body().size());
  action.RunSearch(nanos, [action] { action.FinishOne(Put(action)); });
}
void DropAllowList(const ActionCall& action) { action.FinishOne(Drop(action)); }

}  // namespace longbow::server
