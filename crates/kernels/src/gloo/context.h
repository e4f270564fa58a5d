// Declarations alone: what ProcessGroupGloo.hpp names of gloo, whose code is in libtorch_cpu and whose headers no package
// of libtorch has.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {
class Context {
public:
  void setTimeout(std::chrono::milliseconds timeout);
};
namespace transport {
class UnboundBuffer {
public:
  virtual ~UnboundBuffer();
};
} // namespace transport
} // namespace gloo
