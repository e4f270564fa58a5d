//! What goes into a forward pass over a batch of clips, and what comes out.

use super::config::Config;
use super::layers::Statistics;
use super::mask::MaskClamp;
use super::memory::MemoryEntry;
use crate::failure::{Failure, Result};
use tch::{Kind, Tensor};

/// A batch of B clips with N search frames each, on the model's device.
#[derive(Debug)]
pub struct ClipInput {
    /// `[B, 3, T, T]` f32, normalised.
    pub template: Tensor,
    /// `[N, B, 3, S, S]` f32, normalised.
    pub search: Tensor,
    /// `[B, 4]` f32: the object in the template crop, `(x, y, w, h)` as shares of the crop.
    pub template_boxes: Tensor,
}

impl ClipInput {
    /// How many search frames a clip has.
    pub fn frames(&self) -> i64 {
        self.search.size()[0]
    }

    /// How many clips there are.
    pub fn batch(&self) -> i64 {
        self.template.size()[0]
    }

    /// Says which tensor does not have the shape or type that `config` needs.
    pub fn check(&self, config: &Config) -> Result<()> {
        let batch = self.template.size().first().copied().unwrap_or(0);
        let frames = self.search.size().first().copied().unwrap_or(0);
        if batch == 0 || frames == 0 {
            return Err(Failure::config("a batch needs at least one clip with one search frame"));
        }
        let (template, search) = (config.template_size, config.search_size);
        let expected: [(&str, &Tensor, Vec<i64>); 3] = [
            ("template crops", &self.template, vec![batch, 3, template, template]),
            ("search crops", &self.search, vec![frames, batch, 3, search, search]),
            ("template boxes", &self.template_boxes, vec![batch, 4]),
        ];
        for (what, tensor, shape) in expected {
            if tensor.size() != shape || tensor.kind() != Kind::Float {
                let (size, kind) = (tensor.size(), tensor.kind());
                return Err(Failure::config(format!("{what} are {kind:?} {size:?}; the model needs Float {shape:?}")));
            }
        }
        Ok(())
    }
}

/// What makes the random numbers of a step: the same pair gives the same dropout on the same kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepSeed {
    /// The run's seed.
    pub seed: u64,
    /// The step's number.
    pub step: u64,
}

/// The switches of a forward pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForwardOptions {
    /// The share of search tokens kept at each eliminating block; none for the configuration's own.
    pub keep_rate: Option<f64>,
    /// Switches drop-path (unless the backbone is frozen) and dropout on, drawn from this.
    pub dropout: Option<StepSeed>,
    /// By what batch normalisation normalises.
    pub statistics: Statistics,
    /// The same of the condition head's own normalisations, which may train while all others rest.
    pub class_statistics: Statistics,
    /// The backbone runs without gradients and as in evaluation.
    pub frozen_backbone: bool,
    /// The inner results of the backbone's blocks are not kept for the backward pass, but computed again in it: less
    /// memory for more work, with the same results.
    pub recompute: bool,
    /// How masks treat boxes over the border.
    pub masks: MaskClamp,
}

impl ForwardOptions {
    /// Training of the whole model.
    pub fn training(keep_rate: f64, seed: StepSeed) -> Self {
        Self {
            keep_rate: Some(keep_rate),
            dropout: Some(seed),
            statistics: Statistics::BatchAndUpdate,
            class_statistics: Statistics::BatchAndUpdate,
            frozen_backbone: false,
            recompute: false,
            masks: MaskClamp::Correct,
        }
    }

    /// No randomness and running statistics, at the configuration's own keep ratios.
    pub fn evaluation() -> Self {
        Self {
            keep_rate: None,
            dropout: None,
            statistics: Statistics::Running,
            class_statistics: Statistics::Running,
            frozen_backbone: false,
            recompute: false,
            masks: MaskClamp::Correct,
        }
    }
}

/// The two corners of a box, as a corner head finds them.
#[derive(Debug)]
pub struct Corners {
    /// `[B, 4]`: `(x0, y0, x1, y1)` as shares of the crop, the upper left corner first. They need not be upright: early
    /// in training one may lie on the wrong side of the other.
    pub edges: Tensor,
    /// `[B, 2, G, G]`: where either is likely to be; each map sums to 1.
    pub maps: Tensor,
}

/// What the model says about one search frame of B clips, on a G × G grid.
#[derive(Debug)]
pub struct FrameOutput {
    /// `[B, 4]`: the object in normalised `(cx, cy, w, h)`.
    pub boxes: Tensor,
    /// `[B, 1, G, G]`: where the centre is, in `[1e-4, 1 − 1e-4]`.
    pub score_map: Tensor,
    /// `[B, 2, G, G]`: width and height of a box there, in `[1e-4, 1 − 1e-4]`.
    pub size_map: Tensor,
    /// `[B, 2, G, G]`: the centre's offset from the token's corner, in tokens.
    pub offset_map: Tensor,
    /// What `CORNER` heads found; none for `CENTER`. A corner head's score, size and offset are those of a centre head
    /// that says the same box everywhere, without gradients.
    pub corners: Option<Corners>,
    /// `[B, C]`: the search feature that the box head sees (before conditions modulate it), averaged over the grid; what
    /// the condition head sees.
    pub pooled: Tensor,
    /// `[B, classes]`; none without a condition head.
    pub logits: Option<Tensor>,
    /// `[B]`: how much the conditions disturb; none unless the head is multi-label.
    pub severity: Option<Tensor>,
    /// `[B, C, G, G]`: what the memory and the frame's own value added to the search feature; none without historical
    /// prompts.
    pub prompt: Option<Tensor>,
}

impl FrameOutput {
    /// What was said of `[N·B]` frames in one go, frame-major, as N outputs of `batch` clips.
    pub(super) fn split(self, batch: i64) -> Vec<Self> {
        let Self { boxes, score_map, size_map, offset_map, corners, pooled, logits, severity, prompt } = self;
        // Split once: the gradient of each cut would be as large as all of them.
        let parts = |all: Tensor| all.split(batch, 0);
        let whole = [boxes, score_map, size_map, offset_map, pooled].map(parts);
        let corners = corners.map(|corners| [parts(corners.edges), parts(corners.maps)]);
        let [logits, severity, prompt] = [logits, severity, prompt].map(|all| all.map(parts));
        (0..whole[0].len())
            .map(|at| {
                let [boxes, score_map, size_map, offset_map, pooled] =
                    whole.each_ref().map(|parts| parts[at].shallow_clone());
                let [logits, severity, prompt] =
                    [&logits, &severity, &prompt].map(|parts| parts.as_ref().map(|parts| parts[at].shallow_clone()));
                let corners = corners
                    .as_ref()
                    .map(|[edges, maps]| Corners { edges: edges[at].shallow_clone(), maps: maps[at].shallow_clone() });
                Self { boxes, score_map, size_map, offset_map, corners, pooled, logits, severity, prompt }
            })
            .collect()
    }
}

/// What the model says about B clips of N search frames.
#[derive(Debug)]
pub struct ClipOutput {
    /// One per search frame.
    pub frames: Vec<FrameOutput>,
    /// `[N·B, template + search tokens, C]`, frame-major: the backbone's features.
    pub tokens: Tensor,
    /// Per eliminating block `[N·B, n]` i64, frame-major: the removed search tokens.
    pub removed: Vec<Tensor>,
    /// What was remembered: the template, then every search frame but the last; nothing without historical prompts.
    pub memory: Vec<MemoryEntry>,
}

impl ClipOutput {
    fn stacked(&self, part: impl Fn(&FrameOutput) -> &Tensor) -> Tensor {
        Tensor::stack(&self.frames.iter().map(part).collect::<Vec<_>>(), 0)
    }

    /// `[N, B, 4]` in normalised `(cx, cy, w, h)`.
    pub fn boxes(&self) -> Tensor {
        self.stacked(|frame| &frame.boxes)
    }

    /// `[N, B, 4]`: the corners `(x0, y0, x1, y1)` that a corner head found; none with a centre head.
    pub fn corners(&self) -> Option<Tensor> {
        self.stacked_if_any(|frame| frame.corners.as_ref().map(|corners| &corners.edges))
    }

    /// `[N, B, G, G]`.
    pub fn score_maps(&self) -> Tensor {
        self.stacked(|frame| &frame.score_map).squeeze_dim(2)
    }

    fn stacked_if_any(&self, part: impl Fn(&FrameOutput) -> Option<&Tensor>) -> Option<Tensor> {
        let all: Option<Vec<_>> = self.frames.iter().map(part).collect();
        all.map(|all| Tensor::stack(&all, 0))
    }

    /// `[N, B, classes]`; none without a condition head.
    pub fn logits(&self) -> Option<Tensor> {
        self.stacked_if_any(|frame| frame.logits.as_ref())
    }

    /// `[N, B]`: how much the conditions disturb; none unless the head is multi-label.
    pub fn severities(&self) -> Option<Tensor> {
        self.stacked_if_any(|frame| frame.severity.as_ref())
    }
}
