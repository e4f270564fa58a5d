//! How far tracking is: a bar on a terminal, else a line for each sequence.

use crate::track::Video;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    begin: Instant,
    frames: usize,
    done: AtomicUsize,
    sequences: usize,
    ended: AtomicUsize,
}

impl Progress {
    pub fn new(videos: &[Video]) -> Self {
        let frames: usize = videos.iter().map(|video| video.frames.len()).sum();
        let bar = std::io::stdout().is_terminal().then(|| {
            let template = "{bar:30} {pos}/{len} frames, {per_sec}, {elapsed_precise} passed, {eta_precise} to go";
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(frames as u64).with_style(style)
        });
        let (begin, done) = (Instant::now(), AtomicUsize::new(0));
        Self { bar, begin, frames, done, sequences: videos.len(), ended: AtomicUsize::new(0) }
    }

    /// One more frame.
    pub fn frame(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// `video` ended, at so many frames a second of its own.
    pub fn sequence(&self, video: &Video, speed: f64) {
        let ended = 1 + self.ended.fetch_add(1, Ordering::Relaxed);
        let line = format!("{ended:>4}/{}  {:<32} {speed:6.1} frames/s", self.sequences, video.name);
        match &self.bar {
            Some(bar) => bar.println(crate::text::printable(&line)),
            None => println!("{line}; {}", self.all()),
        }
    }

    /// Frames a second of all workers, and how long it will take.
    fn all(&self) -> String {
        let (done, passed) = (self.done.load(Ordering::Relaxed), self.begin.elapsed().as_secs_f64());
        let speed = done as f64 / passed.max(1e-9);
        let left = self.frames.saturating_sub(done) as f64 / speed.max(1e-9);
        let left = humantime::format_duration(Duration::from_secs(left.min(1e9).round() as u64));
        format!("{done}/{} frames, {speed:.1} frames/s in all, {left} to go", self.frames)
    }

    /// The end: frames of all workers and seconds since the beginning.
    pub fn finish(&self) -> (usize, f64) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        (self.done.load(Ordering::Relaxed), self.begin.elapsed().as_secs_f64())
    }
}
