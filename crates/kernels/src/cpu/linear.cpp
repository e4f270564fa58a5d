// y = x Wt + b by oneDNN's matrix product, which is faster here than the BLAS that libtorch's own goes to; differentiable.

#include "linear.h"
#include "guard.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

namespace trackflow {

using at::Tensor;

Tensor product(const Tensor &x, const Tensor &weight, const std::optional<Tensor> &bias) {
  using Pointwise = Tensor(const Tensor &, const Tensor &, const std::optional<Tensor> &, c10::string_view,
                           c10::List<std::optional<at::Scalar>>, std::optional<c10::string_view>);
  static const auto operation = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!operation)
    return at::linear(x, weight, bias);
  static const auto typed = operation->typed<Pointwise>();
  return typed.call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

Tensor pack(const Tensor &weight, int64_t rows) {
  using Reorder = Tensor(const Tensor &, std::optional<c10::SymInt>);
  static const auto operation = c10::Dispatcher::singleton().findSchema({"mkldnn::_reorder_linear_weight", ""});
  if (!operation)
    return weight;
  return operation->typed<Reorder>().call(weight, rows);
}

} // namespace trackflow

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;
using trackflow::product;

struct Linear : Function<Linear> {
  static Tensor forward(AutogradContext *context, const Tensor &x, const Tensor &weight, const Tensor &bias) {
    context->save_for_backward({x, weight});
    return product(x, weight, bias);
  }

  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &gradient = gradients[0], rows = gradient.reshape({-1, gradient.size(-1)});
    Tensor x, weight, bias;
    if (context->needs_input_grad(0))
      x = product(rows, saved[1].t(), std::nullopt).view(saved[0].sizes());
    if (context->needs_input_grad(1))
      weight = at::mm(rows.t(), saved[0].reshape({-1, saved[0].size(-1)}));
    if (context->needs_input_grad(2))
      bias = at::sum(rows, 0);
    return {x, weight, bias};
  }
};

} // namespace

extern "C" int trackflow_native_linear(const Tensor *x, const Tensor *weight, const Tensor *bias, Tensor **out) {
  return trackflow::guarded([&] { *out = new Tensor(Linear::apply(*x, *weight, *bias)); });
}
