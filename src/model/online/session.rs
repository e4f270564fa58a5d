//! Following one object through a video.

use super::Online;
use super::bank::Bank;
use super::conv::{as_pixels, as_planes};
use super::encoder::Trunk;
use super::vit::TemplateTokens;
use crate::failure::{Failure, Result};
use crate::model::heads::boxes_at_peak;
use crate::model::mask::{MaskClamp, centre_mask, corner_mask, without_removed};
use tch::{Kind, Tensor};

/// What is remembered.
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

/// What the model says about one frame.
#[derive(Debug)]
pub struct OnlineOutput {
    /// `[1, 1, G, G]`: where the centre is.
    pub score_map: Tensor,
    /// `[1, 2, G, G]`: width and height.
    pub size_map: Tensor,
    /// `[1, 2, G, G]`: offset of the centre.
    pub offset_map: Tensor,
    /// `[1, classes]`; none without a condition head.
    pub logits: Option<Tensor>,
    /// `[1]`: how much the conditions disturb; none unless the head is multi-label.
    pub severity: Option<Tensor>,
}

impl OnlineOutput {
    /// The box `[1, 4]` in normalised `(cx, cy, w, h)` at the peak of the score, weighted by `window` `[1, 1, G, G]`
    /// where one is given.
    pub fn boxes(&self, window: Option<&Tensor>) -> Tensor {
        let score = window.map_or_else(|| self.score_map.shallow_clone(), |window| &self.score_map * window);
        boxes_at_peak(&score, &self.size_map, &self.offset_map)
    }
}

/// One object: its template, and what is remembered of it.
#[derive(Debug)]
pub struct Session {
    policy: MemoryPolicy,
    masks: MaskClamp,
    tokens: TemplateTokens,
    trunk: Trunk,
    template: Bank,
    memory: Bank,
    frame: usize,
}

impl Session {
    /// Begins with `template` `[1, 3, T, T]`, normalised, in which the object is at `boxes` `[1, 4]`, `(x, y, w, h)` as
    /// shares of the crop.
    ///
    /// # Errors
    /// A crop or box of another shape.
    pub fn new(
        online: &Online,
        template: &Tensor,
        boxes: &Tensor,
        policy: MemoryPolicy,
        masks: MaskClamp,
    ) -> Result<Self> {
        let config = &online.config;
        let side = config.template_size;
        check("template crop", template, &[1, 3, side, side])?;
        check("template box", boxes, &[1, 4])?;
        tch::no_grad(|| {
            let image = template.upsample_bilinear2d([2 * side, 2 * side], true, None, None);
            let mask = corner_mask(boxes, 2 * side, masks);
            let bank = |capacity: usize, grid: i64| {
                Bank::new(capacity as i64, grid * grid, config.key_dim, config.value_dim(), online.device)
            };
            Ok(Self {
                policy,
                masks,
                tokens: online.vit.template(template),
                trunk: online.encoder.trunk(&image, &mask),
                template: bank(1, 2 * config.template_grid()),
                memory: bank(policy.capacity.max(1), config.search_grid()),
                frame: 0,
            })
        })
    }

    /// Entries of the memory, and places in them.
    pub fn remembered(&self) -> (i64, i64) {
        (self.memory.len(), self.memory.places())
    }

    /// Repeats what is remembered until the memory is full, for measurements.
    pub fn fill(&mut self) {
        self.memory.fill();
    }

    /// What `online` says about the next frame, whose search crop is `search` `[1, 3, S, S]`, normalised.
    ///
    /// # Errors
    /// A crop of another shape.
    pub fn step(&mut self, online: &Online, search: &Tensor) -> Result<OnlineOutput> {
        let side = online.config.search_size;
        check("search crop", search, &[1, 3, side, side])?;
        Ok(tch::no_grad(|| self.advance(online, search)))
    }

    fn advance(&mut self, online: &Online, search: &Tensor) -> OnlineOutput {
        self.frame += 1;
        let features = online.vit.forward(&self.tokens, search, self.frame <= TEMPLATE_FRAMES);
        let query = online.query.forward(&features.search).flatten(0, 1);
        let key_dim = online.config.key_dim;
        let (key, value) = (query.narrow(1, 0, key_dim), query.narrow(1, key_dim, online.config.value_dim()));
        let read = match &features.template {
            Some(template) => {
                let side = 2 * template.size()[0];
                let doubled = as_planes(template).upsample_bilinear2d([side, side], true, None, None);
                let doubled = as_pixels(&doubled);
                let written = online.key.forward(&doubled).flatten(0, 1);
                self.template.push(&written, &online.encoder.value(&self.trunk, &doubled));
                self.template.read(&key)
            }
            None => self.memory.read(&key),
        };
        let prompt = Tensor::cat(&[read, value], 1).view_as(&features.search);
        let asked = &features.search + prompt;
        let hidden = online.fusion[0].forward(&asked.relu()).relu_();
        let fused = online.fusion[1].forward(&hidden) + asked;
        let told = online.conditions.as_ref().map(|head| (head, head.forward(&fused)));
        let modulated = told.as_ref().and_then(|(head, told)| head.modulate(&fused, &told.logits));
        let maps = online.head.forward(modulated.as_ref().unwrap_or(&fused));
        let (logits, severity) = told.map_or((None, None), |(_, told)| (Some(told.logits), told.severity));
        let output =
            OnlineOutput { score_map: maps.score, size_map: maps.size, offset_map: maps.offset, logits, severity };
        if self.policy.remembers(self.frame) {
            let mask = centre_mask(&maps.boxes, online.config.search_size, self.masks);
            let mask = without_removed(mask, &features.removed, online.config.search_grid());
            let trunk = online.encoder.trunk(search, &mask);
            self.memory.push(&key, &online.encoder.value(&trunk, &features.search));
        }
        output
    }
}

fn check(what: &str, tensor: &Tensor, shape: &[i64]) -> Result<()> {
    if tensor.size() == shape && tensor.kind() == Kind::Float {
        return Ok(());
    }
    let (size, kind) = (tensor.size(), tensor.kind());
    Err(Failure::config(format!("the {what} is {kind:?} {size:?}; the model needs Float {shape:?}")))
}
