// Processes that compute together: c10d's store and its collectives, whose code is in libtorch_cpu. NCCL's are in
// libtorch_cuda, which is looked for when they are asked for: the program is linked without it.

#define USE_C10D_GLOO 1

#include "guard.h"

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <c10/util/Logging.h>

#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

using Milliseconds = std::chrono::milliseconds;
using StorePointer = c10::intrusive_ptr<c10d::Store>;
using BackendPointer = c10::intrusive_ptr<c10d::Backend>;
using WorkPointer = c10::intrusive_ptr<c10d::Work>;

// What the last `get` of this thread found.
std::vector<uint8_t> &found() {
  thread_local std::vector<uint8_t> bytes;
  return bytes;
}

// What `closure` makes of a tensor that counts on all processes: their sum. Each of them uses it, so the gradient of what one
// put in is the sum of all their gradients.
struct SumOverRanks : torch::autograd::Function<SumOverRanks> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x,
                            const c10::intrusive_ptr<Closure> &closure) {
    context->saved_data["closure"] = c10::IValue::make_capsule(closure);
    return (*closure)(x.detach());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 const torch::autograd::variable_list &gradients) {
    auto capsule = context->saved_data["closure"].toCapsule();
    const at::NoGradGuard without;
    return {static_cast<const Closure &>(*capsule)(gradients[0]), at::Tensor()};
  }
};

void *symbol(const char *name) {
  void *address = dlsym(RTLD_DEFAULT, name);
  TORCH_CHECK(address, "libtorch_cuda.so has no ", name, ": it is of another version than the program was built for");
  return address;
}

} // namespace

extern "C" {

// A connection to the store at `host`:`port`, which this process serves itself where `serves`; all keys begin with
// `prefix`.
int trackflow_native_store(const char *host, uint16_t port, int serves, int64_t timeout_ms, const char *prefix,
                           StorePointer **out) {
  return trackflow::guarded([&] {
    // c10d writes pages of C++ to standard error whenever somebody is gone or late, of which a sentence is said elsewhere.
    if (!std::getenv("TORCH_CPP_LOG_LEVEL"))
      FLAGS_caffe2_log_level = 3; // What ends the process.
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serves != 0;
    options.waitWorkers = false;
    options.timeout = Milliseconds(timeout_ms);
    auto store = c10::make_intrusive<c10d::TCPStore>(host, options);
    *out = new StorePointer(c10::make_intrusive<c10d::PrefixStore>(prefix, std::move(store)));
  });
}

void trackflow_native_store_free(StorePointer *store) { delete store; }

int trackflow_native_store_set(StorePointer *store, const char *key, const uint8_t *bytes, size_t count) {
  return trackflow::guarded([&] { (*store)->set(key, std::vector<uint8_t>(bytes, bytes + count)); });
}

// Waits up to `timeout_ms` for `key`; what it holds stays until the next call on this thread.
int trackflow_native_store_get(StorePointer *store, const char *key, int64_t timeout_ms, const uint8_t **bytes,
                               size_t *count) {
  return trackflow::guarded([&] {
    (*store)->wait({key}, Milliseconds(timeout_ms));
    found() = (*store)->get(key);
    *bytes = found().data();
    *count = found().size();
  });
}

int trackflow_native_store_has(StorePointer *store, const char *key, int *has) {
  return trackflow::guarded([&] { *has = (*store)->check({key}); });
}

int trackflow_native_store_add(StorePointer *store, const char *key, int64_t value, int64_t *sum) {
  return trackflow::guarded([&] { *sum = (*store)->add(key, value); });
}

// Gloo among `size` processes that meet in `store` within `meet_ms`; this one is reached at the address `host`, or where
// that is null, at the interface. (Its method `setTimeout` must not be called: what it is written out to names a function
// that libtorch_cuda has too, and the linker would take it from there.)
int trackflow_native_gloo(StorePointer *store, int rank, int size, int64_t meet_ms, const char *host, const char *interface,
                          BackendPointer **out) {
  return trackflow::guarded([&] {
    auto options = c10d::ProcessGroupGloo::Options::create(Milliseconds(meet_ms));
    options->devices.push_back(host ? c10d::ProcessGroupGloo::createDeviceForHostname(host)
                                    : c10d::ProcessGroupGloo::createDeviceForInterface(interface));
    *out = new BackendPointer(c10::make_intrusive<c10d::ProcessGroupGloo>(*store, rank, size, options));
  });
}

// NCCL among `size` processes. Its class is declared in headers that no build without CUDA has, so the object is made by
// the constructors' symbols, in memory that is larger than it; from then on it is a backend like any other.
int trackflow_native_nccl(StorePointer *store, int rank, int size, int64_t timeout_ms, BackendPointer **out) {
  return trackflow::guarded([&] {
    TORCH_CHECK(dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL), "libtorch_cuda.so cannot be loaded: ", dlerror());
    using MakeOptions = void (*)(void *, bool);
    using Make = void (*)(void *, StorePointer, int, int, c10::intrusive_ptr<c10::intrusive_ptr_target>);
    auto make_options = (MakeOptions)symbol("_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb");
    auto make = (Make)symbol("_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_"
                             "default_null_typeIS3_EEEEiiNS2_INS0_7OptionsENS5_IS8_EEEE");
    constexpr size_t LARGER = 1 << 16; // The object has 1,112 bytes, its options 244.
    void *options = ::operator new(LARGER), *object = ::operator new(LARGER);
    std::memset(options, 0, LARGER);
    std::memset(object, 0, LARGER);
    make_options(options, false);
    static_cast<c10d::Backend::Options *>(options)->timeout = Milliseconds(timeout_ms);
    auto held = c10::intrusive_ptr<c10::intrusive_ptr_target>::unsafe_steal_from_new(
        static_cast<c10::intrusive_ptr_target *>(options));
    make(object, *store, rank, size, held);
    *out = new BackendPointer(BackendPointer::unsafe_steal_from_new(static_cast<c10d::Backend *>(object)));
  });
}

void trackflow_native_backend_free(BackendPointer *backend) { delete backend; }

// Begins to sum `tensor` over all processes, in place; it fails where they do not come within `timeout_ms`.
int trackflow_native_backend_sum(BackendPointer *backend, at::Tensor *tensor, int64_t timeout_ms, WorkPointer **out) {
  return trackflow::guarded([&] {
    std::vector<at::Tensor> list{*tensor};
    c10d::AllreduceOptions options;
    options.timeout = Milliseconds(timeout_ms);
    *out = new WorkPointer((*backend)->allreduce(list, options));
  });
}

// Begins to copy `tensor` of the process `root` over that of all others.
int trackflow_native_backend_broadcast(BackendPointer *backend, at::Tensor *tensor, int root, int64_t timeout_ms,
                                       WorkPointer **out) {
  return trackflow::guarded([&] {
    std::vector<at::Tensor> list{*tensor};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    options.timeout = Milliseconds(timeout_ms);
    *out = new WorkPointer((*backend)->broadcast(list, options));
  });
}

// Waits up to `timeout_ms`; `done` says whether it is over.
int trackflow_native_work_wait(WorkPointer *work, int64_t timeout_ms, int *done) {
  return trackflow::guarded([&] {
    *done = 1;
    if ((*work)->isCompleted()) {
      (*work)->wait();
      return;
    }
    try {
      (*work)->wait(Milliseconds(timeout_ms));
    } catch (...) {
      if ((*work)->isCompleted())
        throw;
      *done = 0;
    }
  });
}

// What the present stream of the device does from here on begins after it; nobody waits.
int trackflow_native_work_order(WorkPointer *work) {
  return trackflow::guarded([&] { (*work)->synchronize(); });
}

void trackflow_native_work_free(WorkPointer *work) { delete work; }

// The sum of `x` over all processes, by `run` of `closure`, with gradients through it.
int trackflow_native_sum_over_ranks(const at::Tensor *x, void *closure, Run run, Drop drop, at::Tensor **out) {
  auto held = c10::make_intrusive<Closure>(closure, run, drop);
  return trackflow::guarded([&] { *out = new at::Tensor(SumOverRanks::apply(*x, held)); });
}
}
