// A copy for bytes that will not be read soon.
#pragma once

#include <cstddef>

namespace longbow {

// As memcpy, but what is written goes to memory past the caches where the processor can do that: it is not
// read first, and what others have in the caches stays there. Pays from some hundred KiB on.
void CopyPastCaches(void* to, const void* from, size_t bytes);

}  // namespace longbow
