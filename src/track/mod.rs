//! The online tracker, its result files, and the scores that benchmarks give them.

mod boxes;
mod hann;
pub mod results;
mod run;
pub mod score;
mod tracker;
mod videos;

pub use boxes::{clip_box, map_back};
pub use hann::{hann, hann_window};
pub use run::run;
pub use tracker::{Guess, Options, Tracked, Tracker};
pub use videos::{Video, videos};
