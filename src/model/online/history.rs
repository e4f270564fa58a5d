//! What is remembered of earlier frames, and what it says about the next one.

use super::bank::Bank;
use super::conv::{Conv, as_pixels, as_planes};
use super::encoder::{Encoder, Trunk};
use super::vit::Features;
use super::weights::{Kernel, Weights};
use crate::failure::Result;
use crate::model::config::{Config, Prompts};
use crate::model::mask::{MaskClamp, centre_mask, corner_mask, without_removed};
use tch::{Device, Tensor};

/// What is remembered, by trackers that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryPolicy {
    /// Most entries; the oldest goes first (`MODEL.MAX_MEM`).
    pub capacity: usize,
    /// Frames between two entries (`TEST.UPDATE_INTERVAL`).
    pub interval: usize,
}

/// The last frame that asks the template; later ones ask the memory.
const TEMPLATE_FRAMES: usize = 10;
/// The frames up to there that are remembered.
const EARLY: [usize; 2] = [5, 10];

impl MemoryPolicy {
    /// Whether frame `index` (the first after the template is 1) is remembered.
    pub(super) fn remembers(&self, index: usize) -> bool {
        match index <= TEMPLATE_FRAMES {
            true => EARLY.contains(&index),
            false => index.is_multiple_of(self.interval.max(1)),
        }
    }
}

/// The weights of the historical prompt network.
#[derive(Debug)]
pub(super) struct Prompter {
    encoder: Encoder,
    key: Conv,
    /// Key and query value of the search features.
    query: Conv,
    fusion: [Conv; 2],
    key_dim: i64,
    value_dim: i64,
}

impl Prompter {
    /// That of the model whose tensors are `weights`.
    pub fn new(weights: &Weights<'_>, config: &Config, prompts: &Prompts) -> Result<Self> {
        let grid = config.search_grid();
        let key = weights.at("key_proj.key_proj").kernel()?;
        let fusion = weights.at("searchRegionFusion");
        let fusion = |name: &str| fusion.at(name).kernel().map(|kernel| Conv::deep(&kernel, grid));
        Ok(Self {
            encoder: Encoder::new(&weights.at("HIP.encoder"), config, prompts)?,
            key: Conv::deep(&key, 2 * config.template_grid()),
            query: Conv::deep(&Kernel::stack(&[key, weights.at("key_comp").kernel()?]), grid),
            fusion: [fusion("conv1")?, fusion("conv2")?],
            key_dim: prompts.key_dim,
            value_dim: config.value_dim(),
        })
    }
}

/// What is remembered of one object.
#[derive(Debug)]
pub(super) struct History {
    policy: MemoryPolicy,
    masks: MaskClamp,
    trunk: Trunk,
    template: Bank,
    memory: Bank,
}

impl History {
    /// Begins with `template` `[1, 3, T, T]`, in which the object is at `boxes` `[1, 4]`.
    pub fn new(
        prompter: &Prompter,
        config: &Config,
        template: &Tensor,
        boxes: &Tensor,
        policy: MemoryPolicy,
        masks: MaskClamp,
        device: Device,
    ) -> Self {
        let side = 2 * config.template_size;
        let image = template.upsample_bilinear2d([side, side], true, None, None);
        let mask = corner_mask(boxes, side, masks);
        let bank = |capacity: usize, grid: i64| {
            Bank::new(capacity as i64, grid * grid, prompter.key_dim, prompter.value_dim, device)
        };
        Self {
            policy,
            masks,
            trunk: prompter.encoder.trunk(&image, &mask),
            template: bank(1, 2 * config.template_grid()),
            memory: bank(policy.capacity.max(1), config.search_grid()),
        }
    }

    /// Entries of the memory, and places in them.
    pub fn remembered(&self) -> (i64, i64) {
        (self.memory.len(), self.memory.places())
    }

    /// Repeats what is remembered until the memory is full.
    pub fn fill(&mut self) {
        self.memory.fill();
    }

    /// Whether frame `index` (from 1) asks the template, and not the memory.
    pub fn asks_template(index: usize) -> bool {
        index <= TEMPLATE_FRAMES
    }

    /// The search features `[G, G, C]` joined by their prompt, and the key with which they asked for it: of the template,
    /// whose features are there then, or of the memory.
    pub fn fuse(&mut self, prompter: &Prompter, features: &Features, asks_template: bool) -> (Tensor, Tensor) {
        let Prompter { key_dim, value_dim, .. } = *prompter;
        let query = prompter.query.forward(&features.search).flatten(0, 1);
        let (key, value) = (query.narrow(1, 0, key_dim), query.narrow(1, key_dim, value_dim));
        let read = match features.template.as_ref().filter(|_| asks_template) {
            Some(template) => {
                let side = 2 * template.size()[0];
                let doubled = as_planes(template).upsample_bilinear2d([side, side], true, None, None);
                let doubled = as_pixels(&doubled);
                let written = prompter.key.forward(&doubled).flatten(0, 1);
                self.template.push(&written, &prompter.encoder.value(&self.trunk, &doubled));
                self.template.read(&key)
            }
            None => self.memory.read(&key),
        };
        let prompt = Tensor::cat(&[read, value], 1).view_as(&features.search);
        let asked = &features.search + prompt;
        let hidden = prompter.fusion[0].forward(&asked.relu()).relu_();
        (prompter.fusion[1].forward(&hidden) + asked, key)
    }

    /// Remembers frame `index` where it is one that is: its crop `[1, 3, S, S]`, features, key, and the box `[1, 4]` that
    /// was predicted in it.
    pub fn note(
        &mut self,
        prompter: &Prompter,
        index: usize,
        search: &Tensor,
        features: &Features,
        key: &Tensor,
        boxes: &Tensor,
    ) {
        if !self.policy.remembers(index) {
            return;
        }
        let mask = centre_mask(boxes, search.size()[3], self.masks);
        let mask = without_removed(mask, &features.removed, features.search.size()[0]);
        let trunk = prompter.encoder.trunk(search, &mask);
        self.memory.push(key, &prompter.encoder.value(&trunk, &features.search));
    }
}
