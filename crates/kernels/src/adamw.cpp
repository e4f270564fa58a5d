// The fused AdamW of libtorch, which reads and writes every parameter once, and the norm of all gradients.

#include "guard.h"

#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <optional>
#include <vector>

namespace {

std::vector<at::Tensor> list(at::Tensor *const *tensors, size_t count) {
  std::vector<at::Tensor> list;
  list.reserve(count);
  for (size_t i = 0; i < count; ++i)
    list.push_back(*tensors[i]);
  return list;
}

} // namespace

extern "C" {

// The 2-norm of all `count` tensors together, a scalar.
int trackflow_native_norm(at::Tensor *const *tensors, size_t count, at::Tensor **out) {
  return trackflow::guarded([&] {
    const auto norms = at::_foreach_norm(list(tensors, count), 2);
    *out = new at::Tensor(at::linalg_vector_norm(at::stack(norms), 2));
  });
}

// One update of `count` parameters. `step` is the number of this update, a scalar f32. Gradients are divided by
// `divisor` (may be null) in place; where `skip` is 1 nothing changes. Both are scalars f32 on the parameters' device.
int trackflow_native_adamw(at::Tensor *const *parameters, at::Tensor *const *gradients, at::Tensor *const *first,
                           at::Tensor *const *second, size_t count, const at::Tensor *step, const at::Tensor *divisor,
                           const at::Tensor *skip, double lr, double beta1, double beta2, double weight_decay,
                           double eps) {
  return trackflow::guarded([&] {
    if (count == 0)
      return;
    auto grads = list(gradients, count);
    // The kernel walks the memory of a parameter and its gradient side by side.
    for (size_t i = 0; i < count; ++i)
      if (grads[i].strides() != parameters[i]->strides())
        grads[i] = at::empty_like(*parameters[i]).copy_(grads[i]);
    const std::vector<at::Tensor> steps(count, *step);
    const auto scale = divisor ? std::optional<at::Tensor>(*divisor) : std::nullopt;
    at::_fused_adamw_(list(parameters, count), grads, list(first, count), list(second, count), {}, steps, lr, beta1,
                      beta2, weight_decay, eps, /*amsgrad=*/false, /*maximize=*/false, scale, *skip);
  });
}
}
