//! Many videos side by side: each worker has a tracker of its own; workers of one device share its weights.

use super::{
    results::Record,
    run::{Step, run},
    tracker::Options,
    videos::Video,
};
use crate::{failure::Result, model::online::Online};
use std::sync::{
    atomic::{AtomicUsize, Ordering},
    mpsc::channel,
};

/// Weights that several threads read.
#[derive(Clone, Copy)]
struct Shared<'a>(&'a Online);

// SAFETY: a tracker only reads the weights; what it writes belongs to its own session. Reference counts of libtorch's
// tensors are atomic, and its operations on tensors that nobody writes may run on any thread.
unsafe impl Send for Shared<'_> {}

impl<'a> Shared<'a> {
    fn online(self) -> &'a Online {
        self.0
    }
}

/// How videos are shared out.
#[derive(Debug)]
pub struct Jobs<'a> {
    /// The weights, one copy on each device. Worker `n` uses the one of number `n`, from the beginning again where there
    /// are fewer.
    pub online: &'a [Online],
    /// Workers.
    pub count: usize,
    /// Threads of the CPU that each of them computes a frame with; none: libtorch's own number.
    pub threads: Option<i32>,
    /// How is tracked.
    pub options: &'a Options,
}

impl Jobs<'_> {
    /// Tracks all `videos`. `step` hears of every frame, on the worker's thread, with the video's number; `done` of every
    /// video, on this thread, in the order in which they end.
    ///
    /// # Errors
    /// Those of `done`: no other video is begun then.
    pub fn run(
        &self,
        videos: &[Video],
        step: impl Fn(usize, &Step<'_>) -> Result<()> + Sync,
        mut done: impl FnMut(usize, Result<Record>) -> Result<()>,
    ) -> Result<()> {
        // With several workers the longest go first, so that none is left with a long one at the end.
        let mut order: Vec<usize> = (0..videos.len()).collect();
        if self.count > 1 {
            order.sort_by_key(|at| std::cmp::Reverse(videos[*at].frames.len()));
        }
        let (order, next) = (&order, &AtomicUsize::new(0));
        let (send, receive) = channel();
        std::thread::scope(|scope| {
            for (_, online) in (0..self.count.clamp(1, videos.len().max(1))).zip(self.online.iter().cycle()) {
                let (shared, send, step) = (Shared(online), send.clone(), &step);
                let (threads, options) = (self.threads, self.options);
                scope.spawn(move || {
                    let online = shared.online();
                    // The number is of each thread that computes.
                    if let Some(threads) = threads {
                        tch::set_num_threads(threads);
                    }
                    while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let outcome = run(online, options, &videos[at], |seen| step(at, seen));
                        if send.send((at, outcome)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(send);
            for (at, outcome) in receive {
                done(at, outcome).inspect_err(|_| next.store(videos.len(), Ordering::Relaxed))?;
            }
            Ok(())
        })
    }
}
