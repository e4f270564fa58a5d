//! The kinds of stage that a training pipeline is made of: thin adapters that put data, vision and train behind flow's
//! traits. A kind is one small file; this table is where pipelines find it. Kinds from outside, which a session is given
//! ([`crate::session::SessionBuilder::kind`]), use the same items and ports.

mod aggregate;
mod augment;
mod cache;
mod check;
mod checkpoint;
mod collate;
mod context;
mod crop;
mod decode;
mod disturb;
mod element_specs;
mod erase;
mod items;
mod model_preview;
mod preview;
mod prometheus;
mod replay;
mod sample;
mod step;
mod upload;

pub use augment::augment;
pub use check::check;
pub use context::{RunContext, SaveRequest};
pub use crop::crop_clip;
pub use element_specs::Facts;
pub use items::{
    BATCHES, CHECKPOINTS, CROPPED_CLIPS, CollatedBatch, CroppedClip, DECODED_CLIPS, DEVICE_BATCHES, DecodedClip,
    PLANNED_CLIPS, PendingCheckpoint, PlannedClip, STEP_REPORTS, StepOutput, StepReport, Ticket,
};

use crate::flow::{Kind, count, merge};

/// Every kind that a pipeline file can name.
pub static KINDS: [Kind<RunContext>; 16] = [
    sample::KIND,
    decode::KIND,
    decode::CACHED_KIND,
    crop::KIND,
    augment::KIND,
    erase::KIND,
    disturb::KIND,
    merge::kind(),
    collate::KIND,
    upload::KIND,
    replay::KIND,
    step::KIND,
    aggregate::KIND,
    checkpoint::KIND,
    preview::KIND,
    count::kind(),
];

/// What is said when a stage of this kind is the bottleneck: that is what it is all for.
pub const EXPECTED_BOTTLENECK: (&str, &str) = ("step", "the device is fed");

#[cfg(test)]
mod tests;
