//! The online tracker, its result files, and the scores that benchmarks give them.

mod attributes;
mod benchmark;
mod boxes;
mod discover;
mod draw;
pub mod film;
mod hann;
mod jobs;
pub mod provenance;
pub mod results;
mod run;
pub mod score;
mod sets;
mod subjects;
mod submit;
mod tracker;
mod videos;

pub use attributes::attributes;
pub use benchmark::{Family, Names, by_reference_name};
pub use boxes::{clip_box, map_back};
pub use discover::{ResultFiles, find, written_to};
pub use draw::Drawing;
pub use hann::{hann, hann_window};
pub use jobs::Jobs;
pub use run::{Step, follow, run};
pub use sets::{NamedSet, named_sets};
pub use subjects::{Subject, subjects};
pub use submit::Server;
pub use tracker::{Guess, Options, Tracked, Tracker};
pub use videos::{Video, videos};
