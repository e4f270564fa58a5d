// Memory of the devices and page-locked memory of the host. What is fresh or freed is 0xFF.
#include "fake.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <vector>

namespace fake {
namespace {

constexpr int POISON = 0xFF;

struct Block {
  size_t bytes;
  c10::DeviceIndex device;
  Line *owner; // The stream that allocated it: what is freed serves that one again.
  std::set<Line *> users;
};

std::mutex &lock() {
  static auto *one = new std::mutex;
  return *one;
}
std::map<const void *, Block> &blocks() {
  static auto *one = new std::map<const void *, Block>;
  return *one;
}
int64_t in_use[MOST_DEVICES], peaks[MOST_DEVICES];

void *fresh(size_t bytes) {
  void *data = aligned_alloc(64, (bytes + 64) / 64 * 64);
  TORCH_CHECK(data, "the host has no memory for the fake device");
  memset(data, POISON, bytes);
  return data;
}

// As a caching allocator does: the block is free for its own stream at once, in that stream's order, after whatever the
// recorded streams were given before.
void drop(void *data) {
  Block block;
  {
    std::lock_guard<std::mutex> held(lock());
    auto found = blocks().find(data);
    block = std::move(found->second);
    blocks().erase(found);
    in_use[block.device] -= block.bytes;
  }
  for (Line *user : block.users)
    put_wait(block.owner, end(user));
  put(block.owner, [data, bytes = block.bytes] {
    memset(data, POISON, bytes);
    free(data);
  });
}

struct DeviceMemory final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t bytes) override {
    const auto device = current_device();
    const c10::Device place(c10::kCUDA, device);
    if (bytes == 0)
      return {nullptr, nullptr, &c10::detail::deleteNothing, place};
    static const int64_t all = getenv("FAKE_GPU_MEMORY") ? atoll(getenv("FAKE_GPU_MEMORY")) : INT64_MAX;
    std::unique_lock<std::mutex> held(lock());
    TORCH_CHECK_WITH(OutOfMemoryError, in_use[device] + int64_t(bytes) <= all, "CUDA out of memory. Tried to allocate ",
                     bytes, " bytes. GPU ", int(device), " has a total capacity of ", all, " bytes of which ",
                     all - in_use[device], " bytes is free.");
    in_use[device] += bytes;
    peaks[device] = std::max(peaks[device], in_use[device]);
    held.unlock();
    void *data = fresh(bytes);
    Line *owner = current(device);
    held.lock();
    blocks()[data] = Block{bytes, device, owner, {}};
    return {data, data, &drop, place};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &drop; }
  void copy_data(void *to, const void *from, size_t bytes) const override { memcpy(to, from, bytes); }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr &data, c10::Stream stream) override {
    record_stream(data.get(), stream.device_index(), stream.id());
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex device) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    auto &total = stats.allocated_bytes[size_t(c10::CachingAllocator::StatType::AGGREGATE)];
    std::lock_guard<std::mutex> held(lock());
    total.current = in_use[device];
    total.peak = peaks[device];
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex device) override {
    std::lock_guard<std::mutex> held(lock());
    peaks[device] = in_use[device];
  }
};

std::set<const void *> &pinned() {
  static auto *one = new std::set<const void *>;
  return *one;
}

void drop_pinned(void *data) {
  {
    std::lock_guard<std::mutex> held(lock());
    pinned().erase(data);
  }
  free(data);
}

// Copies keep what they read until they are done, as the real allocator does by events of its own.
struct PinnedMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void *data = fresh(bytes);
    std::lock_guard<std::mutex> held(lock());
    pinned().insert(data);
    return {data, data, &drop_pinned, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &drop_pinned; }
  void copy_data(void *to, const void *from, size_t bytes) const override { memcpy(to, from, bytes); }
};

} // namespace

c10::Allocator *device_memory() {
  static auto *one = new DeviceMemory;
  return one;
}

c10::Allocator *pinned_memory() {
  static auto *one = new PinnedMemory;
  return one;
}

// `data` is where a storage begins.
bool is_pinned(const void *data) {
  static const bool none = is_set("FAKE_GPU_PAGEABLE");
  std::lock_guard<std::mutex> held(lock());
  return !none && pinned().count(data);
}

void record_stream(const void *data, c10::DeviceIndex device, c10::StreamId stream) {
  Line *user = line(device, stream);
  count(Counter::RecordedStreams);
  std::lock_guard<std::mutex> held(lock());
  auto found = blocks().find(data);
  if (found != blocks().end() && found->second.owner != user)
    found->second.users.insert(user);
}

int64_t peak_bytes(c10::DeviceIndex device) {
  std::lock_guard<std::mutex> held(lock());
  return peaks[device];
}

} // namespace fake
