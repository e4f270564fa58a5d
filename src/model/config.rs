//! The sizes of a model, and which of them fit together.

use crate::data::condition::Condition;
use crate::failure::{Failure, Result};
use tch::{Kind, Tensor};

/// The grid that ViT weights are pretrained on: 224 pixels in patches of 16. `backbone.pos_embed` keeps it.
pub const PRETRAINED_GRID: i64 = 14;

/// The tokens of the template whose attention decides which search tokens stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateRange {
    /// All of them (`ALL`).
    All,
    /// The one in the middle, the upper left of the four of an even grid (`CTR_POINT`).
    CentrePoint,
    /// The middle four of an even grid, the middle one of an odd grid (`CTR_REC`).
    CentreRect,
}

/// Candidate elimination: which blocks drop search tokens, and how many stay.
#[derive(Clone, Debug, PartialEq)]
pub struct Elimination {
    /// Indices of the blocks, ascending (`CE_LOC`).
    pub layers: Vec<usize>,
    /// Share of the search tokens that each of them keeps, in `(0, 1]` (`CE_KEEP_RATIO`).
    pub keep: Vec<f64>,
    /// Whose attention counts (`CE_TEMPLATE_RANGE`).
    pub range: TemplateRange,
}

/// How the box is read off the fused feature, or off the search feature where no prompt joins it (`MODEL.HEAD.TYPE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoxHeadKind {
    /// Score, offset and size at every token (`CENTER`).
    #[default]
    Centre,
    /// A map for each of two corners (`CORNER`).
    Corner,
}

/// Which features the condition head reads (`MODEL.CLS_HEAD.INPUT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassInput {
    /// The search feature that the box head sees, joined by its prompt where there is one (`fused`).
    #[default]
    Fused,
    /// The backbone's tokens of template and search region, as they are before any prompt joins them (`tokens`).
    Tokens,
}

/// How many features become one (`MODEL.CLS_HEAD.POOLING`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean (`mean`).
    #[default]
    Mean,
    /// A learned query attends to them, in several heads (`attention`).
    Attention,
}

/// The condition head: two linear layers on pooled features.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassHead {
    /// Width of the hidden layer.
    pub hidden: i64,
    /// How many classes.
    pub classes: i64,
    /// Dropout between the layers, in `[0, 1)`.
    pub dropout: f64,
    /// Whether conditions are predicted independently of each other, and with them how much they disturb.
    pub multi_label: bool,
    /// Whether the box head sees features modulated by the predicted conditions.
    pub film: bool,
    /// What it reads.
    pub input: ClassInput,
    /// Output channels of the head's own convolutions over the crops, each of stride 2, which together go down to the
    /// grid of tokens; none for a head that sees the backbone's features only (`STEM`).
    pub stem: Vec<i64>,
    /// Transformer blocks of the head's own, over its tokens (`BLOCKS`).
    pub blocks: usize,
    /// How its features become one.
    pub pooling: Pooling,
    /// What the gradients of the class task are multiplied by on their way into what the head reads of the shared
    /// features (`TRAIN.CLS_GRADIENT_SCALE`): 1 changes nothing, 0 lets none pass.
    pub gradient_scale: f64,
}

impl ClassHead {
    /// A head that predicts one of ten classes and changes nothing else.
    pub fn plain(hidden: i64, dropout: f64) -> Self {
        Self {
            hidden,
            classes: Condition::COUNT as i64,
            dropout,
            multi_label: false,
            film: false,
            input: ClassInput::Fused,
            stem: Vec::new(),
            blocks: 0,
            pooling: Pooling::Mean,
            gradient_scale: 1.0,
        }
    }

    /// How probable each condition is, `[.., classes]`, from `logits` of that shape: together 1, unless the head is
    /// `multi_label`.
    pub fn probabilities(&self, logits: &Tensor) -> Tensor {
        if self.multi_label { logits.sigmoid() } else { logits.softmax(-1, Kind::Float) }
    }
}

/// The historical prompt network of HIPTrack; without it the tracker is OSTrack (`MODEL.NEW_HIP`).
#[derive(Clone, Debug, PartialEq)]
pub struct Prompts {
    /// Channels of the prompt encoder's stem.
    pub encoder_stem: i64,
    /// Channels of the prompt encoder's three residual stages.
    pub encoder_stages: [i64; 3],
    /// Channels of a memory key.
    pub key_dim: i64,
}

impl Prompts {
    /// The reference's.
    pub fn reference() -> Self {
        Self { encoder_stem: 64, encoder_stages: [64, 128, 256], key_dim: 64 }
    }
}

/// The sizes of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Side of the template crop in pixels (`DATA.TEMPLATE.SIZE`).
    pub template_size: i64,
    /// Side of the search crop in pixels (`DATA.SEARCH.SIZE`).
    pub search_size: i64,
    /// Side of a patch in pixels, 8 or 16 (`MODEL.BACKBONE.STRIDE`).
    pub patch: i64,
    /// Width of a token.
    pub dim: i64,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: i64,
    /// Width of a block's hidden layer, in units of `dim`.
    pub mlp_ratio: f64,
    /// Drop-path rate of the last block; it rises linearly from 0 at the first (`TRAIN.DROP_PATH_RATE`).
    pub drop_path: f64,
    /// Candidate elimination.
    pub elimination: Elimination,
    /// Historical prompts; none for OSTrack, whose box head sees the search features as they are.
    pub prompts: Option<Prompts>,
    /// How the box is read off (`MODEL.HEAD.TYPE`).
    pub box_head: BoxHeadKind,
    /// Channels of the box head's first convolution; the next three halve it (`MODEL.HEAD.NUM_CHANNELS`).
    pub head_channels: i64,
    /// The condition head; none for the single-task baseline.
    pub class_head: Option<ClassHead>,
}

impl Config {
    /// The reference: ViT-B/16, template 192, search 384, with the condition head.
    pub fn reference() -> Self {
        Self {
            template_size: 192,
            search_size: 384,
            patch: 16,
            dim: 768,
            depth: 12,
            heads: 12,
            mlp_ratio: 4.0,
            drop_path: 0.1,
            elimination: Elimination { layers: vec![3, 6, 9], keep: vec![0.7; 3], range: TemplateRange::CentrePoint },
            prompts: Some(Prompts::reference()),
            box_head: BoxHeadKind::Centre,
            head_channels: 256,
            class_head: Some(ClassHead::plain(512, 0.1)),
        }
    }

    /// OSTrack (`vitb_256_mae_ce_32x4_ep300`): ViT-B/16, template 128, search 256, backbone and box head alone.
    pub fn ostrack() -> Self {
        Self { template_size: 128, search_size: 256, prompts: None, class_head: None, ..Self::reference() }
    }

    /// The reference with ViT-L/16 (`vit_large_patch16_224_ce`).
    pub fn large() -> Self {
        Self { dim: 1024, depth: 24, heads: 16, ..Self::reference() }
    }

    /// A small one that trains on two CPU cores: everything the reference has, on crops of 64 and 128 pixels.
    pub fn small() -> Self {
        Self {
            template_size: 64,
            search_size: 128,
            dim: 128,
            depth: 4,
            heads: 4,
            elimination: Elimination { layers: vec![1, 2], keep: vec![0.7; 2], range: TemplateRange::CentrePoint },
            prompts: Some(Prompts { encoder_stem: 16, encoder_stages: [16, 32, 64], key_dim: 32 }),
            head_channels: 64,
            class_head: Some(ClassHead::plain(128, 0.1)),
            ..Self::reference()
        }
    }

    /// Side of the template's grid of tokens.
    pub fn template_grid(&self) -> i64 {
        self.template_size / self.patch
    }

    /// Side of the search region's grid of tokens, and of the score map.
    pub fn search_grid(&self) -> i64 {
        self.search_size / self.patch
    }

    /// Channels of a memory value: half a token, as the prompt is a memory readout beside the query's own value.
    pub fn value_dim(&self) -> i64 {
        self.dim / 2
    }

    /// Width of a block's hidden layer.
    pub fn mlp_dim(&self) -> i64 {
        (self.dim as f64 * self.mlp_ratio) as i64
    }

    /// The drop-path rate of block `layer`, from 0.
    pub fn drop_path_at(&self, layer: usize) -> f64 {
        let last = self.depth.saturating_sub(1);
        if last > 0 { self.drop_path * layer as f64 / last as f64 } else { 0.0 }
    }

    /// Says everything that does not fit, each on a line of its own.
    pub fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        let mut need = |ok: bool, message: String| {
            if !ok {
                wrong.push(message);
            }
        };
        let Self { patch, dim, heads, depth, .. } = *self;
        need(matches!(patch, 8 | 16), format!("patch size (MODEL.BACKBONE.STRIDE) is {patch}; use 8 or 16"));
        let step = if patch == 8 { 8 } else { 16 };
        for (key, size) in [("DATA.TEMPLATE.SIZE", self.template_size), ("DATA.SEARCH.SIZE", self.search_size)] {
            need(
                size > 0 && size % step == 0,
                format!("{key} is {size}; use a positive multiple of the patch size {step}"),
            );
        }
        need(dim >= 32, format!("token width is {dim}; use at least 32"));
        need(heads > 0 && dim % heads.max(1) == 0, format!("token width {dim} does not divide into {heads} heads"));
        need(depth > 0, "depth is 0; use at least one transformer block".into());
        need(
            self.mlp_ratio.is_finite() && self.mlp_dim() >= 1,
            format!("MLP ratio is {}; use a positive number", self.mlp_ratio),
        );
        need(
            (0.0..1.0).contains(&self.drop_path),
            format!("TRAIN.DROP_PATH_RATE is {}; use 0 or more and less than 1", self.drop_path),
        );
        if let Some(Prompts { encoder_stem, encoder_stages, key_dim }) = &self.prompts {
            need(dim % 2 == 0, format!("token width is {dim}; use an even number, as memory values take half of it"));
            need(
                *encoder_stem > 0 && encoder_stages.iter().all(|&width| width > 0),
                format!("prompt encoder widths are {encoder_stem} and {encoder_stages:?}; use positive ones"),
            );
            need(
                *key_dim > 0 && *key_dim <= 9 * dim.max(1),
                format!("memory key width is {key_dim}; use 1 to {}", 9 * dim.max(1)),
            );
        }
        need(
            self.head_channels >= 8 && self.head_channels % 8 == 0,
            format!(
                "MODEL.HEAD.NUM_CHANNELS is {}; use a multiple of 8, as it is halved three times",
                self.head_channels
            ),
        );
        self.check_elimination(&mut wrong);
        if let Some(head) = &self.class_head {
            check_class_head(head, patch, &mut wrong);
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::config(wrong.join("\n"))) }
    }

    fn check_elimination(&self, wrong: &mut Vec<String>) {
        let Elimination { layers, keep, .. } = &self.elimination;
        if layers.len() != keep.len() {
            let (blocks, ratios) = (layers.len(), keep.len());
            wrong.push(format!(
                "MODEL.BACKBONE.CE_LOC names {blocks} blocks and CE_KEEP_RATIO {ratios} ratios; give one ratio a block"
            ));
        }
        if !layers.is_sorted_by(|a, b| a < b) || layers.iter().any(|&layer| layer >= self.depth) {
            wrong.push(format!(
                "MODEL.BACKBONE.CE_LOC is {layers:?}; use ascending block numbers below the depth {}",
                self.depth
            ));
        }
        if let Some(ratio) = keep.iter().find(|&&ratio| !(ratio > 0.0 && ratio <= 1.0)) {
            wrong.push(format!("MODEL.BACKBONE.CE_KEEP_RATIO has {ratio}; use ratios above 0, at most 1"));
        }
    }
}

fn check_class_head(head: &ClassHead, patch: i64, wrong: &mut Vec<String>) {
    let halvings = patch.max(1).ilog2() as usize;
    if !head.stem.is_empty() && (head.stem.len() != halvings || head.stem.iter().any(|&width| width < 1)) {
        let stem = &head.stem;
        wrong.push(format!(
            "MODEL.CLS_HEAD.STEM is {stem:?}; use {halvings} positive widths, as {halvings} convolutions of stride 2 go \
             down to patches of {patch} pixels"
        ));
    }
    if head.input == ClassInput::Fused && (!head.stem.is_empty() || head.blocks > 0) {
        wrong.push("MODEL.CLS_HEAD.STEM and BLOCKS work on tokens; set MODEL.CLS_HEAD.INPUT: tokens".into());
    }
    if !(head.gradient_scale.is_finite() && head.gradient_scale >= 0.0) {
        wrong.push(format!("TRAIN.CLS_GRADIENT_SCALE is {}; use 0 or more", head.gradient_scale));
    }
    if head.hidden < 1 {
        wrong.push(format!("MODEL.CLS_HEAD.HIDDEN_DIM is {}; use a positive width", head.hidden));
    }
    if head.classes < Condition::COUNT as i64 {
        let (classes, conditions) = (head.classes, Condition::COUNT);
        wrong.push(format!("MODEL.CLS_HEAD.NUM_CLASSES is {classes}; labels need at least {conditions}"));
    }
    if !(0.0..1.0).contains(&head.dropout) {
        wrong.push(format!("MODEL.CLS_HEAD.DROPOUT is {}; use 0 or more and less than 1", head.dropout));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_sizes_fit() {
        Config::reference().check().unwrap();
        Config::large().check().unwrap();
        Config::ostrack().check().unwrap();
        Config::small().check().unwrap();
        Config { patch: 8, class_head: None, ..Config::small() }.check().unwrap();
    }

    #[test]
    fn every_misfit_is_named_at_once() {
        let wrong = Config {
            search_size: 130,
            dim: 100,
            heads: 3,
            head_channels: 12,
            elimination: Elimination { layers: vec![2, 9], keep: vec![0.7], range: TemplateRange::All },
            class_head: Some(ClassHead::plain(4, 1.0)),
            ..Config::small()
        };
        let failure = wrong.check().unwrap_err();
        assert_eq!(failure.kind.exit_code(), 78);
        let lines: Vec<_> = failure.message.lines().collect();
        for (line, part) in lines.iter().zip([
            "DATA.SEARCH.SIZE is 130",
            "100 does not divide into 3 heads",
            "NUM_CHANNELS is 12",
            "2 blocks and CE_KEEP_RATIO 1 ratios",
            "CE_LOC is [2, 9]",
            "DROPOUT is 1",
        ]) {
            assert!(line.contains(part), "{line} / {part}");
        }
        assert_eq!(lines.len(), 6, "{}", failure.message);
    }
}
