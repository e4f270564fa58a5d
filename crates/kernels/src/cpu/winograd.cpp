#include "winograd.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

// The loops over channels are compiled for several vector widths; the loader picks one.
#if defined(__x86_64__) && defined(__GNUC__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

namespace trackflow::winograd {
namespace {

constexpr int64_t PLANES = 16;

// Bt d B over `count` channels: `in` are the 16 places of a tile, `out` its 16 planes.
WIDE void forward_tile(const float *const *in, float *const *out, int64_t count) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    float t[4][4];
    for (int j = 0; j < 4; ++j) {
      const float d0 = in[j][c], d1 = in[4 + j][c], d2 = in[8 + j][c], d3 = in[12 + j][c];
      t[0][j] = d0 - d2;
      t[1][j] = d1 + d2;
      t[2][j] = d2 - d1;
      t[3][j] = d1 - d3;
    }
    for (int i = 0; i < 4; ++i) {
      out[4 * i][c] = t[i][0] - t[i][2];
      out[4 * i + 1][c] = t[i][1] + t[i][2];
      out[4 * i + 2][c] = t[i][2] - t[i][1];
      out[4 * i + 3][c] = t[i][1] - t[i][3];
    }
  }
}

// B v Bt, added to the 16 places of a tile.
WIDE void adjoint_tile(const float *const *in, float *const *out, int64_t count) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    float t[4][4];
    for (int j = 0; j < 4; ++j) {
      const float v0 = in[j][c], v1 = in[4 + j][c], v2 = in[8 + j][c], v3 = in[12 + j][c];
      t[0][j] = v0;
      t[1][j] = v1 - v2 + v3;
      t[2][j] = v1 + v2 - v0;
      t[3][j] = -v3;
    }
    for (int i = 0; i < 4; ++i) {
      out[4 * i][c] += t[i][0];
      out[4 * i + 1][c] += t[i][1] - t[i][2] + t[i][3];
      out[4 * i + 2][c] += t[i][1] + t[i][2] - t[i][0];
      out[4 * i + 3][c] -= t[i][3];
    }
  }
}

// At m A + bias: `in` are 16 planes, `out` the 2x2 places of the result.
WIDE void result_tile(const float *const *in, const float *bias, float *const *out, int64_t count) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    float t[2][4];
    for (int j = 0; j < 4; ++j) {
      t[0][j] = in[j][c] + in[4 + j][c] + in[8 + j][c];
      t[1][j] = in[4 + j][c] - in[8 + j][c] - in[12 + j][c];
    }
    for (int i = 0; i < 2; ++i) {
      out[2 * i][c] = t[i][0] + t[i][1] + t[i][2] + bias[c];
      out[2 * i + 1][c] = t[i][1] - t[i][2] - t[i][3] + bias[c];
    }
  }
}

// A y At: the planes of the 2x2 places of a gradient.
WIDE void gradient_tile(const float *const *in, float *const *out, int64_t count) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) {
    float t[4][2];
    for (int j = 0; j < 2; ++j) {
      const float y0 = in[j][c], y1 = in[2 + j][c];
      t[0][j] = y0;
      t[1][j] = y0 + y1;
      t[2][j] = y0 - y1;
      t[3][j] = -y1;
    }
    for (int i = 0; i < 4; ++i) {
      out[4 * i][c] = t[i][0];
      out[4 * i + 1][c] = t[i][0] + t[i][1];
      out[4 * i + 2][c] = t[i][0] - t[i][1];
      out[4 * i + 3][c] = -t[i][1];
    }
  }
}

// G g Gt of kernels `from` to `to` of `count`.
WIDE void kernel_range(const float *kernels, float *planes, int64_t count, int64_t from, int64_t to) {
#pragma omp simd
  for (int64_t k = from; k < to; ++k) {
    const float *g = kernels + 9 * k;
    float t[4][3];
    for (int j = 0; j < 3; ++j) {
      const float ends = 0.5f * (g[j] + g[6 + j]), middle = 0.5f * g[3 + j];
      t[0][j] = g[j];
      t[1][j] = ends + middle;
      t[2][j] = ends - middle;
      t[3][j] = g[6 + j];
    }
    for (int i = 0; i < 4; ++i) {
      const float ends = 0.5f * (t[i][0] + t[i][2]), middle = 0.5f * t[i][1];
      float *out = planes + 4 * i * count + k;
      out[0] = t[i][0];
      out[count] = ends + middle;
      out[2 * count] = ends - middle;
      out[3 * count] = t[i][2];
    }
  }
}

// Gt u G of kernels `from` to `to` of `count`.
WIDE void kernel_adjoint_range(const float *planes, float *kernels, int64_t count, int64_t from, int64_t to) {
#pragma omp simd
  for (int64_t k = from; k < to; ++k) {
    const float *u = planes + k;
    float t[3][4];
    for (int j = 0; j < 4; ++j) {
      const float u0 = u[j * count], u1 = u[(4 + j) * count], u2 = u[(8 + j) * count], u3 = u[(12 + j) * count];
      const float half = 0.5f * (u1 + u2);
      t[0][j] = u0 + half;
      t[1][j] = 0.5f * (u1 - u2);
      t[2][j] = half + u3;
    }
    float *out = kernels + 9 * k;
    for (int i = 0; i < 3; ++i) {
      const float half = 0.5f * (t[i][1] + t[i][2]);
      out[3 * i] = t[i][0] + half;
      out[3 * i + 1] = 0.5f * (t[i][1] - t[i][2]);
      out[3 * i + 2] = half + t[i][3];
    }
  }
}

// Where the planes of a tile are.
template <typename Float> void plane_pointers(Float *planes, Float **at, int64_t tile, const Shape &shape) {
  for (int64_t plane = 0; plane < PLANES; ++plane)
    at[plane] = planes + (plane * shape.tiles() + tile) * shape.channels;
}

// Where the 4x4 places of a tile are; those outside of the image are at `outside`.
template <typename Float>
void place_pointers(Float *image, Float *outside, Float **at, int64_t row, int64_t column, const Shape &shape) {
  for (int64_t place = 0; place < PLANES; ++place) {
    const int64_t y = 2 * row - 1 + place / 4, x = 2 * column - 1 + place % 4;
    const bool inside = y >= 0 && y < shape.height && x >= 0 && x < shape.width;
    at[place] = inside ? image + (y * shape.width + x) * shape.channels : outside;
  }
}

// Where the 2x2 places of a tile's result are.
template <typename Float> void result_pointers(Float *image, Float **at, int64_t row, int64_t column, const Shape &shape) {
  for (int64_t place = 0; place < 4; ++place)
    at[place] = image + ((2 * row + place / 2) * shape.width + 2 * column + place % 2) * shape.channels;
}

// Calls `work(image, row, column, tile)` for every tile, rows side by side on the threads.
template <typename Work> void each_tile(const Shape &shape, const Work &work) {
  at::parallel_for(0, shape.batch * shape.rows(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line)
      for (int64_t column = 0; column < shape.columns(); ++column)
        work(line / shape.rows(), line % shape.rows(), column, line * shape.columns() + column);
  });
}

} // namespace

void image_to_planes(const float *x, float *planes, const Shape &shape) {
  const std::vector<float> zeros(shape.channels, 0.0f);
  const int64_t size = shape.height * shape.width * shape.channels;
  each_tile(shape, [&](int64_t image, int64_t row, int64_t column, int64_t tile) {
    const float *in[PLANES];
    float *out[PLANES];
    place_pointers(x + image * size, zeros.data(), in, row, column, shape);
    plane_pointers(planes, out, tile, shape);
    forward_tile(in, out, shape.channels);
  });
}

void planes_to_image(const float *planes, float *x, const Shape &shape) {
  // Tiles overlap, so each thread has channels of its own: every place gets its terms in the same order.
  constexpr int64_t CHUNK = 64;
  const int64_t chunks = (shape.channels + CHUNK - 1) / CHUNK, size = shape.height * shape.width * shape.channels;
  at::parallel_for(0, shape.batch * chunks, 1, [&](int64_t begin, int64_t end) {
    float outside[CHUNK];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t image = task / chunks, channel = task % chunks * CHUNK;
      const int64_t count = std::min(CHUNK, shape.channels - channel);
      float *base = x + image * size + channel;
      for (int64_t place = 0; place < shape.height * shape.width; ++place)
        std::fill_n(base + place * shape.channels, count, 0.0f);
      std::fill_n(outside, CHUNK, 0.0f);
      for (int64_t row = 0; row < shape.rows(); ++row)
        for (int64_t column = 0; column < shape.columns(); ++column) {
          const float *in[PLANES];
          float *out[PLANES];
          plane_pointers(planes + channel, in, (image * shape.rows() + row) * shape.columns() + column, shape);
          place_pointers(base, outside, out, row, column, shape);
          adjoint_tile(in, out, count);
        }
    }
  });
}

void planes_to_result(const float *const *planes, const float *bias, float *y, const Shape &shape) {
  const std::vector<float> zeros(bias ? 0 : shape.channels, 0.0f);
  const int64_t size = shape.height * shape.width * shape.channels;
  each_tile(shape, [&](int64_t image, int64_t row, int64_t column, int64_t tile) {
    const float *in[PLANES];
    float *out[4];
    for (int64_t plane = 0; plane < PLANES; ++plane)
      in[plane] = planes[plane] + tile * shape.channels;
    result_pointers(y + image * size, out, row, column, shape);
    result_tile(in, bias ? bias : zeros.data(), out, shape.channels);
  });
}

void result_to_planes(const float *y, float *planes, const Shape &shape) {
  const int64_t size = shape.height * shape.width * shape.channels;
  each_tile(shape, [&](int64_t image, int64_t row, int64_t column, int64_t tile) {
    const float *in[4];
    float *out[PLANES];
    result_pointers(y + image * size, in, row, column, shape);
    plane_pointers(planes, out, tile, shape);
    gradient_tile(in, out, shape.channels);
  });
}

void kernels_to_planes(const float *kernels, float *planes, int64_t count) {
  at::parallel_for(0, count, 4096, [&](int64_t from, int64_t to) { kernel_range(kernels, planes, count, from, to); });
}

void planes_to_kernels(const float *planes, float *kernels, int64_t count) {
  at::parallel_for(0, count, 4096,
                   [&](int64_t from, int64_t to) { kernel_adjoint_range(planes, kernels, count, from, to); });
}

} // namespace trackflow::winograd
