//! Processes that compute together: c10d's store, and the collectives of Gloo, which is part of libtorch's CPU library, and
//! of NCCL, which is looked for in its CUDA library when it is asked for.
//!
//! Whoever waits can do so for a while and then look around: a process that has gone is not always noticed by those who
//! wait for it.

use super::check;
use std::{
    ffi::{CString, c_char, c_int},
    fmt, ptr, slice,
    time::Duration,
};
use tch::{TchError, Tensor};
use torch_sys::C_tensor;

macro_rules! opaque {
    ($name:ident) => {
        /// A pointer of C++ that counts its references.
        #[repr(C)]
        struct $name {
            _opaque: [u8; 0],
        }
    };
}

opaque!(StorePointer);
opaque!(BackendPointer);
opaque!(WorkPointer);

unsafe extern "C" {
    fn trackflow_native_store(
        host: *const c_char,
        port: u16,
        serves: c_int,
        timeout_ms: i64,
        prefix: *const c_char,
        out: *mut *mut StorePointer,
    ) -> c_int;
    fn trackflow_native_store_free(store: *mut StorePointer);
    fn trackflow_native_store_set(
        store: *mut StorePointer,
        key: *const c_char,
        bytes: *const u8,
        count: usize,
    ) -> c_int;
    fn trackflow_native_store_get(
        store: *mut StorePointer,
        key: *const c_char,
        timeout_ms: i64,
        bytes: *mut *const u8,
        count: *mut usize,
    ) -> c_int;
    fn trackflow_native_store_has(store: *mut StorePointer, key: *const c_char, has: *mut c_int) -> c_int;
    fn trackflow_native_store_add(store: *mut StorePointer, key: *const c_char, value: i64, sum: *mut i64) -> c_int;
    fn trackflow_native_gloo(
        store: *mut StorePointer,
        rank: c_int,
        size: c_int,
        meet_ms: i64,
        host: *const c_char,
        interface: *const c_char,
        out: *mut *mut BackendPointer,
    ) -> c_int;
    fn trackflow_native_nccl(
        store: *mut StorePointer,
        rank: c_int,
        size: c_int,
        timeout_ms: i64,
        out: *mut *mut BackendPointer,
    ) -> c_int;
    fn trackflow_native_backend_free(backend: *mut BackendPointer);
    fn trackflow_native_backend_sum(
        backend: *mut BackendPointer,
        tensor: *const C_tensor,
        timeout_ms: i64,
        out: *mut *mut WorkPointer,
    ) -> c_int;
    fn trackflow_native_backend_broadcast(
        backend: *mut BackendPointer,
        tensor: *const C_tensor,
        root: c_int,
        timeout_ms: i64,
        out: *mut *mut WorkPointer,
    ) -> c_int;
    fn trackflow_native_work_wait(work: *mut WorkPointer, timeout_ms: i64, done: *mut c_int) -> c_int;
    fn trackflow_native_work_order(work: *mut WorkPointer) -> c_int;
    fn trackflow_native_work_free(work: *mut WorkPointer);
}

fn milliseconds(time: Duration) -> i64 {
    // One at least: less means for ever in C++.
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).max(1)
}

fn text(text: &str) -> Result<CString, TchError> {
    CString::new(text).map_err(|_| TchError::Torch(format!("{text:?} holds a zero byte")))
}

/// A connection to a store of keys and values that all processes share. Calls on one connection take turns.
pub struct Store(*mut StorePointer);

// SAFETY: the store's own lock guards every call on it.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// The store at `host`:`port`, which this process `serves` or another one does; what it holds below `prefix`. It waits
    /// up to `timeout` for an answer.
    ///
    /// # Errors
    /// The port cannot be had, or nobody answers there.
    pub fn connect(host: &str, port: u16, serves: bool, prefix: &str, timeout: Duration) -> Result<Self, TchError> {
        let (host, prefix, mut out) = (text(host)?, text(prefix)?, ptr::null_mut());
        // SAFETY: both strings end with a zero and live until the call is over; a store comes back when the status is 0.
        check(unsafe {
            trackflow_native_store(
                host.as_ptr(),
                port,
                c_int::from(serves),
                milliseconds(timeout),
                prefix.as_ptr(),
                &mut out,
            )
        })?;
        Ok(Self(out))
    }

    /// Puts `bytes` under `key`.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn set(&self, key: &str, bytes: &[u8]) -> Result<(), TchError> {
        let key = text(key)?;
        // SAFETY: the store lives as long as `self`; the bytes are as many as said.
        check(unsafe { trackflow_native_store_set(self.0, key.as_ptr(), bytes.as_ptr(), bytes.len()) })
    }

    /// What is under `key`, once somebody has put it there.
    ///
    /// # Errors
    /// Nobody does within `timeout`, or the store does not answer.
    pub fn get(&self, key: &str, timeout: Duration) -> Result<Vec<u8>, TchError> {
        let (key, mut bytes, mut count) = (text(key)?, ptr::null(), 0);
        // SAFETY: as above; what comes back stays where it is until the next call on this thread, and is copied here.
        unsafe {
            let waits = milliseconds(timeout);
            check(trackflow_native_store_get(self.0, key.as_ptr(), waits, &mut bytes, &mut count))?;
            Ok(if count == 0 { Vec::new() } else { slice::from_raw_parts(bytes, count).to_vec() })
        }
    }

    /// Whether there is something under `key`.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn has(&self, key: &str) -> Result<bool, TchError> {
        let (key, mut has) = (text(key)?, 0);
        // SAFETY: as above.
        check(unsafe { trackflow_native_store_has(self.0, key.as_ptr(), &mut has) })?;
        Ok(has != 0)
    }

    /// Adds `value` to the number under `key`, which begins at 0, and gives the sum.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn add(&self, key: &str, value: i64) -> Result<i64, TchError> {
        let (key, mut sum) = (text(key)?, 0);
        // SAFETY: as above.
        check(unsafe { trackflow_native_store_add(self.0, key.as_ptr(), value, &mut sum) })?;
        Ok(sum)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: it came from C++, and nobody has it any more.
        unsafe { trackflow_native_store_free(self.0) };
    }
}

/// Where the others find this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached<'a> {
    /// At an address or a name of this machine.
    Host(&'a str),
    /// At a network interface, such as `eth0`.
    Interface(&'a str),
}

/// A way to compute with other processes. All must ask it for the same in the same order.
pub struct Backend {
    backend: *mut BackendPointer,
    /// How long a process waits for the others in what they compute.
    timeout: Duration,
}

// SAFETY: c10d's backends may be used from any thread; whoever shares one keeps the order.
unsafe impl Send for Backend {}
// SAFETY: as above.
unsafe impl Sync for Backend {}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backend")
    }
}

impl Backend {
    /// Gloo, for tensors on the CPU, among `size` processes that meet in `store`; this one is `rank`. They wait for each
    /// other up to `meet` here, and up to `timeout` in what they compute.
    ///
    /// # Errors
    /// Not all come, or they cannot reach each other.
    pub fn gloo(
        store: &Store,
        rank: usize,
        size: usize,
        reached: Reached<'_>,
        [meet, timeout]: [Duration; 2],
    ) -> Result<Self, TchError> {
        let (host, interface) = match reached {
            Reached::Host(host) => (Some(text(host)?), None),
            Reached::Interface(name) => (None, Some(text(name)?)),
        };
        let pointer = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        let mut out = ptr::null_mut();
        // SAFETY: one of the two strings is there and lives until the call is over; C++ keeps a reference to the store. A
        // backend comes back when the status is 0.
        check(unsafe {
            trackflow_native_gloo(
                store.0,
                rank as c_int,
                size as c_int,
                milliseconds(meet),
                pointer(&host),
                pointer(&interface),
                &mut out,
            )
        })?;
        Ok(Self { backend: out, timeout })
    }

    /// NCCL, for tensors on GPUs, each process its own.
    ///
    /// # Errors
    /// libtorch's CUDA part is not there or of another version, or there is no GPU.
    pub fn nccl(store: &Store, rank: usize, size: usize, timeout: Duration) -> Result<Self, TchError> {
        let mut out = ptr::null_mut();
        // SAFETY: as above.
        check(unsafe {
            trackflow_native_nccl(store.0, rank as c_int, size as c_int, milliseconds(timeout), &mut out)
        })?;
        Ok(Self { backend: out, timeout })
    }

    /// Begins to replace `tensor`, which must lie in one piece, by its sum over all processes. Nobody may touch it until
    /// that is over.
    ///
    /// # Errors
    /// What c10d refuses.
    pub fn sum(&self, tensor: &Tensor) -> Result<Work, TchError> {
        let mut out = ptr::null_mut();
        // SAFETY: the tensor lives as long as the call, and C++ keeps a reference to its memory.
        check(unsafe {
            trackflow_native_backend_sum(self.backend, tensor.as_ptr(), milliseconds(self.timeout), &mut out)
        })?;
        Ok(Work { work: out, device: tensor.device() })
    }

    /// Begins to replace `tensor` by that of the process `root`.
    ///
    /// # Errors
    /// What c10d refuses.
    pub fn broadcast(&self, tensor: &Tensor, root: usize) -> Result<Work, TchError> {
        let mut out = ptr::null_mut();
        let timeout = milliseconds(self.timeout);
        // SAFETY: as above.
        check(unsafe {
            trackflow_native_backend_broadcast(self.backend, tensor.as_ptr(), root as c_int, timeout, &mut out)
        })?;
        Ok(Work { work: out, device: tensor.device() })
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // SAFETY: it came from C++, and nobody has it any more.
        unsafe { trackflow_native_backend_free(self.backend) };
    }
}

/// Something that was begun.
pub struct Work {
    work: *mut WorkPointer,
    device: tch::Device,
}

// SAFETY: its own lock guards what it knows.
unsafe impl Send for Work {}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work on {:?}", self.device)
    }
}

impl Work {
    /// Whether it is over, for which the caller waits up to `time`. On a GPU nobody waits: what the present stream does
    /// from here on begins after it.
    ///
    /// # Errors
    /// It failed.
    pub fn wait(&self, time: Duration) -> Result<bool, TchError> {
        if self.device.is_cuda() {
            // SAFETY: the work lives as long as `self`.
            return check(unsafe { trackflow_native_work_order(self.work) }).map(|()| true);
        }
        let mut done = 0;
        // SAFETY: as above.
        check(unsafe { trackflow_native_work_wait(self.work, milliseconds(time), &mut done) })?;
        Ok(done != 0)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: it came from C++, and nobody has it any more.
        unsafe { trackflow_native_work_free(self.work) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};
    use tch::{Device, Kind};

    const PATIENCE: Duration = Duration::from_secs(20);

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn finish(work: &Work) {
        while !work.wait(Duration::from_millis(100)).unwrap() {}
    }

    /// Runs `work` on `size` threads, each a rank with a connection of its own.
    fn ranks<T: Send>(size: usize, work: impl Fn(usize, &Store, &Backend) -> T + Sync) -> Vec<T> {
        let port = free_port();
        thread::scope(|scope| {
            let all: Vec<_> = (0..size)
                .map(|rank| {
                    let work = &work;
                    scope.spawn(move || {
                        let store = Store::connect("127.0.0.1", port, rank == 0, "test", PATIENCE).unwrap();
                        let host = Reached::Host("127.0.0.1");
                        let gloo = Backend::gloo(&store, rank, size, host, [PATIENCE; 2]).unwrap();
                        let value = work(rank, &store, &gloo);
                        // Nobody leaves before the last one is done.
                        finish(&gloo.sum(&Tensor::zeros([1], (Kind::Float, Device::Cpu))).unwrap());
                        value
                    })
                })
                .collect();
            all.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    #[test]
    fn three_ranks_sum_and_copy() {
        let values = ranks(3, |rank, _, gloo| {
            let tensor = Tensor::arange(4, (Kind::Float, Device::Cpu)) + rank as f64;
            finish(&gloo.sum(&tensor).unwrap());
            let copied = Tensor::full([2], rank as i64, (Kind::Int64, Device::Cpu));
            finish(&gloo.broadcast(&copied, 2).unwrap());
            (Vec::<f32>::try_from(&tensor).unwrap(), Vec::<i64>::try_from(&copied).unwrap())
        });
        assert!(values.iter().all(|value| *value == (vec![3.0, 6.0, 9.0, 12.0], vec![2, 2])), "{values:?}");
    }

    #[test]
    fn what_is_not_over_is_said_to_be_so() {
        ranks(2, |rank, store, gloo| {
            if rank == 1 {
                store.get("go", PATIENCE).unwrap();
            }
            let tensor = Tensor::ones([2], (Kind::Double, Device::Cpu));
            let work = gloo.sum(&tensor).unwrap();
            if rank == 0 {
                assert!(!work.wait(Duration::from_millis(20)).unwrap(), "the other has not even begun");
                store.set("go", b"").unwrap();
            }
            finish(&work);
            assert_eq!(tensor.double_value(&[0]), 2.0);
        });
    }

    #[test]
    fn how_long_processes_meet_is_not_how_long_they_compute() {
        let port = free_port();
        thread::scope(|scope| {
            let all = [0, 1].map(|rank| {
                scope.spawn(move || {
                    let store = Store::connect("127.0.0.1", port, rank == 0, "test", PATIENCE).unwrap();
                    let (host, meet) = (Reached::Host("127.0.0.1"), Duration::from_secs(2));
                    let gloo = Backend::gloo(&store, rank, 2, host, [meet, PATIENCE]).unwrap();
                    thread::sleep(Duration::from_millis(3000 * rank as u64));
                    finish(&gloo.sum(&Tensor::zeros([1], (Kind::Float, Device::Cpu))).unwrap());
                })
            });
            all.into_iter().for_each(|rank| rank.join().unwrap());
        });
    }

    #[test]
    fn the_store_keeps_bytes_and_counts() {
        ranks(2, |rank, store, _| {
            store.set(&format!("{rank}"), &[rank as u8, 0, 7]).unwrap();
            assert_eq!(store.get(&format!("{}", 1 - rank), PATIENCE).unwrap(), [1 - rank as u8, 0, 7]);
            assert!(!store.has("never").unwrap());
            assert!(store.get("never", Duration::from_millis(20)).is_err());
            store.add("count", 1 + rank as i64).unwrap()
        });
    }

    #[test]
    fn a_port_that_is_used_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let refused = Store::connect("127.0.0.1", port, true, "test", PATIENCE).unwrap_err().to_string();
        assert!(refused.contains("EADDRINUSE"), "{refused}");
    }

    #[test]
    fn nccl_says_what_it_lacks() {
        let store = Store::connect("127.0.0.1", free_port(), true, "test", PATIENCE).unwrap();
        if tch::Cuda::is_available() {
            return;
        }
        let refused = Backend::nccl(&store, 0, 1, PATIENCE).unwrap_err().to_string();
        assert!(refused.contains("libtorch_cuda.so") || refused.contains("GPU"), "{refused}");
    }
}
