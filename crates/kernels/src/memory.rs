//! How the C library's allocator treats memory, what a device's allocator knows, and the way to a device.

use super::{check, stream};
use std::{
    ffi::c_int,
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};
use tch::{Device, TchError, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn trackflow_native_peak_memory(index: c_int, bytes: *mut i64) -> c_int;
    fn trackflow_native_channels_last(tensor: *const C_tensor, out: *mut *mut C_tensor) -> c_int;
}

/// Regions of memory that threads take blocks from.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: libc::c_int = 2;

/// Makes the allocator keep what is freed, in few places, for the whole process.
///
/// The tensors of a step come and go with every step. By default glibc asks the system for each large block and gives it
/// back when it is freed, and the system clears every page anew: a tenth of the time of a step on a CPU. And it has eight
/// regions for every core: clips, taken on one thread and freed on another, then leave holes in all of them, and what the
/// process holds is larger by half and grows for long.
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator, which may be done at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        // Who sets it in the environment knows better.
        if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
        }
    }
}

/// Where the address space has a limit, an allocation that fails ends the process with a sentence and `exit_code`: in C++
/// nobody catches it, and the standard library aborts.
pub fn say_when_exhausted(exit_code: i32) {
    static CODE: AtomicI32 = AtomicI32::new(0);
    extern "C" fn say(_: libc::c_int) {
        const TEXT: &[u8] =
            b"error: out of memory: the address space of this process is limited; raise the limit (ulimit -v) \
              or set smaller sizes\n";
        // SAFETY: both may be called in a handler of signals; the text is ours.
        unsafe {
            libc::write(libc::STDERR_FILENO, TEXT.as_ptr().cast(), TEXT.len());
            libc::_exit(CODE.load(Ordering::Relaxed));
        }
    }
    CODE.store(exit_code, Ordering::Relaxed);
    // SAFETY: the handler calls nothing that may not be called there.
    unsafe { libc::signal(libc::SIGABRT, say as *const () as libc::sighandler_t) };
}

/// The most bytes that tensors took on GPU `number` at once.
///
/// # Errors
/// libtorch does not tell, as it does not know the GPU.
pub fn gpu_peak(number: usize) -> Result<u64, TchError> {
    let mut bytes = 0;
    // SAFETY: `bytes` outlives the call.
    check(unsafe { trackflow_native_peak_memory(c_int::try_from(number).unwrap_or(c_int::MAX), &raw mut bytes) })?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// A map or kernel with its channels last in memory, as convolutions of a GPU read them fastest.
///
/// # Errors
/// It has no four dimensions, or there is no memory.
pub fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut out = ptr::null_mut();
    // SAFETY: a new tensor comes back when the status is 0.
    unsafe {
        check(trackflow_native_channels_last(tensor.as_ptr(), &raw mut out))?;
        Ok(Tensor::from_ptr(out))
    }
}

/// `tensor` of the host on `device`. For a GPU it goes through page-locked memory, so that nobody waits for the copy.
///
/// # Errors
/// What libtorch refuses, such as a tensor for which there is no memory.
pub fn send(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    if !device.is_cuda() {
        return tensor.f_to_device(device);
    }
    let staged = stream::staging(&tensor.size(), tensor.kind(), device)?;
    staged.shallow_clone().f_copy_(tensor)?;
    staged.f_to_device_(device, tensor.kind(), true, false)
}
