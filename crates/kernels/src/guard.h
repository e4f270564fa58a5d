// What every function of this folder does with an exception: it becomes a message that Rust reads.
#pragma once

#include <ATen/core/Tensor.h>

#include <exception>
#include <string>

namespace trackflow {

// The message of the last failure on this thread.
std::string &message();

// Runs `work`; 0 when it is done, 1 when it threw.
template <typename Work> int guarded(Work &&work) noexcept {
  try {
    work();
    return 0;
  } catch (const c10::Error &error) {
    message() = error.what_without_backtrace();
  } catch (const std::exception &error) {
    message() = error.what();
  } catch (...) {
    message() = "an unknown C++ exception";
  }
  return 1;
}

} // namespace trackflow
