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
//!
//! OSTrack remembers nothing: what its template's tokens say is all that it knows of earlier frames.

mod bank;
mod conv;
mod encoder;
mod head;
mod history;
mod session;
mod vit;
mod weights;

pub use history::MemoryPolicy;
pub use session::{OnlineOutput, Session};

use super::config::Config;
use super::hiptrack::Hiptrack;
use crate::failure::Result;
use head::{Conditions, Head};
use history::Prompter;
use tch::Device;
use vit::Vit;
use weights::Weights;

/// The weights of a model, prepared for tracking. It keeps what they were when it was made.
#[derive(Debug)]
pub struct Online {
    config: Config,
    device: Device,
    vit: Vit,
    /// None in OSTrack.
    prompter: Option<Prompter>,
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
            Ok(Self {
                device: model.params().device(),
                vit: Vit::new(&weights.at("backbone"), &config)?,
                prompter: match &config.prompts {
                    Some(prompts) => Some(Prompter::new(&weights, &config, prompts)?),
                    None => None,
                },
                head: Head::new(&weights.at("box_head"), &config)?,
                conditions: config.class_head.as_ref().map(|head| Conditions::new(model, head)).transpose()?,
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
