//! The model as an online tracker runs it: one object, one frame after the other, no gradients.
//!
//! The numbers are those of [`Hiptrack`] in evaluation up to rounding; the way is shorter:
//! - batch normalisations are folded into the convolutions before them, convolutions of the same input are one;
//! - maps lie as tokens do (channels last), and deep 3×3 convolutions are Winograd's;
//! - weights are laid out once, as the products read them;
//! - of the template, tokens and the encoder's stem are computed once, and what only the template prompt needs is left
//!   out when the memory answers;
//! - the memory is one block, written in place and read a few entries at a time;
//! - the encoder runs only on frames that are remembered.

mod bank;
mod conv;
mod encoder;
mod head;
mod session;
mod vit;
mod weights;

pub use session::{MemoryPolicy, OnlineOutput, Session};

use super::config::Config;
use super::hiptrack::Hiptrack;
use crate::failure::Result;
use conv::Conv;
use encoder::Encoder;
use head::{Conditions, Head};
use tch::Device;
use vit::Vit;
use weights::{Kernel, Weights};

/// The weights of a model, prepared for tracking. It keeps what they were when it was made.
#[derive(Debug)]
pub struct Online {
    config: Config,
    device: Device,
    vit: Vit,
    encoder: Encoder,
    key: Conv,
    /// Key and query value of the search features.
    query: Conv,
    fusion: [Conv; 2],
    head: Head,
    conditions: Option<Conditions>,
}

impl Online {
    /// Prepares `model`'s weights as they are now.
    ///
    /// # Errors
    /// A tensor that the model lacks.
    pub fn new(model: &Hiptrack) -> Result<Self> {
        tch::no_grad(|| {
            let config = model.config().clone();
            let weights = Weights::root(model.params());
            let grid = config.search_grid();
            let key = weights.at("key_proj.key_proj").kernel()?;
            let fusion = weights.at("searchRegionFusion");
            let fusion = |name: &str| fusion.at(name).kernel().map(|kernel| Conv::deep(&kernel, grid));
            Ok(Self {
                device: model.params().device(),
                vit: Vit::new(&weights.at("backbone"), &config)?,
                encoder: Encoder::new(&weights.at("HIP.encoder"), &config)?,
                key: Conv::deep(&key, 2 * config.template_grid()),
                query: Conv::deep(&Kernel::stack(&[key, weights.at("key_comp").kernel()?]), grid),
                fusion: [fusion("conv1")?, fusion("conv2")?],
                head: Head::new(&weights.at("box_head"), &config)?,
                conditions: config.class_head.as_ref().map(|head| Conditions::new(&weights, head)).transpose()?,
                config,
            })
        })
    }

    /// The model's sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.device
    }
}

#[cfg(test)]
mod tests;
