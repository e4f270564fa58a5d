//! Streams and events of a GPU, and page-locked memory. On the CPU, where work is done when it was asked for, the same
//! calls do nothing but take the time.

use super::check;
use std::{
    ffi::c_int,
    ptr,
    time::{Duration, Instant},
};
use tch::{Device, Kind, TchError, Tensor};
use torch_sys::C_tensor;

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Packed {
    id: i64,
    index: i64,
}

#[repr(C)]
struct CEvent {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn trackflow_native_stream_new(index: c_int, out: *mut Packed) -> c_int;
    fn trackflow_native_stream_current(index: c_int, out: *mut Packed) -> c_int;
    fn trackflow_native_stream_enter(to: *const Packed, before: *mut Packed) -> c_int;
    fn trackflow_native_stream_uses(user: *const Packed, tensor: *const C_tensor) -> c_int;
    fn trackflow_native_event_record(at: *const Packed, out: *mut *mut CEvent) -> c_int;
    fn trackflow_native_event_drop(event: *mut CEvent);
    fn trackflow_native_event_block(event: *const CEvent, waiting: *const Packed) -> c_int;
    fn trackflow_native_event_query(event: *const CEvent, done: *mut c_int) -> c_int;
    fn trackflow_native_event_wait(event: *const CEvent) -> c_int;
    fn trackflow_native_event_elapsed(first: *const CEvent, second: *const CEvent, ms: *mut f64) -> c_int;
    fn trackflow_native_copy_later(to: *const C_tensor, from: *const C_tensor) -> c_int;
    fn trackflow_native_pinned(count: i64, out: *mut *mut C_tensor) -> c_int;
}

fn index(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}

/// An order in which a device does its work. Work of two streams has no order but that of events.
#[derive(Clone, Copy, Debug)]
pub struct Stream(Option<Packed>);

impl Stream {
    /// A stream of its own on `device`.
    ///
    /// # Errors
    /// There is no such device.
    pub fn new(device: Device) -> Result<Self, TchError> {
        Self::with(device, trackflow_native_stream_new)
    }

    /// The stream that this thread's work on `device` goes to.
    ///
    /// # Errors
    /// There is no such device.
    pub fn current(device: Device) -> Result<Self, TchError> {
        Self::with(device, trackflow_native_stream_current)
    }

    fn with(device: Device, find: unsafe extern "C" fn(c_int, *mut Packed) -> c_int) -> Result<Self, TchError> {
        let Device::Cuda(number) = device else { return Ok(Self(None)) };
        let mut packed = Packed::default();
        // SAFETY: `packed` outlives the call.
        check(unsafe { find(index(number), &raw mut packed) })?;
        Ok(Self(Some(packed)))
    }

    /// Lets this thread's work go to this stream for as long as the value lives.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn enter(&self) -> Result<Entered, TchError> {
        Ok(Entered { before: self.0.map(exchange).transpose()?, _of_thread: std::marker::PhantomData })
    }

    /// Keeps the memory of `tensor`, which was allocated for another stream, until what this one was asked for so far is
    /// done, even if the program lets go of it before.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn uses(&self, tensor: &Tensor) -> Result<(), TchError> {
        // SAFETY: stream and tensor outlive the call.
        self.0
            .map_or(Ok(()), |packed| check(unsafe { trackflow_native_stream_uses(&raw const packed, tensor.as_ptr()) }))
    }

    /// A moment in this stream: when everything is done that it was asked for so far.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn record(&self) -> Result<Event, TchError> {
        let Some(packed) = self.0 else { return Ok(Event(Moment::Host(Instant::now()))) };
        let mut event = ptr::null_mut();
        // SAFETY: a new event comes back when the status is 0.
        check(unsafe { trackflow_native_event_record(&raw const packed, &raw mut event) })?;
        Ok(Event(Moment::Device(event)))
    }

    /// Lets what this stream is asked for from now on begin after `event`. The host does not wait.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn after(&self, event: &Event) -> Result<(), TchError> {
        match (self.0, &event.0) {
            (Some(packed), Moment::Device(event)) => {
                // SAFETY: event and stream outlive the call.
                check(unsafe { trackflow_native_event_block(*event, &raw const packed) })
            }
            _ => Ok(()),
        }
    }
}

fn exchange(to: Packed) -> Result<Packed, TchError> {
    let mut before = Packed::default();
    // SAFETY: both outlive the call.
    check(unsafe { trackflow_native_stream_enter(&raw const to, &raw mut before) })?;
    Ok(before)
}

/// This thread's work goes to another stream while this lives.
#[derive(Debug)]
pub struct Entered {
    before: Option<Packed>,
    _of_thread: std::marker::PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // It cannot fail where entering did not.
        let _ = self.before.map(exchange);
    }
}

/// A moment in a stream, which may still lie ahead.
#[derive(Debug)]
pub struct Event(Moment);

#[derive(Debug)]
enum Moment {
    Host(Instant),
    Device(*mut CEvent),
}

// SAFETY: an event is only asked and waited for once it is recorded, which any thread may do.
unsafe impl Send for Event {}
// SAFETY: as above; nothing is written after it was recorded.
unsafe impl Sync for Event {}

impl Drop for Event {
    fn drop(&mut self) {
        if let Moment::Device(event) = self.0 {
            // SAFETY: the pointer came from `trackflow_native_event_record` and is dropped here alone.
            unsafe { trackflow_native_event_drop(event) }
        }
    }
}

impl Event {
    /// Whether the moment is over. Nobody waits.
    ///
    /// # Errors
    /// What went wrong on the device.
    pub fn is_over(&self) -> Result<bool, TchError> {
        let Moment::Device(event) = self.0 else { return Ok(true) };
        let mut done = 0;
        // SAFETY: the event lives, and `done` outlives the call.
        check(unsafe { trackflow_native_event_query(event, &raw mut done) })?;
        Ok(done != 0)
    }

    /// Waits until the moment is over.
    ///
    /// # Errors
    /// What went wrong on the device.
    pub fn wait(&self) -> Result<(), TchError> {
        let Moment::Device(event) = self.0 else { return Ok(()) };
        // SAFETY: the event lives.
        check(unsafe { trackflow_native_event_wait(event) })
    }

    /// The time from this moment to a `later` one of the same device, both of which are over.
    ///
    /// # Errors
    /// One of them is not, or they are of different devices.
    pub fn until(&self, later: &Self) -> Result<Duration, TchError> {
        match (&self.0, &later.0) {
            (Moment::Host(first), Moment::Host(second)) => Ok(second.saturating_duration_since(*first)),
            (Moment::Device(first), Moment::Device(second)) => {
                let mut milliseconds = 0.0;
                // SAFETY: both events live, and the number outlives the call.
                check(unsafe { trackflow_native_event_elapsed(*first, *second, &raw mut milliseconds) })?;
                Ok(Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default())
            }
            _ => Err(TchError::Torch("moments of the host and of a device cannot be compared".into())),
        }
    }
}

/// A tensor of the host of this shape, not filled, for copies to and from `device`: page-locked where that is a GPU, so
/// that the host need not wait for them.
///
/// # Errors
/// There is no memory.
pub fn staging(shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, TchError> {
    if !device.is_cuda() {
        return Tensor::f_empty(shape, (kind, Device::Cpu));
    }
    let count = shape.iter().product::<i64>() * kind.elt_size_in_bytes() as i64;
    let mut out = ptr::null_mut();
    // SAFETY: a new tensor comes back when the status is 0.
    let bytes = unsafe {
        check(trackflow_native_pinned(count, &raw mut out))?;
        Tensor::from_ptr(out)
    };
    bytes.f_view_dtype(kind)?.f_view(shape)
}

/// A tensor of a device on its way to the host.
#[derive(Debug)]
pub struct Download {
    host: Tensor,
    over: Event,
}

impl Download {
    /// Begins to bring `tensor` to the host, after what this thread asked its device for so far. Nobody waits.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn begin(tensor: &Tensor) -> Result<Self, TchError> {
        let (tensor, device) = (tensor.detach(), tensor.device());
        let stream = Stream::current(device)?;
        if !device.is_cuda() {
            return Ok(Self { host: tensor, over: stream.record()? });
        }
        let host = staging(&tensor.size(), tensor.kind(), device)?;
        copy_later(&host, &tensor)?;
        Ok(Self { host, over: stream.record()? })
    }

    /// The tensor on the host; waits until it is there.
    ///
    /// # Errors
    /// What went wrong on the device.
    pub fn finish(self) -> Result<Tensor, TchError> {
        self.over.wait()?;
        Ok(self.host)
    }
}

/// Copies `from` over `to` in the order of this thread's stream, without waiting where one of them is page-locked.
///
/// # Errors
/// Shapes that do not fit.
pub fn copy_later(to: &Tensor, from: &Tensor) -> Result<(), TchError> {
    // SAFETY: both outlive the call. tch's own `copy_` always waits.
    tch::no_grad(|| check(unsafe { trackflow_native_copy_later(to.as_ptr(), from.as_ptr()) }))
}
