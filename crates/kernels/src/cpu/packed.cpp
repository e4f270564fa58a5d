// Linear layers and 3x3 convolutions whose weights do not change any more: what can be made of the weights is made once,
// and every call only reads it. No gradients.

#include "guard.h"
#include "linear.h"
#include "winograd.h"

#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>

#include <array>
#include <memory>
#include <vector>

namespace {

using at::Tensor;
using trackflow::winograd::Shape;

// oneDNN's calls cost more than its products save below so many numbers in one plane of a kernel.
constexpr int64_t FEWEST_FOR_ONEDNN = 1 << 18;

// A kernel in the transformed domain: 16 planes, each laid out for oneDNN, or one block [16, in, out] when they are small.
struct PackedKernel {
  std::vector<Tensor> planes;
  Tensor block, bias;
  int64_t out;
};

std::array<const float *, 16> starts(const std::vector<Tensor> &planes, const Tensor &block) {
  std::array<const float *, 16> at;
  for (int64_t plane = 0; plane < 16; ++plane)
    at[plane] = planes.empty() ? block.const_data_ptr<float>() + plane * block.stride(0)
                               : planes[plane].const_data_ptr<float>();
  return at;
}

} // namespace

extern "C" {

// weight [out, in] laid out for products with about `rows` rows.
int trackflow_native_pack(const Tensor *weight, int64_t rows, Tensor **out) {
  return trackflow::guarded([&] { *out = new Tensor(trackflow::pack(weight->contiguous(), rows)); });
}

// x [.., in] times the transpose of a packed weight, plus the bias.
int trackflow_native_product(const Tensor *x, const Tensor *packed, const Tensor *bias, Tensor **out) {
  return trackflow::guarded([&] { *out = new Tensor(trackflow::product(*x, *packed, *bias)); });
}

// A kernel [out, in, 3, 3] for maps of about `places` places.
int trackflow_native_pack_kernel(const Tensor *weight, const Tensor *bias, int64_t places, PackedKernel **out) {
  return trackflow::guarded([&] {
    const Tensor kernels = weight->contiguous();
    Tensor planes = at::empty({16, weight->size(0), weight->size(1)}, weight->options());
    trackflow::winograd::kernels_to_planes(kernels.const_data_ptr<float>(), planes.mutable_data_ptr<float>(),
                                           weight->size(0) * weight->size(1));
    auto kernel = std::make_unique<PackedKernel>();
    kernel->bias = bias->contiguous();
    kernel->out = weight->size(0);
    if (weight->size(0) * weight->size(1) >= FEWEST_FOR_ONEDNN)
      for (int64_t plane = 0; plane < 16; ++plane)
        kernel->planes.push_back(trackflow::pack(planes[plane], places / 4));
    else
      kernel->block = planes.transpose(1, 2).contiguous();
    *out = kernel.release();
  });
}

void trackflow_native_packed_kernel_drop(PackedKernel *kernel) { delete kernel; }

// The convolution of a map [H, W, in] with even sides, stride 1 and a border of one place: [H, W, out].
int trackflow_native_packed_convolve(const Tensor *map, const PackedKernel *kernel, Tensor **out) {
  return trackflow::guarded([&] {
    const Tensor x = map->contiguous();
    const Shape shape{1, x.size(0), x.size(1), x.size(2)}, result{1, x.size(0), x.size(1), kernel->out};
    Tensor planes = at::empty({16, shape.tiles(), shape.channels}, x.options()), block;
    trackflow::winograd::image_to_planes(x.const_data_ptr<float>(), planes.mutable_data_ptr<float>(), shape);
    std::vector<Tensor> products;
    if (kernel->planes.empty())
      block = at::bmm(planes, kernel->block);
    for (size_t plane = 0; plane < kernel->planes.size(); ++plane)
      products.push_back(trackflow::product(planes[plane], kernel->planes[plane], std::nullopt));
    Tensor y = at::empty({x.size(0), x.size(1), kernel->out}, x.options());
    trackflow::winograd::planes_to_result(starts(products, block).data(), kernel->bias.const_data_ptr<float>(),
                                          y.mutable_data_ptr<float>(), result);
    *out = new Tensor(std::move(y));
  });
}
}
