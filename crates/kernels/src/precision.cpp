// Automatic mixed precision for any device, and TensorFloat-32: what tch offers of either is for float16 on a GPU alone.

#include "guard.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>

namespace {

at::DeviceType device(int cuda) { return cuda ? at::kCUDA : at::kCPU; }

} // namespace

extern "C" {

// Turns autocast to bfloat16 on for this thread; `before` receives whether it was on.
int trackflow_native_autocast_enter(int cuda, int *before) {
  return trackflow::guarded([&] {
    *before = at::autocast::is_autocast_enabled(device(cuda));
    at::autocast::set_autocast_dtype(device(cuda), at::kBFloat16);
    at::autocast::set_autocast_enabled(device(cuda), true);
    at::autocast::increment_nesting();
  });
}

// Puts back what `enter` changed, and drops the converted weights when the outermost scope ends.
int trackflow_native_autocast_leave(int cuda, int before) {
  return trackflow::guarded([&] {
    if (at::autocast::decrement_nesting() == 0)
      at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device(cuda), before != 0);
  });
}

// Whether float32 products on a GPU may round their inputs to TensorFloat-32: matrix products and convolutions alike.
int trackflow_native_allow_tf32(int allow) {
  return trackflow::guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(allow != 0);
    at::globalContext().setAllowTF32CuDNN(allow != 0);
  });
}
}
