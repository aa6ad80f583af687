// Bodies of actions, and the frames of acknowledged puts, which are JSON too. The first byte says which
// reader gets the rest.
#include <cstdint>
#include <iterator>
#include <string_view>

#include "longbow/protocol/actions.h"
#include "longbow/protocol/flight_messages.h"
#include "longbow/protocol/graph_actions.h"
#include "longbow/protocol/put_frames.h"

using namespace longbow::protocol;

namespace {

using Reader = void (*)(std::string_view bytes);
constexpr Reader kReaders[] = {
    [](std::string_view b) { (void)ReadVectorSearch(b); },
    [](std::string_view b) { (void)ReadVectorSearchByKey(b); },
    [](std::string_view b) { (void)ReadHybridSearch(b); },
    [](std::string_view b) { (void)ReadDelete(b); },
    [](std::string_view b) { (void)ReadRowNumber(b); },
    [](std::string_view b) { (void)ReadPutStatus(b); },
    [](std::string_view b) { (void)ReadSubject(b); },
    [](std::string_view b) { (void)ReadAddEdges(b); },
    [](std::string_view b) { (void)ReadTraversal(b); },
    [](std::string_view b) { (void)ParseAction(b); },
    [](std::string_view b) { (void)SelectsAcknowledgedMode(b); },
    [](std::string_view b) { (void)ReadPutFrame(b); },
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  kReaders[data[0] % std::size(kReaders)]({reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
