#include "tls_files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

namespace longbow {
namespace {

Status ReadPem(const char* setting, const std::string& path, std::string* pem) {
  if (path.empty()) return Status::OK();
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return MakeError(ErrorCode::kFailedPrecondition,
                     std::string(setting) + ": cannot read " + path + ": " + std::strerror(errno));
  }
  pem->assign(std::istreambuf_iterator<char>(file), {});
  if (pem->find("-----BEGIN ") != std::string::npos) return Status::OK();
  return MakeError(ErrorCode::kFailedPrecondition,
                   std::string(setting) + ": expected " + path + " to be a PEM file, with a line -----BEGIN");
}

}  // namespace

Result<server::TlsOptions> ReadTlsFiles(const Settings& settings) {
  server::TlsOptions tls;
  ARROW_RETURN_NOT_OK(ReadPem("tls_cert", settings.tls_cert, &tls.certificate));
  ARROW_RETURN_NOT_OK(ReadPem("tls_key", settings.tls_key, &tls.key));
  ARROW_RETURN_NOT_OK(ReadPem("tls_client_ca", settings.tls_client_ca, &tls.client_authorities));
  return tls;
}

}  // namespace longbow
