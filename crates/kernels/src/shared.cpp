// Parameters that a pass uses several times, or in bfloat16: each is converted once, and its gradients are summed once,
// all parameters in the same few launches. Autograd by itself adds them up one parameter and use at a time, and autocast
// converts one weight at a time.

#include "guard.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <vector>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Share : Function<Share> {
  // `times[p]` tensors for parameter p, one parameter after the other; in bfloat16 where `half[p]`.
  static variable_list forward(AutogradContext *context, at::TensorList parameters, std::vector<int64_t> times,
                               std::vector<int64_t> half) {
    context->set_materialize_grads(false);
    context->saved_data["times"] = times;
    context->save_for_backward(variable_list(parameters.begin(), parameters.end()));
    std::vector<Tensor> converted, originals, values(parameters.begin(), parameters.end());
    for (size_t p = 0; p < parameters.size(); ++p)
      if (half[p]) {
        values[p] = at::empty_like(parameters[p], parameters[p].options().dtype(at::kBFloat16));
        converted.push_back(values[p]);
        originals.push_back(parameters[p]);
      }
    if (!converted.empty())
      at::_foreach_copy_(converted, originals);
    variable_list shared;
    for (size_t p = 0; p < parameters.size(); ++p)
      for (int64_t use = 0; use < times[p]; ++use)
        shared.push_back(values[p].detach());
    return shared;
  }

  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    const auto times = context->saved_data["times"].toIntVector();
    const auto parameters = context->get_saved_variables();
    // By parameter: its gradients, without the uses that gave none.
    std::vector<variable_list> given(parameters.size());
    size_t place = 0, most = 0;
    for (size_t p = 0; p < parameters.size(); ++p) {
      for (int64_t use = 0; use < times[p]; ++use, ++place)
        if (gradients[place].defined())
          given[p].push_back(gradients[place]);
      most = std::max(most, given[p].size());
    }
    // In the parameter's own type and layout, where a single gradient may stay what it is.
    variable_list sums(parameters.size());
    std::vector<Tensor> to, from;
    for (size_t p = 0; p < parameters.size(); ++p) {
      if (given[p].empty())
        continue;
      const Tensor &first = given[p][0];
      if (given[p].size() == 1 && first.scalar_type() == parameters[p].scalar_type()) {
        sums[p] = first;
        continue;
      }
      sums[p] = at::empty_like(parameters[p]);
      to.push_back(sums[p]);
      from.push_back(first);
    }
    if (!to.empty())
      at::_foreach_copy_(to, from);
    for (size_t use = 1; use < most; ++use) {
      std::vector<Tensor> totals, terms, converted, originals;
      for (size_t p = 0; p < parameters.size(); ++p) {
        if (given[p].size() <= use)
          continue;
        Tensor term = given[p][use];
        if (term.scalar_type() != sums[p].scalar_type()) {
          converted.push_back(at::empty_like(sums[p]));
          originals.push_back(term);
          term = converted.back();
        }
        totals.push_back(sums[p]);
        terms.push_back(term);
      }
      if (!converted.empty())
        at::_foreach_copy_(converted, originals);
      at::_foreach_add_(totals, terms);
    }
    sums.resize(parameters.size() + 2); // Times and types have no gradient.
    return sums;
  }
};

} // namespace

extern "C" {

// Fills `out` with `times[p]` tensors for each of `count` parameters.
int trackflow_native_share(Tensor *const *parameters, const int64_t *times, const int64_t *half, size_t count,
                           Tensor **out) {
  return trackflow::guarded([&] {
    variable_list list;
    for (size_t p = 0; p < count; ++p)
      list.push_back(*parameters[p]);
    const auto shared = Share::apply(at::TensorList(list), std::vector<int64_t>(times, times + count),
                                     std::vector<int64_t>(half, half + count));
    for (size_t place = 0; place < shared.size(); ++place)
      out[place] = new Tensor(shared[place]);
  });
}

// Copies each of `count` tensors over its counterpart.
int trackflow_native_copy_all(Tensor *const *to, Tensor *const *from, size_t count) {
  return trackflow::guarded([&] {
    std::vector<Tensor> targets, sources;
    for (size_t i = 0; i < count; ++i) {
      targets.push_back(*to[i]);
      sources.push_back(*from[i]);
    }
    at::_foreach_copy_(targets, sources);
  });
}

// Adds `value` to all `count` tensors.
int trackflow_native_add_to_all(Tensor *const *tensors, size_t count, int64_t value) {
  return trackflow::guarded([&] {
    std::vector<Tensor> list;
    for (size_t i = 0; i < count; ++i)
      list.push_back(*tensors[i]);
    at::_foreach_add_(list, at::Scalar(value));
  });
}
}
