//! Following one object through a video.

use super::Online;
use super::head::Conditions;
use super::history::{History, MemoryPolicy};
use super::vit::TemplateTokens;
use crate::failure::{Failure, Result};
use crate::model::heads::boxes_at_peak;
use crate::model::mask::MaskClamp;
use tch::{Kind, Tensor};

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
    tokens: TemplateTokens,
    /// The condition head's own tokens of the template, where it has such.
    own: Option<Tensor>,
    /// None in OSTrack.
    history: Option<History>,
    frame: usize,
}

impl Session {
    /// Begins with `template` `[1, 3, T, T]`, normalised, in which the object is at `boxes` `[1, 4]`, `(x, y, w, h)` as
    /// shares of the crop. A tracker without historical prompts has no use for box, policy and masks.
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
        Ok(tch::no_grad(|| Self {
            tokens: online.vit.template(template),
            own: online.conditions.as_ref().and_then(|head| head.own(template)),
            history: online
                .prompter
                .as_ref()
                .map(|prompter| History::new(prompter, config, template, boxes, policy, masks, online.device)),
            frame: 0,
        }))
    }

    /// Entries of the memory, and places in them; none of either without historical prompts.
    pub fn remembered(&self) -> (i64, i64) {
        self.history.as_ref().map_or((0, 0), History::remembered)
    }

    /// Repeats what is remembered until the memory is full, for measurements.
    pub fn fill(&mut self) {
        self.history.iter_mut().for_each(History::fill);
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
        let mut remembering = online.prompter.as_ref().zip(self.history.as_mut());
        let asks_template = remembering.is_some() && History::asks_template(self.frame);
        let with_template = asks_template || online.conditions.as_ref().is_some_and(Conditions::reads_tokens);
        let features = online.vit.forward(&self.tokens, search, with_template);
        let (fused, key) = match &mut remembering {
            Some((prompter, history)) => {
                let (fused, key) = history.fuse(prompter, &features, asks_template);
                (fused, Some(key))
            }
            None => (features.search.shallow_clone(), None),
        };
        let predicted =
            online.conditions.as_ref().map(|head| (head, head.forward(&fused, &features, self.own.as_ref(), search)));
        let modulated = predicted.as_ref().and_then(|(head, predicted)| head.modulate(&fused, &predicted.logits));
        let maps = online.head.forward(modulated.as_ref().unwrap_or(&fused));
        let (logits, severity) =
            predicted.map_or((None, None), |(_, predicted)| (Some(predicted.logits), predicted.severity));
        let output =
            OnlineOutput { score_map: maps.score, size_map: maps.size, offset_map: maps.offset, logits, severity };
        if let Some(((prompter, history), key)) = remembering.zip(key) {
            history.note(prompter, self.frame, search, &features, &key, &maps.boxes);
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
