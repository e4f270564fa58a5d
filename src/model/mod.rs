//! The tracker as a network: one-stream ViT with candidate elimination, historical prompt network, box head and
//! condition head, after HIPTrack (Cai, Liu, Wang: "HIPTrack: Visual Tracking with Historical Prompts", CVPR 2024).
//! Without prompts it is OSTrack (Ye et al.: "Joint Feature Learning and Relation Modeling for Tracking", ECCV 2022).
//!
//! Everything here is a function of tensors: no files, no threads, and no synchronisation with the host, so that a
//! training step can be queued on an accelerator without waiting for it. Parameter names are the reference's PyTorch
//! state names.

mod block;
pub mod boxes;
mod cbam;
mod class_tokens;
pub mod clip;
pub mod config;
mod corner;
mod drop_path;
mod elimination;
mod encoder;
mod film;
mod heads;
mod hiptrack;
mod init;
pub mod keep_rate;
mod layers;
pub mod mask;
pub mod memory;
pub mod online;
pub mod params;
mod prompts;
mod towers;
mod vit;

pub use clip::{ClipInput, ClipOutput, Corners, ForwardOptions, FrameOutput, StepSeed};
pub use config::{BoxHeadKind, ClassHead, ClassInput, Config, Elimination, Pooling, Prompts, TemplateRange};
pub use elimination::template_rows;
pub use hiptrack::Hiptrack;
pub use layers::Statistics;
pub use mask::MaskClamp;
pub use memory::MemoryEntry;
pub use params::{LoadReport, Params, Role};
pub use prompts::PromptNetwork;
pub use vit::{BackboneOutput, resize_positions};

#[cfg(test)]
mod class_tests;
#[cfg(test)]
mod ostrack_tests;
#[cfg(test)]
mod tests;
