// Attention: which kernel a real device would choose, and the CPU's flash attention in its place.
#include "fake.h"

#include <ATen/native/DispatchStub.h>
#include <ATen/native/transformers/attention.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/SDPBackend.h>

namespace fake {
namespace {

bool whole_rows(const Tensor &part) { return part.dim() == 4 && part.stride(3) == 1; }

// The conditions of libtorch's `sdp_utils.cpp` that a GPU of compute capability 8.0 or later meets or not, by shape and
// type: flash attention for half precision and heads of at most 256 numbers; the memory-efficient one for f32 too.
int64_t choose(const Tensor &query, const Tensor &key, const Tensor &value, const std::optional<Tensor> &mask,
               double dropout, bool, std::optional<double>, bool) {
  const auto type = query.scalar_type();
  const bool rows = whole_rows(query) && whole_rows(key) && whole_rows(value) && query.size(2) > 0 && key.size(2) > 0;
  const bool same = key.scalar_type() == type && value.scalar_type() == type && query.size(3) == value.size(3);
  const bool half = type == at::kBFloat16 || type == at::kHalf;
  auto chosen = at::SDPBackend::math;
  if (rows && same && dropout == 0.0) {
    if (half && !mask && query.size(3) <= 256)
      chosen = at::SDPBackend::flash_attention;
    else if ((half || type == at::kFloat) && query.size(3) % (half ? 8 : 4) == 0)
      chosen = at::SDPBackend::efficient_attention;
  }
  return int64_t(chosen);
}

std::tuple<Tensor, Tensor> attend(const Tensor &query, const Tensor &key, const Tensor &value, bool causal,
                                  std::optional<double> scale) {
  const auto device = query.device().index();
  Aliases aliases;
  const Tensor q = aliases.host(query), k = aliases.host(key), v = aliases.host(value);
  std::tuple<Tensor, Tensor> made;
  at_once(current(device),
          [&] { made = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, std::nullopt, scale); });
  return {aliases.device(std::get<0>(made), device), aliases.device(std::get<1>(made), device)};
}

std::tuple<Tensor, Tensor, Tensor> attend_backward(const Tensor &gradient, const Tensor &query, const Tensor &key,
                                                   const Tensor &value, const Tensor &out, const Tensor &sums,
                                                   bool causal, std::optional<double> scale) {
  const auto device = query.device().index();
  Aliases aliases;
  const Tensor g = aliases.host(gradient), q = aliases.host(query), k = aliases.host(key), v = aliases.host(value);
  const Tensor o = aliases.host(out), s = aliases.host(sums);
  std::tuple<Tensor, Tensor, Tensor> made;
  at_once(current(device), [&] {
    made = at::_scaled_dot_product_flash_attention_for_cpu_backward(g, q, k, v, o, s, 0.0, causal, std::nullopt, scale);
  });
  auto &[first, second, third] = made;
  return {aliases.device(first, device), aliases.device(second, device), aliases.device(third, device)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt, Tensor, Tensor, Tensor>
flash(const Tensor &query, const Tensor &key, const Tensor &value, double, bool causal, bool,
      std::optional<double> scale) {
  launched("aten::_scaled_dot_product_flash_attention");
  auto [out, sums] = attend(query, key, value, causal, scale);
  return {out, sums, Tensor(), Tensor(), query.size(2), key.size(2), Tensor(), Tensor(), Tensor()};
}

std::tuple<Tensor, Tensor, Tensor> flash_backward(const Tensor &gradient, const Tensor &query, const Tensor &key,
                                                  const Tensor &value, const Tensor &out, const Tensor &sums,
                                                  const Tensor &, const Tensor &, c10::SymInt, c10::SymInt, double,
                                                  bool causal, const Tensor &, const Tensor &,
                                                  std::optional<double> scale) {
  launched("aten::_scaled_dot_product_flash_attention_backward");
  return attend_backward(gradient, query, key, value, out, sums, causal, scale);
}

std::tuple<Tensor, Tensor, Tensor, Tensor> efficient(const Tensor &query, const Tensor &key, const Tensor &value,
                                                     const std::optional<Tensor> &mask, bool, double, bool causal,
                                                     std::optional<double> scale) {
  TORCH_CHECK(!mask, "the fake device's attention has no mask");
  launched("aten::_scaled_dot_product_efficient_attention");
  auto [out, sums] = attend(query, key, value, causal, scale);
  return {out, sums, Tensor(), Tensor()};
}

std::tuple<Tensor, Tensor, Tensor, Tensor>
efficient_backward(const Tensor &gradient, const Tensor &query, const Tensor &key, const Tensor &value, const Tensor &,
                   const Tensor &out, const Tensor &sums, const Tensor &, const Tensor &, double, std::array<bool, 4>,
                   bool causal, std::optional<double> scale) {
  launched("aten::_scaled_dot_product_efficient_attention_backward");
  auto [first, second, third] = attend_backward(gradient, query, key, value, out, sums, causal, scale);
  return {first, second, third, Tensor()};
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("_scaled_dot_product_flash_attention", flash);
  m.impl("_scaled_dot_product_flash_attention_backward", flash_backward);
  m.impl("_scaled_dot_product_efficient_attention", efficient);
  m.impl("_scaled_dot_product_efficient_attention_backward", efficient_backward);
}

struct Choice {
  Choice() { at::native::_fused_sdp_choice_stub.set_cuda_dispatch_ptr(&choose); }
} choice;

} // namespace
} // namespace fake
