// What a search asks of text, as clients write it in JSON. Internal to protocol/.
#pragma once

#include "longbow/base/status.h"
#include "longbow/protocol/json_document.h"
#include "longbow/query/text_request.h"

namespace longbow::protocol {

// Keys: text_query, a text, or in parts {"must": [..], "should": [..], "must_not": [..]} of texts and
// {"text" or "phrase": .., "boost": ..}; text_columns; alpha; fusion; sparse_query {"indices": [..],
// "values": [..]}; sparse_column.
Status ReadText(const JsonObject& object, query::TextRequest* text);

}  // namespace longbow::protocol
