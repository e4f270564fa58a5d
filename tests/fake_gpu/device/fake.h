// A GPU that is not there. Built as libtorch_cuda.so and found first (LD_LIBRARY_PATH), it stands in for libtorch's CUDA
// part: the device type CUDA with two devices, the host's memory and the CPU's kernels. An unchanged program runs on it
// with `--device cuda:0`.
//
// What it shows:
// - every launch, by operation; every wait of the host for the device, by thread, reason and place in the program;
// - work is carried out *late*: a stream is a queue, and nothing of it is done before somebody waits for it. Who reads a
//   result without waiting, lets a stream read what another one has not written, fills page-locked memory again before it
//   was copied, or frees memory that another stream still reads without saying so (record_stream), gets wrong numbers;
// - fresh and freed memory is 0xFF: as floats, NaN;
// - tensors of two devices, or of the device and the host, in one operation are an error, as is a copy between devices.
//
// What it does not show: speed; races inside of a kernel; whether a real kernel takes this layout or type. Operations
// whose results' shapes are known beforehand (in place, `out`, copies: most of them) are late. Others (layer and batch
// normalisation, convolution, attention, sorting, draws, whatever makes its result's memory itself) run on the device's
// thread as soon as they are called, after everything that their stream has to do before: between them and the operations
// of their own stream no fault can be seen, between streams it can. The caller's thread stands still meanwhile, which is
// not counted as a wait, as a GPU would not make it wait.
//
// Environment: FAKE_GPU_REPORT (a file for the report at the end of the process, JSON), FAKE_GPU_MEMORY (bytes a device
// has), FAKE_GPU_TRACE (`waits` or an operation: each with its stack, on standard error), FAKE_GPU_IGNORE_EVENTS (streams do not wait for
// events: every one of them is forgotten), FAKE_GPU_PAGEABLE (page-locked memory is not), FAKE_GPU_DEVICES (how many there
// are, of 2 at most).
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/Stream.h>

#include <cstdint>
#include <functional>
#include <string>

namespace fake {

constexpr int MOST_DEVICES = 2;
int devices();
bool is_set(const char *variable);

// Streams (streams.cpp). A place in a stream: after so many of its items.
struct Line;
struct Mark {
  Line *line = nullptr;
  uint64_t at = 0;
};
Line *line(c10::DeviceIndex device, c10::StreamId stream);
// The stream of this thread on `device`.
Line *current(c10::DeviceIndex device);
c10::StreamId current_stream(c10::DeviceIndex device);
void set_current_stream(c10::DeviceIndex device, c10::StreamId stream);
c10::DeviceIndex current_device();
void set_current_device(c10::DeviceIndex device);
// Puts `work` at the end of `line`, to be done late.
Mark put(Line *line, std::function<void()> work);
// Nothing that is put to `line` from now on begins before `mark` is reached.
void put_wait(Line *line, Mark mark);
// The present end of `line`.
Mark end(Line *line);
bool reached(Mark mark);
// Lets the device work until `mark`, without waiting for it.
void want(Mark mark);
// Waits until `mark` is reached; throws what went wrong on the device.
void wait(Mark mark);
void wait_all(c10::DeviceIndex device);

// Memory (memory.cpp).
c10::Allocator *device_memory();
c10::Allocator *pinned_memory();
bool is_pinned(const void *data);
void record_stream(const void *data, c10::DeviceIndex device, c10::StreamId stream);
int64_t peak_bytes(c10::DeviceIndex device);

// The report (report.cpp).
void launched(const std::string &operation);
void viewed();
void waited(const std::string &why);
enum class Counter { Events, Blocks, PinnedCopies, RecordedStreams, Last };
void count(Counter counter);

} // namespace fake
