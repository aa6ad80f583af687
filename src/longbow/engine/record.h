// What the engine writes into the log: the payload of each record kind (docs/formats/record.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "longbow/base/buffer_chain.h"
#include "longbow/base/ids.h"
#include "longbow/base/status.h"
#include "longbow/engine/batch_codec.h"
#include "longbow/engine/dataset_schema.h"
#include "longbow/engine/edge_store.h"
#include "longbow/engine/engine.h"
#include "longbow/engine/key.h"

namespace longbow::engine {

enum class RecordKind : storage::RecordKind {
  kCreateNamespace = 1,
  kDropNamespace = 2,
  kCreateDataset = 3,
  kEvolveSchema = 4,
  kDropDataset = 5,
  kPut = 6,
  kDelete = 7,
  kAddEdges = 8,
};

struct CreateNamespaceRecord {
  std::string name;
};
struct DropNamespaceRecord {
  std::string name;
  std::vector<DatasetId> datasets;
};
struct CreateDatasetRecord {
  DatasetId id = 0;
  std::string name;
  IpcMessage schema;
};
struct EvolveSchemaRecord {
  IpcMessage schema;
};
struct DropDatasetRecord {};
struct PutRecord {
  RetryKey retry;
  bool hidden_keys = false;
  uint64_t first_hidden_key = 0;
  int64_t rows = 0;
  IpcMessage schema, batch;
};
struct DeleteRecord {
  KeyKind kind = KeyKind::kHidden;
  std::vector<Key> keys;
};

struct AddEdgesRecord {
  KeyKind kind = KeyKind::kHidden;
  std::vector<Edge> edges;
};

inline constexpr size_t kMaxRetryName = 255;  // bytes of a client's or stream's name

BufferChain Encode(const CreateNamespaceRecord& record);
BufferChain Encode(const DropNamespaceRecord& record);
BufferChain Encode(const CreateDatasetRecord& record);
BufferChain Encode(const EvolveSchemaRecord& record);
BufferChain Encode(const DropDatasetRecord& record);
// Shares the messages' buffers.
BufferChain Encode(const PutRecord& record);
BufferChain Encode(const DeleteRecord& record);
BufferChain Encode(const AddEdgesRecord& record);

// Corruption when the payload does not hold such a record, FailedPrecondition when a newer version wrote it.
Status Decode(const BufferChain& payload, CreateNamespaceRecord* record);
Status Decode(const BufferChain& payload, DropNamespaceRecord* record);
Status Decode(const BufferChain& payload, CreateDatasetRecord* record);
Status Decode(const BufferChain& payload, EvolveSchemaRecord* record);
Status Decode(const BufferChain& payload, DropDatasetRecord* record);
Status Decode(const BufferChain& payload, PutRecord* record);
Status Decode(const BufferChain& payload, DeleteRecord* record);
Status Decode(const BufferChain& payload, AddEdgesRecord* record);

}  // namespace longbow::engine
