#include "longbow/server/write_window.h"

#include "longbow/base/buffer_chain.h"

namespace longbow::server {

void WriteWindow::Write(engine::DatasetWriter* writer, engine::IncomingBatch batch,
                        const engine::IpcMessage& message, engine::RetryKey retry, engine::WriteDone done) {
  const int64_t bytes = message.body.size() + (message.metadata ? message.metadata->size() : 0);
  auto reservation = ledger_->Reserve(MemoryUse::kNetwork, bytes);
  if (!reservation.ok()) return done(reservation.status());
  {
    std::lock_guard lock(mutex_);
    ++messages_under_way_;
    bytes_under_way_ += bytes;
  }
  writer->Write(std::move(batch), message, std::move(retry), *std::move(reservation),
                [self = shared_from_this(), bytes, done = std::move(done)](Result<engine::WriteAck> ack) {
                  done(std::move(ack));
                  self->Finished(bytes);
                });
}

bool WriteWindow::HasRoom() const {
  if (messages_under_way_ == 0) return true;
  if (ledger_->above_soft_limit()) return false;
  return messages_under_way_ < kLeastMessages || bytes_under_way_ < bytes_;
}

void WriteWindow::Finished(int64_t bytes) {
  std::function<void()> room, drained;
  {
    std::lock_guard lock(mutex_);
    --messages_under_way_;
    bytes_under_way_ -= bytes;
    if (HasRoom()) room.swap(when_room_);
    if (messages_under_way_ == 0) drained.swap(when_drained_);
  }
  if (room) room();
  if (drained) drained();
}

void WriteWindow::WhenRoom(std::function<void()> go) {
  {
    std::lock_guard lock(mutex_);
    if (!HasRoom()) {
      when_room_ = std::move(go);
      return;
    }
  }
  go();
}

void WriteWindow::WhenDrained(std::function<void()> go) {
  {
    std::lock_guard lock(mutex_);
    if (messages_under_way_ > 0) {
      when_drained_ = std::move(go);
      return;
    }
  }
  go();
}

}  // namespace longbow::server
