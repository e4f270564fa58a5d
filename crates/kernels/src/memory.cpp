// What a device's caching allocator knows.

#include "guard.h"

#include <ATen/DeviceAccelerator.h>

extern "C" {

// The most bytes that tensors took on GPU `index` at once.
int trackflow_native_peak_memory(int index, int64_t *bytes) {
  return trackflow::guarded([&] {
    const auto total = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    *bytes = at::accelerator::getDeviceStats(static_cast<c10::DeviceIndex>(index)).allocated_bytes[total].peak;
  });
}

// A copy of a map or kernel [.., .., .., ..] with its channels last in memory.
int trackflow_native_channels_last(const at::Tensor *tensor, at::Tensor **out) {
  return trackflow::guarded([&] { *out = new at::Tensor(tensor->contiguous(at::MemoryFormat::ChannelsLast)); });
}
}
