// What libtorch asks of a device: streams, events, generators, page-locked memory.
#include "fake.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <atomic>
#include <chrono>
#include <memory>

namespace fake {
namespace {

c10::Device cuda(c10::DeviceIndex index) { return {c10::kCUDA, index}; }

struct Event {
  Mark mark;
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
};

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const auto before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return cuda(current_device()); }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() < devices(), "CUDA error: invalid device ordinal");
    if (device.has_index())
      set_current_device(device.index());
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.has_index())
      set_current_device(device.index());
  }
  static c10::DeviceIndex index(c10::Device device) { return device.has_index() ? device.index() : current_device(); }
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::UNSAFE, cuda(index(device)), current_stream(index(device)));
  }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::UNSAFE, cuda(index(device)), 0);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool) const override {
    static std::atomic<c10::StreamId> next{1};
    return c10::Stream(c10::Stream::UNSAFE, cuda(index(device)), next++);
  }
  c10::Stream getNewStream(c10::Device device, int) const override { return getStreamFromGlobalPool(device, false); }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    const auto before = getStream(stream.device());
    set_current_stream(stream.device_index(), stream.id());
    return before;
  }
  c10::DeviceIndex deviceCount() const noexcept override { return c10::DeviceIndex(devices()); }

  void record(void **event, const c10::Stream &stream, const c10::DeviceIndex, const c10::EventFlag) const override {
    if (!*event)
      *event = new Event;
    auto *own = static_cast<Event *>(*event);
    auto time = std::make_shared<std::chrono::steady_clock::time_point>();
    own->time = time;
    own->mark = put(line(stream.device_index(), stream.id()), [time] { *time = std::chrono::steady_clock::now(); });
    count(Counter::Events);
  }
  void block(void *event, const c10::Stream &stream) const override {
    count(Counter::Blocks);
    if (event && !is_set("FAKE_GPU_IGNORE_EVENTS"))
      put_wait(line(stream.device_index(), stream.id()), static_cast<Event *>(event)->mark);
  }
  bool queryEvent(void *event) const override {
    if (!event || reached(static_cast<Event *>(event)->mark))
      return true;
    want(static_cast<Event *>(event)->mark);
    return false;
  }
  void destroyEvent(void *event, const c10::DeviceIndex) const noexcept override {
    delete static_cast<Event *>(event);
  }
  bool queryStream(const c10::Stream &stream) const override {
    const Mark last = end(line(stream.device_index(), stream.id()));
    want(last);
    return reached(last);
  }
  void synchronizeStream(const c10::Stream &stream) const override {
    waited("for a stream");
    wait(end(line(stream.device_index(), stream.id())));
  }
  void synchronizeEvent(void *event) const override {
    waited("for an event");
    if (event)
      wait(static_cast<Event *>(event)->mark);
  }
  void synchronizeDevice(const c10::DeviceIndex device) const override {
    waited("for the device");
    wait_all(device);
  }
  void recordDataPtrOnStream(const c10::DataPtr &data, const c10::Stream &stream) const override {
    record_stream(data.get(), stream.device_index(), stream.id());
  }
  double elapsedTime(void *first, void *second, const c10::DeviceIndex) const override {
    auto *from = static_cast<Event *>(first), *to = static_cast<Event *>(second);
    TORCH_CHECK(from && to && reached(from->mark) && reached(to->mark), "CUDA error: device not ready");
    return std::chrono::duration<double, std::milli>(*to->time - *from->time).count();
  }
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard)

struct CUDAHooks : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  const at::Generator &getDefaultGenerator(c10::DeviceIndex) const override {
    static auto *one = new at::Generator(at::detail::createCPUGenerator());
    return *one;
  }
  at::Generator getNewGenerator(c10::DeviceIndex) const override { return at::detail::createCPUGenerator(); }
  at::Device getDeviceFromPtr(void *) const override { return cuda(current_device()); }
  bool isPinnedPtr(const void *data) const override { return is_pinned(data); }
  bool hasCUDA() const override { return true; }
  bool hasCUDART() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex current_device() const override { return fake::current_device(); }
  c10::Allocator *getPinnedMemoryAllocator() const override { return pinned_memory(); }
  c10::Allocator *getCUDADeviceAllocator() const override { return device_memory(); }
  int getNumGPUs() const override { return devices(); }
  c10::DeviceIndex deviceCount() const override { return c10::DeviceIndex(devices()); }
  c10::DeviceIndex getCurrentDevice() const override { return fake::current_device(); }
  void setCurrentDevice(c10::DeviceIndex device) const override { set_current_device(device); }
  bool isAvailable() const override { return devices() > 0; }
  bool isBuilt() const override { return true; }
  void deviceSynchronize(c10::DeviceIndex device) const override {
    waited("for the device");
    wait_all(device);
  }
};
using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks)

struct Memory {
  Memory() { c10::SetAllocator(c10::kCUDA, device_memory()); }
} memory;

} // namespace
} // namespace fake
