// Streams as queues, and the thread that works them off when somebody wants it.
#include "fake.h"

#include <c10/util/Exception.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <thread>

namespace fake {

int devices() {
  static const int count = [] {
    const char *given = getenv("FAKE_GPU_DEVICES");
    return given ? std::min(atoi(given), MOST_DEVICES) : MOST_DEVICES;
  }();
  return count;
}

bool is_set(const char *variable) { return getenv(variable) != nullptr; }

struct Item {
  std::function<void()> work;
  Mark after; // What has to be reached before the next item; no work then.
};

struct Line {
  c10::DeviceIndex device;
  c10::StreamId stream;
  std::deque<Item> items;
  uint64_t put = 0, done = 0;
};

namespace {

struct Worker {
  std::mutex lock;
  std::condition_variable wake, finished;
  std::map<std::pair<int, int64_t>, std::unique_ptr<Line>> lines;
  std::deque<Mark> wanted;
  std::string failure;

  Worker() {
    std::thread([this] {
      pthread_setname_np(pthread_self(), "fake-gpu");
      std::unique_lock<std::mutex> held(lock);
      for (;;) {
        wake.wait(held, [this] { return !wanted.empty(); });
        const Mark mark = wanted.front();
        wanted.pop_front();
        until(mark, held);
      }
    }).detach();
  }

  void until(Mark mark, std::unique_lock<std::mutex> &held) {
    while (mark.line->done < mark.at) {
      Item item = std::move(mark.line->items.front());
      mark.line->items.pop_front();
      if (item.after.line)
        until(item.after, held); // An event lies behind whoever waits for it, so this ends.
      else if (failure.empty()) {
        held.unlock();
        std::string why;
        try {
          item.work();
        } catch (const std::exception &error) {
          why = error.what();
        }
        item.work = nullptr;
        held.lock();
        if (failure.empty())
          failure = why;
      }
      ++mark.line->done;
      finished.notify_all();
    }
  }
};

// It outlives everything: threads may still wait while the process ends.
Worker &worker() {
  static Worker *one = new Worker;
  return *one;
}

thread_local c10::DeviceIndex device_of_thread = 0;
thread_local c10::StreamId streams_of_thread[MOST_DEVICES] = {};

} // namespace

Line *line(c10::DeviceIndex device, c10::StreamId stream) {
  std::lock_guard<std::mutex> held(worker().lock);
  auto &found = worker().lines[{device, stream}];
  if (!found)
    found = std::make_unique<Line>(Line{device, stream, {}, 0, 0});
  return found.get();
}

Line *current(c10::DeviceIndex device) { return line(device, current_stream(device)); }
c10::StreamId current_stream(c10::DeviceIndex device) { return streams_of_thread[device]; }
void set_current_stream(c10::DeviceIndex device, c10::StreamId stream) { streams_of_thread[device] = stream; }
c10::DeviceIndex current_device() { return device_of_thread; }
void set_current_device(c10::DeviceIndex device) { device_of_thread = device; }

Mark put(Line *line, std::function<void()> work) {
  std::lock_guard<std::mutex> held(worker().lock);
  line->items.push_back(Item{std::move(work), {}});
  return {line, ++line->put};
}

void put_wait(Line *line, Mark mark) {
  if (!mark.line || mark.line == line)
    return;
  std::lock_guard<std::mutex> held(worker().lock);
  line->items.push_back(Item{nullptr, mark});
  ++line->put;
}

Mark end(Line *line) {
  std::lock_guard<std::mutex> held(worker().lock);
  return {line, line->put};
}

bool reached(Mark mark) {
  std::lock_guard<std::mutex> held(worker().lock);
  return !mark.line || mark.line->done >= mark.at;
}

void want(Mark mark) {
  if (!mark.line)
    return;
  std::lock_guard<std::mutex> held(worker().lock);
  worker().wanted.push_back(mark);
  worker().wake.notify_one();
}

void wait(Mark mark) {
  if (!mark.line)
    return;
  std::unique_lock<std::mutex> held(worker().lock);
  if (mark.line->done < mark.at) {
    worker().wanted.push_back(mark);
    worker().wake.notify_one();
    worker().finished.wait(held, [&] { return mark.line->done >= mark.at; });
  }
  if (!worker().failure.empty())
    TORCH_CHECK(false, "CUDA error: device-side assert triggered (", worker().failure, ")");
}

void wait_all(c10::DeviceIndex device) {
  std::vector<Mark> marks;
  {
    std::lock_guard<std::mutex> held(worker().lock);
    for (auto &[key, line] : worker().lines)
      if (key.first == device)
        marks.push_back({line.get(), line->put});
  }
  for (const Mark &mark : marks)
    wait(mark);
}

} // namespace fake
