// The linear maps of Winograd's F(2x2, 3x3) (Lavin and Gray, "Fast algorithms for convolutional neural networks",
// CVPR 2016) on memory, and their adjoints. Maps are f32 in NHWC order; `planes` are [16, rows, channels].
#pragma once

#include <cstdint>

namespace trackflow::winograd {

// How an image is cut: into tiles of 2x2 places, each with a border of one place.
struct Shape {
  int64_t batch, height, width, channels;
  int64_t rows() const { return height / 2; }
  int64_t columns() const { return width / 2; }
  int64_t tiles() const { return batch * rows() * columns(); }
};

// planes [16, tiles, channels] of the image x: Bt d B for every tile.
void image_to_planes(const float *x, float *planes, const Shape &shape);
// x of planes: the adjoint of image_to_planes.
void planes_to_image(const float *planes, float *x, const Shape &shape);
// The result of 16 planes [tiles, channels] of products: At m A + bias for every tile; bias may be null.
void planes_to_result(const float *const *planes, const float *bias, float *y, const Shape &shape);
// planes of the result's gradient: the adjoint of planes_to_result.
void result_to_planes(const float *y, float *planes, const Shape &shape);
// planes [16, count] of `count` 3x3 kernels: G g Gt.
void kernels_to_planes(const float *kernels, float *planes, int64_t count);
// The adjoint of kernels_to_planes.
void planes_to_kernels(const float *planes, float *kernels, int64_t count);

} // namespace trackflow::winograd
