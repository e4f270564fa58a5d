//! Buffers that are used again: whoever is done with the bytes of a file, a picture or a batch gives them back, and the
//! next who needs some takes them. In the steady state no frame allocates.
//!
//! Giving back is a favour, not a duty: a buffer that is dropped instead is freed as always.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Buffers that are kept at the most.
const MOST: usize = 256;
/// Smaller ones cost nothing to allocate.
const LEAST: usize = 1 << 12;

/// The buffers at hand, by capacity.
static IDLE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
static FRESH: AtomicU64 = AtomicU64::new(0);

/// An empty buffer with room for `capacity` bytes.
pub fn take(capacity: usize) -> Vec<u8> {
    let mut buffer = used(capacity);
    buffer.clear();
    buffer
}

/// A buffer of `length` bytes, whatever they are: for those who write all of them.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut buffer = used(length);
    buffer.resize(length, 0);
    buffer
}

/// A buffer as it was given back.
fn used(capacity: usize) -> Vec<u8> {
    let found = {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = idle.partition_point(|buffer| buffer.capacity() < capacity);
        // One that fits well stays for what it fits: a small request must not take the largest buffer for long.
        let fitting = idle.get(fits).is_some_and(|buffer| buffer.capacity() / 4 <= capacity.max(LEAST));
        fitting.then(|| idle.remove(fits))
    };
    found.unwrap_or_else(|| {
        FRESH.fetch_add(u64::from(capacity >= LEAST), Ordering::Relaxed);
        // Windows differ in size from frame to frame: room up to the next eighth of a power of two lets them share.
        let step = (capacity.next_power_of_two() / 8).max(1);
        Vec::with_capacity(if capacity >= LEAST { capacity.next_multiple_of(step) } else { capacity })
    })
}

/// Gives a buffer back.
pub fn give(buffer: Vec<u8>) {
    if buffer.capacity() < LEAST {
        return;
    }
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < MOST {
        let at = idle.partition_point(|other| other.capacity() < buffer.capacity());
        idle.insert(at, buffer);
    }
}

/// How many buffers were allocated in the life of this process.
pub fn allocated() -> u64 {
    FRESH.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_taken_again() {
        // Sizes that no other test of this process uses.
        let size = 77 << 20;
        let first = take(size);
        let (place, capacity) = (first.as_ptr(), first.capacity());
        assert!(capacity >= size && capacity < size + size / 4);
        give(first);
        let again = bytes(size - 3);
        assert_eq!((again.as_ptr(), again.len()), (place, size - 3));
        // A far smaller request leaves it for others.
        give(again);
        let (small, large) = (take(LEAST), take(size));
        assert!(small.as_ptr() != place && large.as_ptr() == place);
    }
}
