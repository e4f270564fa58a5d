//! What a run tells in numbers: the meters of stages and channels and the outcome made of them, the engine's metrics
//! (`names`) and their way to a recorder, the stage that holds up the others, and runs in which nothing moves.

pub(crate) mod bottleneck;
pub mod names;
pub mod process;
pub(crate) mod publish;
pub(crate) mod report;
pub mod seconds;
pub(crate) mod stall;
pub(crate) mod trace;

pub use seconds::SecondsCounter;
