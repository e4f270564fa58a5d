//! Automatic mixed precision of this thread, and TensorFloat-32 of the process.

use super::check;
use std::{cell::Cell, ffi::c_int};
use tch::{Device, TchError};

unsafe extern "C" {
    fn trackflow_native_autocast_enter(cuda: c_int, before: *mut c_int) -> c_int;
    fn trackflow_native_autocast_leave(cuda: c_int, before: c_int) -> c_int;
    fn trackflow_native_allow_tf32(allow: c_int) -> c_int;
}

thread_local! {
    /// How many [`Autocast`]s live on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Whether products on this thread are in bfloat16.
pub fn autocast_is_on() -> bool {
    DEPTH.get() > 0
}

/// Autocast to bfloat16 is on for this thread while this lives.
#[derive(Debug)]
pub struct Autocast {
    cuda: c_int,
    before: c_int,
}

impl Autocast {
    /// Turns it on for products on devices of the kind of `device`.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn enter(device: Device) -> Result<Self, TchError> {
        let cuda = c_int::from(device.is_cuda());
        let mut before = 0;
        // SAFETY: `before` outlives the call.
        check(unsafe { trackflow_native_autocast_enter(cuda, &raw mut before) })?;
        DEPTH.set(DEPTH.get() + 1);
        Ok(Self { cuda, before })
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
        // SAFETY: no memory is passed. It cannot fail where entering did not.
        let _ = unsafe { trackflow_native_autocast_leave(self.cuda, self.before) };
    }
}

/// Whether products of f32 on a GPU may round their inputs to TensorFloat-32, for the whole process.
///
/// # Errors
/// What libtorch refuses.
pub fn allow_tf32(allow: bool) -> Result<(), TchError> {
    // SAFETY: no memory is passed.
    check(unsafe { trackflow_native_allow_tf32(c_int::from(allow)) })
}
