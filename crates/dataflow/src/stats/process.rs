//! Processor time of this process.

use std::time::Duration;

/// Processor time of this process, summed over its threads.
pub fn processor_time() -> Option<Duration> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: getrusage fills what it is given, and says so by 0.
    let usage = unsafe {
        match libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) {
            0 => usage.assume_init(),
            _ => return None,
        }
    };
    let time = |of: libc::timeval| {
        let seconds = Duration::from_secs(u64::try_from(of.tv_sec).unwrap_or(0));
        seconds + Duration::from_micros(u64::try_from(of.tv_usec).unwrap_or(0))
    };
    Some(time(usage.ru_utime) + time(usage.ru_stime))
}
