// 3x3 convolutions with 2.25 times fewer multiplications, differentiable: the transforms of winograd.h around 16 matrix
// products. The gradient of a kernel that serves several calls is computed once for all of them.

#include "guard.h"
#include "winograd.h"

#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace {

using at::MemoryFormat;
using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;
using trackflow::winograd::Shape;

// What the backward passes of a kernel's calls leave for its gradient: inputs and the gradients of results.
struct Calls : torch::CustomClassHolder {
  std::vector<Tensor> inputs, gradients;
};

Shape shape_of(const Tensor &map) { return {map.size(0), map.size(2), map.size(3), map.size(1)}; }

Tensor planes_like(const Tensor &map) {
  const Shape shape = shape_of(map);
  return at::empty({16, shape.tiles(), shape.channels}, map.options().memory_format(MemoryFormat::Contiguous));
}

Tensor map_with(const Tensor &like, int64_t channels) {
  return at::empty({like.size(0), channels, like.size(2), like.size(3)},
                   like.options().memory_format(MemoryFormat::ChannelsLast));
}

Tensor image_planes(const Tensor &x) {
  Tensor planes = planes_like(x);
  trackflow::winograd::image_to_planes(x.const_data_ptr<float>(), planes.mutable_data_ptr<float>(), shape_of(x));
  return planes;
}

Tensor gradient_planes(const Tensor &gradient) {
  Tensor planes = planes_like(gradient);
  trackflow::winograd::result_to_planes(gradient.const_data_ptr<float>(), planes.mutable_data_ptr<float>(),
                                        shape_of(gradient));
  return planes;
}

bool same_side(const Tensor &a, const Tensor &b) { return a.size(2) == b.size(2) && a.size(3) == b.size(3); }

Tensor contiguous(const Tensor &map) { return map.contiguous(MemoryFormat::ChannelsLast); }

// A kernel [out, in, 3, 3] as planes [16, out, in].
struct Kernel : Function<Kernel> {
  static Tensor forward(AutogradContext *context, const Tensor &weight, const c10::intrusive_ptr<Calls> &calls) {
    context->set_materialize_grads(false);
    context->saved_data["calls"] = c10::IValue::make_capsule(calls);
    context->saved_data["shape"] = weight.sizes().vec();
    const Tensor kernels = weight.contiguous();
    Tensor planes = at::empty({16, weight.size(0), weight.size(1)}, weight.options());
    trackflow::winograd::kernels_to_planes(kernels.const_data_ptr<float>(), planes.mutable_data_ptr<float>(),
                                           weight.size(0) * weight.size(1));
    return planes;
  }

  // The planes themselves get no gradient: the calls left what it is made of.
  static variable_list backward(AutogradContext *context, const variable_list &) {
    auto capsule = context->saved_data["calls"].toCapsule();
    auto &calls = static_cast<Calls &>(*capsule);
    const auto inputs = std::exchange(calls.inputs, {}), gradients = std::exchange(calls.gradients, {});
    if (inputs.empty())
      return {Tensor(), Tensor()};
    // Calls with maps of the same size follow each other in one product; other sizes add theirs.
    Tensor product;
    for (size_t from = 0, to = 0; from < inputs.size(); from = to) {
      while (to < inputs.size() && same_side(inputs[to], inputs[from]))
        ++to;
      const auto part = [&](const std::vector<Tensor> &maps) {
        return contiguous(at::cat(std::vector<Tensor>(maps.begin() + from, maps.begin() + to)));
      };
      const Tensor x = image_planes(part(inputs)), y = gradient_planes(part(gradients)).transpose(1, 2);
      if (product.defined())
        product.baddbmm_(y, x);
      else
        product = at::bmm(y, x);
    }
    Tensor weight = at::empty(context->saved_data["shape"].toIntVector(), product.options());
    trackflow::winograd::planes_to_kernels(product.const_data_ptr<float>(), weight.mutable_data_ptr<float>(),
                                           weight.size(0) * weight.size(1));
    return {weight, Tensor()};
  }
};

struct Convolution : Function<Convolution> {
  static Tensor forward(AutogradContext *context, const Tensor &map, const Tensor &kernel, const Tensor &bias,
                        const c10::intrusive_ptr<Calls> &calls) {
    const Tensor x = contiguous(map);
    context->save_for_backward({x, kernel});
    context->saved_data["calls"] = c10::IValue::make_capsule(calls);
    const Tensor products = at::bmm(image_planes(x), kernel.transpose(1, 2));
    Tensor y = map_with(x, kernel.size(1));
    const Tensor terms = bias.contiguous();
    std::array<const float *, 16> planes;
    for (int64_t plane = 0; plane < 16; ++plane)
      planes[plane] = products.const_data_ptr<float>() + plane * products.stride(0);
    trackflow::winograd::planes_to_result(planes.data(), terms.const_data_ptr<float>(), y.mutable_data_ptr<float>(),
                                          shape_of(y));
    return y;
  }

  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor gradient = contiguous(gradients[0]);
    Tensor x, bias;
    if (context->needs_input_grad(0)) {
      const Tensor products = at::bmm(gradient_planes(gradient), saved[1]);
      x = map_with(gradient, saved[1].size(2));
      trackflow::winograd::planes_to_image(products.const_data_ptr<float>(), x.mutable_data_ptr<float>(), shape_of(x));
    }
    if (context->needs_input_grad(1)) {
      auto capsule = context->saved_data["calls"].toCapsule();
      auto &calls = static_cast<Calls &>(*capsule);
      calls.inputs.push_back(saved[0]);
      calls.gradients.push_back(gradient);
    }
    if (context->needs_input_grad(2))
      bias = at::sum(gradient, {0, 2, 3});
    return {x, Tensor(), bias, Tensor()};
  }
};

// A kernel made ready for calls.
struct Prepared {
  Tensor planes;
  c10::intrusive_ptr<Calls> calls;
};

} // namespace

extern "C" {

// A kernel [out, in, 3, 3] made ready for calls, with their common gradient.
int trackflow_native_kernel(const Tensor *weight, Prepared **out) {
  return trackflow::guarded([&] {
    auto calls = c10::make_intrusive<Calls>();
    Tensor planes = Kernel::apply(*weight, calls);
    *out = new Prepared{std::move(planes), std::move(calls)};
  });
}

void trackflow_native_kernel_drop(Prepared *kernel) { delete kernel; }

// The convolution of a map [B, in, H, W] with even sides, stride 1 and a border of one place.
int trackflow_native_convolve(const Tensor *map, const Prepared *kernel, const Tensor *bias, Tensor **out) {
  return trackflow::guarded(
      [&] { *out = new Tensor(Convolution::apply(*map, kernel->planes, *bias, kernel->calls)); });
}
}
