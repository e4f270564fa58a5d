// x Wt + b by oneDNN's matrix product, or by libtorch's own where libtorch was built without oneDNN. No gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace trackflow {

// x [.., in] times the transpose of weight [out, in], which may have been laid out by `pack`.
at::Tensor product(const at::Tensor &x, const at::Tensor &weight, const std::optional<at::Tensor> &bias);

// weight [out, in] laid out as `product` reads it fastest where x has about `rows` rows.
at::Tensor pack(const at::Tensor &weight, int64_t rows);

} // namespace trackflow
