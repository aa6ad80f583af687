#include "longbow/server/write_window.h"

#include <arrow/buffer.h>
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

namespace longbow::server {
namespace {

constexpr int64_t kMessageBytes = 1000;

// Keeps what it is to write until it is told to be done with the oldest.
class SlowWriter final : public engine::DatasetWriter {
 public:
  void WhenReady(engine::Done done) override { done(Status::OK()); }
  void Write(engine::IncomingBatch, const engine::IpcMessage&, engine::RetryKey,
             MemoryReservation reservation, engine::WriteDone done) override {
    written_.push_back({std::move(reservation), std::move(done)});
  }
  const std::string& dataset() const override { return name_; }
  storage::Durability durability() const override { return storage::Durability::kFsync; }

  size_t writing() const { return written_.size(); }
  void FinishOldest() {
    Written oldest = std::move(written_.front());
    written_.pop_front();
    oldest.reservation = {};
    oldest.done(engine::WriteAck{});
  }

 private:
  struct Written {
    MemoryReservation reservation;
    engine::WriteDone done;
  };
  const std::string name_ = "d";
  std::deque<Written> written_;
};

// A stream that sends whenever there is room, `left` messages in all.
struct Sender {
  void Go() {
    if (left-- == 0) return;
    engine::IpcMessage message;
    message.body = BufferChain::FromString(std::string(kMessageBytes, 'x'));
    window->Write(writer, {}, message, {},
                  [this](Result<engine::WriteAck> ack) { (ack.ok() ? acknowledged : refused) += 1; });
    window->WhenRoom([this] { Go(); });
  }

  std::shared_ptr<WriteWindow> window;
  SlowWriter* writer;
  int left = 0, acknowledged = 0, refused = 0;
};

TEST(WriteWindow, ReadsAheadUpToItsBytes) {
  MemoryLedger ledger(0, 0);
  SlowWriter writer;
  Sender sender{std::make_shared<WriteWindow>(&ledger, 5 * kMessageBytes), &writer, 20};
  sender.Go();
  EXPECT_EQ(writer.writing(), 5u);
  writer.FinishOldest();
  EXPECT_EQ(writer.writing(), 5u);
  EXPECT_EQ(sender.acknowledged, 1);
}

TEST(WriteWindow, AFewMessagesGoOnWhateverTheirSize) {
  MemoryLedger ledger(0, 0);
  SlowWriter writer;
  Sender sender{std::make_shared<WriteWindow>(&ledger, 1), &writer, 20};
  sender.Go();
  EXPECT_EQ(writer.writing(), 3u);
}

TEST(WriteWindow, AboveTheSoftLimitOneMessageAtATimeGoesOn) {
  MemoryLedger ledger(100 * kMessageBytes, 200 * kMessageBytes);
  auto others = ledger.Reserve(MemoryUse::kRows, 110 * kMessageBytes);
  ASSERT_TRUE(others.ok());
  SlowWriter writer;
  Sender sender{std::make_shared<WriteWindow>(&ledger, 5 * kMessageBytes), &writer, 20};
  sender.Go();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(writer.writing(), 1u) << "slowed, and never standing still";
    writer.FinishOldest();
  }
  *others = {};
  writer.FinishOldest();
  EXPECT_EQ(writer.writing(), 5u) << "below it there is reading ahead again";
}

TEST(WriteWindow, BeyondTheHardLimitAMessageIsRefusedAndTheStreamDrains) {
  MemoryLedger ledger(0, kMessageBytes / 2);
  SlowWriter writer;
  Sender sender{std::make_shared<WriteWindow>(&ledger, 5 * kMessageBytes), &writer, 2};
  sender.Go();
  EXPECT_EQ(sender.refused, 2);
  bool drained = false;
  sender.window->WhenDrained([&] { drained = true; });
  EXPECT_TRUE(drained);
}

}  // namespace
}  // namespace longbow::server
