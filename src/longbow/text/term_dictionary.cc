#include "longbow/text/term_dictionary.h"

#include <cstring>
#include <mutex>

#include "longbow/base/check.h"

namespace longbow::text {

TermDictionary::~TermDictionary() {
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kIndex, -charged_);
}

TermId TermDictionary::Find(std::string_view term) const {
  std::shared_lock lock(mutex_);
  const auto found = terms_.find(term);
  return found == terms_.end() ? kNoTerm : found->second;
}

// Only this thread writes, so it reads without the lock.
TermId TermDictionary::FindOrAdd(std::string_view term) {
  const auto found = terms_.find(term);
  if (found != terms_.end()) return found->second;
  std::unique_lock lock(mutex_);
  LB_CHECK(terms_.size() < kNoTerm);
  const auto id = static_cast<TermId>(terms_.size());
  terms_.emplace(Keep(term), id);
  return id;
}

std::string_view TermDictionary::Keep(std::string_view term) {
  constexpr int64_t kEntryBytes = 40;  // of the table, at its mean load
  int64_t bytes = kEntryBytes;
  if (term.size() > left_) {
    left_ = std::max(kChunkBytes, term.size());
    chunks_.push_back(std::make_unique<char[]>(left_));
    bytes += static_cast<int64_t>(left_);
  }
  char* to = chunks_.back().get() + (std::max(kChunkBytes, left_) - left_);
  std::memcpy(to, term.data(), term.size());
  left_ -= term.size();
  charged_ += bytes;
  if (ledger_ != nullptr) ledger_->Charge(MemoryUse::kIndex, bytes);
  return {to, term.size()};
}

size_t TermDictionary::size() const {
  std::shared_lock lock(mutex_);
  return terms_.size();
}

int64_t TermDictionary::memory_bytes() const {
  std::shared_lock lock(mutex_);
  return charged_;
}

}  // namespace longbow::text
