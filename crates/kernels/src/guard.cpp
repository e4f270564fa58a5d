#include "guard.h"

#include <torch/headeronly/version.h>

namespace trackflow {

std::string &message() {
  thread_local std::string text;
  return text;
}

} // namespace trackflow

extern "C" const char *trackflow_native_message() { return trackflow::message().c_str(); }

extern "C" const char *trackflow_native_torch_version() { return TORCH_VERSION; }
