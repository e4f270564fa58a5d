// A part of a network whose inner results are not kept for the backward pass but computed again in it (Chen et al.:
// "Training deep nets with sublinear memory cost", 2016).

#include "guard.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <string>
#include <vector>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Weights that autocast converted are not kept while this lives: one that was converted without gradients must not serve
// a thread that needs them.
struct WithoutCache {
  const bool before = at::autocast::is_autocast_cache_enabled();

  WithoutCache() { at::autocast::set_autocast_cache_enabled(false); }
  ~WithoutCache() { at::autocast::set_autocast_cache_enabled(before); }
};

// What Rust computes: `run` gives a new tensor, or null when it failed, with the reason.
using Run = Tensor *(*)(const void *closure, const Tensor *x, std::string *reason);
using Drop = void (*)(void *closure);

struct Closure : torch::CustomClassHolder {
  void *closure;
  Run run;
  Drop drop;

  Closure(void *closure, Run run, Drop drop) : closure(closure), run(run), drop(drop) {}
  Closure(const Closure &) = delete;
  Closure &operator=(const Closure &) = delete;
  ~Closure() override { drop(closure); }

  Tensor operator()(const Tensor &x) const {
    const WithoutCache cache;
    std::string reason;
    Tensor *y = run(closure, &x, &reason);
    TORCH_CHECK(y, reason);
    Tensor owned = std::move(*y);
    delete y;
    return owned;
  }
};

struct Recompute : Function<Recompute> {
  static Tensor forward(AutogradContext *context, const Tensor &x, at::TensorList parameters,
                        const c10::intrusive_ptr<Closure> &closure) {
    context->saved_data["closure"] = c10::IValue::make_capsule(closure);
    variable_list saved{x};
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    context->save_for_backward(saved);
    return (*closure)(x);
  }

  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    auto capsule = context->saved_data["closure"].toCapsule();
    const auto &closure = static_cast<const Closure &>(*capsule);
    const Tensor x = saved[0].detach().set_requires_grad(saved[0].is_floating_point());
    Tensor y;
    {
      const at::AutoGradMode grad(true);
      y = closure(x);
    }
    // Not x itself: it is no leaf of what was computed here.
    variable_list inputs;
    std::vector<size_t> places;
    for (size_t i = 0; i < saved.size(); ++i)
      if (context->needs_input_grad(i)) {
        inputs.push_back(i == 0 ? x : saved[i]);
        places.push_back(i);
      }
    const auto found = torch::autograd::grad({y}, inputs, {gradients[0]}, /*retain_graph=*/false,
                                             /*create_graph=*/false, /*allow_unused=*/true);
    variable_list all(saved.size() + 1); // The last is the closure's place.
    for (size_t i = 0; i < found.size(); ++i)
      all[places[i]] = found[i];
    return all;
  }
};

} // namespace

extern "C" {

void trackflow_native_reason(std::string *reason, const char *text, size_t length) { reason->assign(text, length); }

// `run` of `closure` on `x`; only `x` and the `count` parameters that it reads get gradients. Whatever happens, the
// closure is dropped when nobody needs it.
int trackflow_native_recompute(const Tensor *x, Tensor *const *parameters, size_t count, void *closure, Run run,
                               Drop drop, Tensor **out) {
  auto held = c10::make_intrusive<Closure>(closure, run, drop);
  return trackflow::guarded([&] {
    variable_list list;
    list.reserve(count);
    for (size_t i = 0; i < count; ++i)
      list.push_back(*parameters[i]);
    *out = new Tensor(Recompute::apply(*x, at::TensorList(list), held));
  });
}
}
