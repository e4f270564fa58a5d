// Streams and events of a GPU, and page-locked memory: what tch does not wrap. Only libtorch's device-neutral interface
// is used, so no header of CUDA is needed.

#include "guard.h"

#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <memory>

namespace {

// A stream as three numbers.
struct Packed {
  int64_t id, index;
};

c10::impl::VirtualGuardImpl guard() { return c10::impl::VirtualGuardImpl(c10::kCUDA); }

c10::Device gpu(int64_t index) { return {c10::kCUDA, static_cast<c10::DeviceIndex>(index)}; }

c10::Stream stream(const Packed *packed) {
  return c10::Stream(c10::Stream::UNSAFE, gpu(packed->index), packed->id);
}

Packed pack(const c10::Stream &stream) { return {stream.id(), stream.device_index()}; }

} // namespace

extern "C" {

// A stream of GPU `index` that is not the one that everybody uses.
int trackflow_native_stream_new(int index, Packed *out) {
  return trackflow::guarded([&] { *out = pack(guard().getStreamFromGlobalPool(gpu(index), false)); });
}

// The stream that this thread's work on GPU `index` goes to.
int trackflow_native_stream_current(int index, Packed *out) {
  return trackflow::guarded([&] { *out = pack(guard().getStream(gpu(index))); });
}

// Lets this thread's work on the stream's GPU go to `to`; `before` receives where it went.
int trackflow_native_stream_enter(const Packed *to, Packed *before) {
  return trackflow::guarded([&] { *before = pack(guard().exchangeStream(stream(to))); });
}

// The memory of `tensor`, allocated for another stream, is not used again before the present work of `user` is done.
int trackflow_native_stream_uses(const Packed *user, const at::Tensor *tensor) {
  return trackflow::guarded([&] { guard().recordDataPtrOnStream(tensor->storage().data_ptr(), stream(user)); });
}

// An event with a time, recorded at the present end of `at`.
int trackflow_native_event_record(const Packed *at, c10::Event **out) {
  return trackflow::guarded([&] {
    auto event = std::make_unique<c10::Event>(c10::kCUDA, c10::EventFlag::BACKEND_DEFAULT);
    event->record(stream(at));
    *out = event.release();
  });
}

void trackflow_native_event_drop(c10::Event *event) { delete event; }

// What is put to `waiting` from now on begins after the event.
int trackflow_native_event_block(const c10::Event *event, const Packed *waiting) {
  return trackflow::guarded([&] { event->block(stream(waiting)); });
}

int trackflow_native_event_query(const c10::Event *event, int *done) {
  return trackflow::guarded([&] { *done = event->query(); });
}

// The host waits for the event.
int trackflow_native_event_wait(const c10::Event *event) {
  return trackflow::guarded([&] { event->synchronize(); });
}

// Milliseconds from `first` to `second`, both of which are over.
int trackflow_native_event_elapsed(const c10::Event *first, const c10::Event *second, double *milliseconds) {
  return trackflow::guarded([&] { *milliseconds = first->elapsedTime(*second); });
}

// Copies `from` over `to` without waiting where the memory of the host is page-locked.
int trackflow_native_copy_later(const at::Tensor *to, const at::Tensor *from) {
  return trackflow::guarded([&] { to->copy_(*from, /*non_blocking=*/true); });
}

// Page-locked memory for `count` bytes.
int trackflow_native_pinned(int64_t count, at::Tensor **out) {
  return trackflow::guarded(
      [&] { *out = new at::Tensor(at::empty({count}, at::TensorOptions(at::kByte).pinned_memory(true))); });
}
}
