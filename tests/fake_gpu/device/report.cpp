// What was counted, as JSON at the end of the process, and through C functions while it runs.
#include "fake.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <execinfo.h>
#include <map>
#include <mutex>
#include <pthread.h>
#include <tuple>

namespace fake {
namespace {

struct Counts {
  std::mutex lock;
  std::map<std::string, long> launches;
  std::map<std::tuple<std::string, std::string, std::string>, long> waits; // thread, why, place
  long views = 0, waited = 0;
  std::atomic<long> counters[int(Counter::Last)] = {};
};

Counts &counts() {
  static auto *one = new Counts;
  return *one;
}

std::string thread_name() {
  char name[32] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

// The innermost frame that is the program's own, for addr2line.
std::string place() {
  void *frames[64];
  const int depth = backtrace(frames, 64);
  for (int at = 0; at < depth; ++at) {
    Dl_info found;
    if (!dladdr(frames[at], &found) || !found.dli_fname || strstr(found.dli_fname, ".so"))
      continue;
    const char *file = strrchr(found.dli_fname, '/');
    char text[256];
    const long offset = static_cast<char *>(frames[at]) - static_cast<char *>(found.dli_fbase);
    snprintf(text, sizeof text, "%s+0x%lx", file ? file + 1 : found.dli_fname, offset);
    return text;
  }
  return "";
}

std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (char c : text)
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else
      out += c < ' ' ? ' ' : c;
  return out + "\"";
}

void write_report() {
  const char *file = getenv("FAKE_GPU_REPORT");
  FILE *to = file ? fopen(file, "w") : nullptr;
  if (!to)
    return;
  std::lock_guard<std::mutex> held(counts().lock);
  long all = 0;
  for (auto &[name, times] : counts().launches)
    all += times;
  const auto counter = [](Counter which) { return counts().counters[int(which)].load(); };
  fprintf(to, "{\"launches\":%ld,\"views\":%ld,\"events\":%ld,\"stream_waits\":%ld,\"pinned_copies\":%ld,", all,
          counts().views, counter(Counter::Events), counter(Counter::Blocks), counter(Counter::PinnedCopies));
  fprintf(to, "\"recorded_streams\":%ld,\"peak_bytes\":[", counter(Counter::RecordedStreams));
  for (int device = 0; device < devices(); ++device)
    fprintf(to, "%s%ld", device ? "," : "", long(peak_bytes(c10::DeviceIndex(device))));
  fprintf(to, "],\"operations\":{");
  const char *comma = "";
  for (auto &[name, times] : counts().launches) {
    fprintf(to, "%s%s:%ld", comma, quoted(name).c_str(), times);
    comma = ",";
  }
  fprintf(to, "},\"waits\":[");
  comma = "";
  for (auto &[key, times] : counts().waits) {
    auto &[thread, why, where] = key;
    fprintf(to, "%s{\"thread\":%s,\"why\":%s,\"place\":%s,\"times\":%ld}", comma, quoted(thread).c_str(),
            quoted(why).c_str(), quoted(where).c_str(), times);
    comma = ",";
  }
  fprintf(to, "]}\n");
  fclose(to);
}

// FAKE_GPU_TRACE names an operation, or `waits`.
void trace(const char *name, const std::string &what) {
  static const char *wanted = getenv("FAKE_GPU_TRACE");
  if (!wanted || strncmp(name, wanted, strlen(wanted)) != 0)
    return;
  void *frames[64];
  const int depth = backtrace(frames, 64);
  fprintf(stderr, "fake GPU: %s on thread %s\n", what.c_str(), thread_name().c_str());
  backtrace_symbols_fd(frames, depth, 2);
}

struct AtExit {
  AtExit() { atexit(write_report); }
} at_exit;

} // namespace

void launched(const std::string &operation) {
  trace(operation.c_str(), operation);
  std::lock_guard<std::mutex> held(counts().lock);
  counts().launches[operation]++;
}

void viewed() {
  std::lock_guard<std::mutex> held(counts().lock);
  counts().views++;
}

void waited(const std::string &why) {
  const std::string thread = thread_name(), where = place();
  trace("waits", "a wait " + why);
  std::lock_guard<std::mutex> held(counts().lock);
  counts().waits[{thread, why, where}]++;
  counts().waited++;
}

void count(Counter counter) { counts().counters[int(counter)]++; }

} // namespace fake

extern "C" {

// How often the host waited for the device so far.
long fake_gpu_waits() {
  std::lock_guard<std::mutex> held(fake::counts().lock);
  return fake::counts().waited;
}

// How many kernels and copies were launched so far.
long fake_gpu_launches() {
  std::lock_guard<std::mutex> held(fake::counts().lock);
  long all = 0;
  for (auto &[name, times] : fake::counts().launches)
    all += times;
  return all;
}
}
