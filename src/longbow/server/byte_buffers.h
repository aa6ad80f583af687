// gRPC's byte buffers as BufferChains and back, without copying.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <string>

#include "longbow/base/buffer_chain.h"

namespace longbow::server {

// Shares the slices of `message`.
BufferChain ToChain(const grpc::ByteBuffer& message);
// Shares the pieces of `chain`, which live until the transport has taken them.
grpc::ByteBuffer ToByteBuffer(const BufferChain& chain);
grpc::ByteBuffer ToByteBuffer(std::string bytes);
// For small messages: the bytes in one piece.
std::string ToText(const BufferChain& message);

}  // namespace longbow::server
