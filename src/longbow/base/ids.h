// The numbers by which things are called.
#pragma once

#include <cstdint>
#include <limits>

namespace longbow {

// Position in the node's log of a mutation; what a row's birth and death are measured in. 0: before
// everything.
using Sequence = uint64_t;
inline constexpr Sequence kNever = std::numeric_limits<Sequence>::max();

// A row version inside a shard: assigned by apply, monotone, never reused within a shard generation.
using RowOrdinal = uint32_t;
inline constexpr RowOrdinal kNoRow = std::numeric_limits<RowOrdinal>::max();

// An incarnation of a dataset: never reused, so a name dropped and made again is another id. 0: none.
using DatasetId = uint64_t;
// On one node every dataset has one shard, and the shard's id is the dataset's.
using ShardId = uint64_t;
using SchemaVersion = uint32_t;

inline constexpr uint32_t kSlots = 4096;

}  // namespace longbow
