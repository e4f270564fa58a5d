// Operations: the CPU's kernels on the same memory, late where the shapes of the results are known beforehand.
#include "fake.h"

#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include <exception>
#include <set>

namespace fake {
namespace {

using at::Tensor;
using c10::IValue;
using torch::jit::Stack;

c10::DispatchKeySet only(c10::DispatchKey key) { return c10::DispatchKeySet(key); }

Tensor over(const c10::Storage &storage, c10::DispatchKey key, const Tensor &like) {
  auto made = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(storage), only(key), like.dtype());
  made.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  if (like.unsafeGetTensorImpl()->is_wrapped_number())
    made.unsafeGetTensorImpl()->set_wrapped_number(true);
  if (like.is_conj())
    made._set_conj(true);
  return made;
}

// Tensors of the device as the CPU's, over the same memory, which they do not keep alive: a stream's order does.
struct Aliases {
  struct Pair {
    c10::Storage device, host;
  };
  std::vector<Pair> storages;
  std::vector<std::pair<Tensor, Tensor>> tensors; // of the host, of the device

  Tensor host(const Tensor &tensor) {
    if (!tensor.defined() || !tensor.is_cuda())
      return tensor;
    const c10::Storage *found = nullptr;
    for (auto &pair : storages)
      if (pair.device.unsafeGetStorageImpl() == tensor.storage().unsafeGetStorageImpl())
        found = &pair.host;
    if (!found) {
      const auto &storage = tensor.storage();
      c10::DataPtr raw(const_cast<void *>(storage.data()), c10::Device(c10::kCPU));
      storages.push_back({storage, c10::Storage(c10::Storage::use_byte_size_t(), storage.nbytes(), std::move(raw),
                                                c10::GetCPUAllocator(), true)});
      found = &storages.back().host;
    }
    Tensor alias = over(*found, c10::DispatchKey::CPU, tensor);
    tensors.emplace_back(alias, tensor);
    return alias;
  }

  // What the host's kernel made of them: the same tensor, a view, or something new.
  Tensor device(const Tensor &tensor, c10::DeviceIndex index) {
    if (!tensor.defined() || !tensor.is_cpu())
      return tensor;
    for (auto &[alias, original] : tensors)
      if (alias.unsafeGetTensorImpl() == tensor.unsafeGetTensorImpl())
        return original;
    for (auto &pair : storages)
      if (pair.host.unsafeGetStorageImpl() == tensor.storage().unsafeGetStorageImpl())
        return over(pair.device, c10::DispatchKey::CUDA, tensor);
    const c10::DeviceGuard guard(c10::Device(c10::kCUDA, index));
    const Tensor made = at::detail::empty_strided_generic(tensor.sizes(), tensor.strides(), device_memory(),
                                                          only(c10::DispatchKey::CUDA), tensor.scalar_type());
    Aliases fresh;
    fresh.host(made).copy_(tensor); // Nothing else knows this memory yet.
    return made;
  }

  // What an operation resized.
  void follow(c10::DeviceIndex index) {
    for (auto &[alias, original] : tensors) {
      if (alias.sizes() == original.sizes() && alias.strides() == original.strides() &&
          alias.storage().nbytes() == original.storage().nbytes())
        continue;
      const c10::DeviceGuard guard(c10::Device(c10::kCUDA, index));
      auto memory = device_memory()->allocate(alias.storage().nbytes());
      if (memory.get())
        memcpy(memory.get(), alias.storage().data(), alias.storage().nbytes());
      auto *storage = original.storage().unsafeGetStorageImpl();
      storage->set_data_ptr_noswap(std::move(memory));
      storage->set_nbytes(alias.storage().nbytes());
      original.unsafeGetTensorImpl()->set_sizes_and_strides(alias.sizes(), alias.strides(), alias.storage_offset());
    }
  }
};

// As below all of libtorch's layers, whatever the thread was doing.
struct Below {
  at::AutoDispatchBelowADInplaceOrView autograd;
  c10::impl::ExcludeDispatchKeyGuard autocast{c10::autocast_dispatch_keyset};
  at::NoGradGuard no_grad;
};

// Runs `work` on the device's thread after everything before it in `line`, and passes on what it throws.
void at_once(Line *line, const std::function<void()> &work) {
  std::exception_ptr thrown;
  wait(put(line, [&] {
    try {
      const Below below;
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }));
  if (thrown)
    std::rethrow_exception(thrown);
}

const std::set<std::string> WAITS{"aten::nonzero",         "aten::masked_select", "aten::_unique2",
                                  "aten::unique_dim",      "aten::bincount",      "aten::unique_consecutive",
                                  "aten::equal",           "aten::multinomial",   "aten::_local_scalar_dense",
                                  "aten::repeat_interleave", "aten::is_nonzero"};

void each_tensor(const IValue &value, const std::function<void(const Tensor &)> &visit) {
  if (value.isTensor())
    visit(value.toTensor());
  else if (value.isTensorList())
    for (const Tensor &tensor : value.toTensorVector())
      visit(tensor);
  else if (value.isOptionalTensorList())
    for (const std::optional<Tensor> tensor : value.toOptionalTensorList())
      if (tensor)
        visit(*tensor);
}

template <typename Change> IValue changed(const IValue &value, Change change) {
  if (value.isTensor())
    return change(value.toTensor());
  if (value.isTensorList()) {
    c10::List<Tensor> list;
    for (const Tensor &tensor : value.toTensorVector())
      list.push_back(change(tensor));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<Tensor>> list;
    for (const std::optional<Tensor> tensor : value.toOptionalTensorList())
      list.push_back(tensor ? std::optional<Tensor>(change(*tensor)) : tensor);
    return list;
  }
  if (value.isDevice() && value.toDevice().is_cuda())
    return c10::Device(c10::kCPU);
  return value;
}

// The one device of the tensors of a call.
c10::DeviceIndex common_device(const std::string &name, const Stack &stack, size_t begin) {
  int found = -1;
  bool host = false;
  for (size_t at = begin; at < stack.size(); ++at)
    each_tensor(stack[at], [&](const Tensor &tensor) {
      if (!tensor.defined())
        return;
      // A single number of the host may be an argument of a kernel.
      host |= tensor.is_cpu() && tensor.dim() > 0;
      if (!tensor.is_cuda())
        return;
      TORCH_CHECK(found < 0 || found == tensor.device().index(), name,
                  ": Expected all tensors to be on the same device, but found at least two devices, cuda:", found,
                  " and cuda:", int(tensor.device().index()), "!");
      found = tensor.device().index();
    });
  TORCH_CHECK(!(host && found >= 0), name,
              ": Expected all tensors to be on the same device, but found at least two devices, cuda:", found,
              " and cpu!");
  return c10::DeviceIndex(found < 0 ? current_device() : found);
}

struct Kind {
  bool view = false, late = true;
};

Kind kind_of(const c10::FunctionSchema &schema, const Stack &stack, size_t begin) {
  Kind kind;
  for (const auto &result : schema.returns()) {
    const bool alias = result.alias_info() != nullptr;
    kind.view |= alias && !result.alias_info()->isWrite();
    kind.late &= alias;
  }
  bool writes = false;
  for (size_t at = 0; at < schema.arguments().size(); ++at) {
    const auto &argument = schema.arguments()[at];
    const auto &value = stack[begin + at];
    if (argument.alias_info() && argument.alias_info()->isWrite()) {
      writes = true;
      each_tensor(value, [&](const Tensor &tensor) { kind.late &= tensor.defined() && tensor.numel() > 0; });
    }
    // Draws follow the order of the program, as those of a GPU do.
    kind.late &= argument.name() != "generator";
  }
  kind.late &= writes && !kind.view && schema.name() != "aten::resize_" && schema.name() != "aten::set_";
  return kind;
}

// The arguments that the results are.
Stack written(const c10::FunctionSchema &schema, const Stack &stack, size_t begin) {
  Stack results;
  for (const auto &result : schema.returns())
    for (size_t at = 0; at < schema.arguments().size(); ++at) {
      const auto *alias = schema.arguments()[at].alias_info();
      if (alias && *alias == *result.alias_info()) {
        results.push_back(stack[begin + at]);
        break;
      }
    }
  return results;
}

void fallback(const c10::OperatorHandle &op, c10::DispatchKeySet, Stack *stack) {
  const auto &schema = op.schema();
  const size_t begin = stack->size() - schema.arguments().size();
  const auto device = common_device(schema.name(), *stack, begin);
  const Kind kind = kind_of(schema, *stack, begin);
  if (kind.view)
    viewed();
  else
    launched(schema.name() + (schema.overload_name().empty() ? "" : "." + schema.overload_name()));
  if (WAITS.count(schema.name()))
    waited(schema.name());

  Aliases aliases;
  Stack call;
  for (size_t at = begin; at < stack->size(); ++at)
    call.push_back(changed((*stack)[at], [&](const Tensor &tensor) {
      // A number of the host is read when the kernel is launched.
      if (!tensor.defined() || !tensor.is_cpu() || kind.view)
        return aliases.host(tensor);
      Tensor number = tensor.clone();
      number.unsafeGetTensorImpl()->set_wrapped_number(tensor.unsafeGetTensorImpl()->is_wrapped_number());
      return number;
    }));
  Line *line = current(device);
  if (kind.late) {
    Stack results = written(schema, *stack, begin);
    stack->erase(stack->begin() + long(begin), stack->end());
    stack->insert(stack->end(), results.begin(), results.end());
    put(line, [op, call = std::move(call)] {
      const Below below;
      Stack stack = call; // Its arguments have to outlive the call: results may be references to them.
      op.redispatchBoxed(only(c10::DispatchKey::CPU), &stack);
    });
    return;
  }
  const auto run = [&] { op.redispatchBoxed(only(c10::DispatchKey::CPU), &call); };
  if (kind.view) {
    const Below below;
    run();
  } else
    at_once(line, run);
  aliases.follow(device);
  stack->erase(stack->begin() + long(begin), stack->end());
  for (const IValue &value : call)
    stack->push_back(changed(value, [&](const Tensor &tensor) { return aliases.device(tensor, device); }));
}

Tensor &copy_(Tensor &self, const Tensor &source, bool non_blocking) {
  launched("aten::copy_");
  if (self.numel() == 0)
    return self;
  Aliases aliases;
  Tensor to = aliases.host(self), from = aliases.host(source);
  if (self.is_cuda() && source.is_cuda())
    TORCH_CHECK(self.device() == source.device(), "a copy between devices: ", source.device(), " to ", self.device());
  if (from.sizes() != to.sizes())
    from = from.expand(to.sizes());
  const bool crosses = self.is_cuda() != source.is_cuda();
  const Tensor &host = self.is_cuda() ? source : self;
  const bool late = !crosses || (non_blocking && is_pinned(host.storage().data()));
  Line *line = current((self.is_cuda() ? self : source).device().index());
  const Mark mark = put(line, [to, from] {
    const Below below;
    to.copy_(from);
  });
  if (late) {
    if (crosses)
      count(Counter::PinnedCopies);
    return self;
  }
  waited(std::string("for a copy ") + (self.is_cuda() ? "to" : "from") + " the device" +
         (is_pinned(host.storage().data()) ? ", blocking" : ", pageable memory"));
  wait(mark);
  return self;
}

Tensor empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
             std::optional<at::Device> device, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), device_memory(), only(c10::DispatchKey::CUDA),
                                   c10::dtype_or_default(dtype), format);
}

Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype,
                     std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride),
                                           device_memory(), only(c10::DispatchKey::CUDA),
                                           c10::dtype_or_default(dtype));
}

// oneDNN's gradient of a grouped convolution with few channels in bfloat16 writes beyond its memory.
struct WithoutOneDnn {
  WithoutOneDnn() { at::globalContext().setUserEnabledMkldnn(false); }
} without_onednn;

void record(Tensor &self, c10::Stream stream) {
  record_stream(self.storage().data(), stream.device_index(), stream.id());
}

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&fallback>()); }

// A launch or few on a GPU, where the CPU has a loop of operations; and convolutions, whose preparations would otherwise
// be those of a GPU without cuDNN. With its bias a convolution counts as one launch, its backward pass as another.
const char *const WHOLE[] = {"convolution", "convolution_backward", "_foreach_norm.Scalar",   "_foreach_add_.List",  "_foreach_add_.Scalar", "_foreach_mul_.Scalar",
                             "_foreach_mul_.Tensor",   "_foreach_lerp_.Scalar", "_foreach_copy_",     "_foreach_zero_",
                             "_foreach_div_.Tensor",   "_foreach_mul.Tensor", "_foreach_add.List",    "_foreach_mul.List"};

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("copy_", copy_);
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("record_stream", record);
  for (const char *name : WHOLE)
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&fallback>());
}

} // namespace
} // namespace fake
