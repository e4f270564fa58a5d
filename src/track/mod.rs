//! The online tracker, its result files, and the scores that benchmarks give them.

mod benchmark;
mod boxes;
mod found;
mod hann;
pub mod results;
mod run;
pub mod score;
mod subjects;
mod tracker;
mod videos;

use benchmark::by_any_name;
pub use benchmark::{Family, Names, by_reference_name};
pub use boxes::{clip_box, map_back};
pub use found::{ResultFiles, find, written_to};
pub use hann::{hann, hann_window};
pub use run::run;
pub use subjects::{Subject, subjects};
pub use tracker::{Guess, Options, Tracked, Tracker};
pub use videos::{Video, videos};
