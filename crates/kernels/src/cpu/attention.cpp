// softmax(q kT / sqrt(D)) v, six queries at a time: their similarities to all keys stay in the first cache and are
// never written to memory, and keys and values are copied once a head into the order in which the products read them.
// libtorch's fused attention makes small products of a BLAS instead, each of which packs its operands again; its
// backward pass is used here.

#include "guard.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#if defined(__x86_64__) && defined(__GNUC__)
#define TRACKFLOW_ATTENTION 1
#endif

#ifdef TRACKFLOW_ATTENTION
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Six rows of two vectors are twelve sums, which with two operands and a factor fill AVX2's sixteen registers.
constexpr int64_t LANES = 8, PANEL = 2 * LANES, QUERIES = 6;
// Queries of a head that one task has.
constexpr int64_t TASK = 16 * QUERIES;

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Whole __attribute__((vector_size(4 * LANES)));

#define KERNEL inline __attribute__((always_inline, target("avx2,fma")))

KERNEL Floats load(const float *from) {
  Floats vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

KERNEL void store(float *to, Floats vector) { std::memcpy(to, &vector, sizeof vector); }

// to [R, PANEL] = a [R, depth] b [depth, PANEL]; a, b and to have rows of their own lengths.
template <int64_t R>
KERNEL void product(const float *a, int64_t row_a, const float *b, int64_t row_b, int64_t depth, float *to,
                    int64_t row_to) {
  Floats sums[R][2] = {};
  for (int64_t k = 0; k < depth; ++k) {
    const float *right = b + k * row_b;
    const Floats first = load(right), second = load(right + LANES);
#pragma GCC unroll 6
    for (int64_t r = 0; r < R; ++r) {
      const float left = a[r * row_a + k];
      sums[r][0] += left * first;
      sums[r][1] += left * second;
    }
  }
#pragma GCC unroll 6
  for (int64_t r = 0; r < R; ++r) {
    store(to + r * row_to, sums[r][0]);
    store(to + r * row_to + LANES, sums[r][1]);
  }
}

// e^x for x <= 0, within two units in the last place: 2^n e^r with |r| <= ln(2)/2, n added to the exponent, and
// Cephes' polynomial for e^r (Moshier, expf). NaN stays NaN.
KERNEL Floats exponential(Floats x) {
  const Floats lowest = Floats{} - 87.0f, inside = x < lowest ? lowest : x;
  // Its last bits count in ones, so what is added to it is rounded, and stands in them as a whole number.
  const Floats ones = Floats{} + 12582912.0f;
  const Floats shifted = inside * 1.44269504f + ones, n = shifted - ones;
  const Floats r = inside - n * 0.693359375f + n * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  Whole bits, power;
  std::memcpy(&power, &shifted, sizeof power);
  std::memcpy(&bits, &p, sizeof bits);
  bits += power << 23;
  std::memcpy(&p, &bits, sizeof p);
  return x == x ? p : x;
}

// What the similarities of a query have in common: the largest, and the sum of what they exceed it by, as powers of e.
struct Total {
  float top, sum;
};

// Makes similarities [padded] weights that are yet to be divided by their sum.
KERNEL Total weigh(float *row, int64_t padded) {
  Floats most = load(row), sums = {};
  for (int64_t j = LANES; j < padded; j += LANES) {
    const Floats next = load(row + j);
    most = next > most ? next : most;
  }
  float top = most[0], sum = 0.0f;
  for (int64_t lane = 1; lane < LANES; ++lane)
    top = std::max(top, most[lane]);
  for (int64_t j = 0; j < padded; j += LANES) {
    const Floats weights = exponential(load(row + j) - top);
    store(row + j, weights);
    sums += weights;
  }
  for (int64_t lane = 0; lane < LANES; ++lane)
    sum += sums[lane];
  return {top, sum};
}

// Rows of one head's queries, keys, values and results are so many numbers apart.
struct Strides {
  int64_t query, key, value, out;
};

// Sizes of one head.
struct Head {
  int64_t keys, width;
  Strides rows;
  int64_t padded() const { return (keys + PANEL - 1) / PANEL * PANEL; }
  int64_t scratch() const { return 2 * padded() * width + QUERIES * (padded() + width); }
};

// Keys, scaled, as panels [width, PANEL], and values as [keys, width].
KERNEL void pack(const Head &head, const float *key, const float *value, float *panels, float *values) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(head.width));
  for (int64_t panel = 0; panel < head.padded(); panel += PANEL)
    for (int64_t d = 0; d < head.width; ++d)
      for (int64_t j = 0; j < PANEL; ++j) {
        const int64_t at = panel + j;
        panels[panel * head.width + d * PANEL + j] = at < head.keys ? key[at * head.rows.key + d] * scale : 0.0f;
      }
  for (int64_t j = 0; j < head.keys; ++j)
    std::copy_n(value + j * head.rows.value, head.width, values + j * head.width);
}

template <int64_t R>
KERNEL void answer(const Head &head, const float *query, const float *panels, const float *values, float *room,
                   float *out, float *logarithms) {
  const int64_t padded = head.padded();
  float *similar = room, *mixed = room + QUERIES * padded, sums[R];
  for (int64_t panel = 0; panel < padded; panel += PANEL)
    product<R>(query, head.rows.query, panels + panel * head.width, PANEL, head.width, similar + panel, padded);
  for (int64_t r = 0; r < R; ++r) {
    std::fill(similar + r * padded + head.keys, similar + (r + 1) * padded, -std::numeric_limits<float>::infinity());
    const Total total = weigh(similar + r * padded, padded);
    sums[r] = total.sum;
    logarithms[r] = total.top + std::log(total.sum);
  }
  for (int64_t d = 0; d < head.width; d += PANEL)
    product<R>(similar, padded, values + d, head.width, head.keys, mixed + d, head.width);
  for (int64_t r = 0; r < R; ++r)
    for (int64_t d = 0; d < head.width; ++d)
      out[r * head.rows.out + d] = mixed[r * head.width + d] / sums[r];
}

// Tasks `from` to `to` of the heads' queries, in order: a head is packed when its first query comes.
__attribute__((target("avx2,fma"))) void answer_all(const Tensor &query, const Tensor &key, const Tensor &value,
                                                     Tensor &out, Tensor &logarithms, int64_t from, int64_t to) {
  const int64_t heads = query.size(1), queries = query.size(2), tasks = (queries + TASK - 1) / TASK;
  const Head head{key.size(2), query.size(3), {query.stride(2), key.stride(2), value.stride(2), out.stride(1)}};
  const std::unique_ptr<float[]> room(new float[head.scratch()]);
  float *panels = room.get(), *values = panels + head.padded() * head.width;
  float *rest = values + head.padded() * head.width;
  for (int64_t task = from, packed = -1; task < to; ++task) {
    const int64_t pair = task / tasks, sample = pair / heads, at = pair % heads;
    const auto start = [&](const Tensor &part) {
      return part.const_data_ptr<float>() + sample * part.stride(0) + at * part.stride(1);
    };
    if (pair != packed)
      pack(head, start(key), start(value), panels, values);
    packed = pair;
    const int64_t first = task % tasks * TASK, end = std::min(first + TASK, queries);
    const float *rows = start(query);
    float *results = out.mutable_data_ptr<float>() + sample * out.stride(0) + at * head.width;
    float *sums = logarithms.mutable_data_ptr<float>() + pair * queries;
    int64_t row = first;
    for (; row + QUERIES <= end; row += QUERIES)
      answer<QUERIES>(head, rows + row * head.rows.query, panels, values, rest, results + row * head.rows.out,
                      sums + row);
    for (; row < end; ++row)
      answer<1>(head, rows + row * head.rows.query, panels, values, rest, results + row * head.rows.out, sums + row);
  }
}

struct Attention : Function<Attention> {
  static Tensor forward(AutogradContext *context, const Tensor &query, const Tensor &key, const Tensor &value) {
    const int64_t samples = query.size(0), heads = query.size(1), queries = query.size(2), width = query.size(3);
    Tensor out = at::empty({samples, queries, heads * width}, query.options());
    // Of the sums of e^similarity, as the backward pass wants them.
    Tensor logarithms = at::empty({samples, heads, queries}, query.options());
    const int64_t tasks = samples * heads * ((queries + TASK - 1) / TASK);
    at::parallel_for(0, tasks, 1, [&](int64_t from, int64_t to) {
      answer_all(query, key, value, out, logarithms, from, to);
    });
    context->save_for_backward({query, key, value, out, logarithms});
    return out;
  }

  static variable_list backward(AutogradContext *context, const variable_list &gradients) {
    const auto saved = context->get_saved_variables();
    const auto by_head = [&](const Tensor &joined) {
      return joined.view({joined.size(0), joined.size(1), saved[0].size(1), -1}).transpose(1, 2);
    };
    const auto [query, key, value] = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        by_head(gradients[0].contiguous()), saved[0], saved[1], saved[2], by_head(saved[3]), saved[4], 0.0, false);
    return {query, key, value};
  }
};

} // namespace

#undef KERNEL
#endif

extern "C" {

// Whether this machine has what the kernel is compiled for.
int trackflow_native_attention_fits() {
#ifdef TRACKFLOW_ATTENTION
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
  return 0;
#endif
}

// query [B, H, M, D], key and value [B, H, N, D] with D a multiple of 16 whose numbers are neighbours: [B, M, H D].
int trackflow_native_attention(const at::Tensor *query, const at::Tensor *key, const at::Tensor *value,
                               at::Tensor **out) {
#ifdef TRACKFLOW_ATTENTION
  return trackflow::guarded([&] { *out = new Tensor(Attention::apply(*query, *key, *value)); });
#else
  trackflow::message() = "there is no attention of our own for this processor";
  return 1;
#endif
}
}
