// What TLS needs, from the files that settings name.
#pragma once

#include "longbow/base/status.h"
#include "longbow/server/flight_server.h"
#include "settings.h"

namespace longbow {

// Empty without tls_cert. FailedPrecondition that names the setting and the file when it cannot be read or
// holds no PEM.
Result<server::TlsOptions> ReadTlsFiles(const Settings& settings);

}  // namespace longbow
