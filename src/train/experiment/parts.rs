//! The parts of `MODEL`: backbone, prompts and heads.

use super::family::Kind;
use crate::{
    data::condition::Condition,
    settings::{Config, FromNode, Node, Section, Value},
};
use std::path::PathBuf;

/// The backbones: width, depth and heads where the name says them, and whether candidates are eliminated.
const BACKBONES: [(&str, Option<[usize; 3]>, bool); 5] = [
    ("vit_base_patch16_224", Some([768, 12, 12]), false),
    ("vit_base_patch16_224_ce", Some([768, 12, 12]), true),
    ("vit_large_patch16_224", Some([1024, 24, 16]), false),
    ("vit_large_patch16_224_ce", Some([1024, 24, 16]), true),
    ("vit_ce", None, true),
];

/// The sizes of `vit_ce` when nobody says.
const OWN_SIZES: [usize; 3] = [768, 12, 12];

/// `MODEL.BACKBONE`.
#[derive(Config)]
#[config(context = Kind, check = Backbone::check)]
pub(super) struct Backbone {
    /// The backbone; those in _ce eliminate candidates. vit_ce has the sizes of its keys, the others their own.
    #[config(key = "TYPE", choices = BACKBONES.map(|(name, ..)| name), default = BACKBONES[0].0)]
    name: Option<&'static str>,
    // Of a type that does not exist nothing else is concluded.
    #[config(value = BACKBONES.into_iter().find(|known| Some(known.0) == name).map(|known| (known.1, known.2)).unwrap_or((None, true)))]
    known: (Option<[usize; 3]>, bool),
    /// Width of the tokens.
    #[config(
        key = "EMBED_DIM", default = known.0.unwrap_or(OWN_SIZES)[0], absent = "that of TYPE; vit_ce: 768", min = 1,
        check = |found| other_size(name, known.0.map(|sizes| sizes[0]), *found)
    )]
    pub embed_dim: usize,
    /// Blocks.
    #[config(
        key = "DEPTH", default = known.0.unwrap_or(OWN_SIZES)[1], absent = "that of TYPE; vit_ce: 12", min = 1,
        check = |found| other_size(name, known.0.map(|sizes| sizes[1]), *found)
    )]
    pub depth: usize,
    /// Attention heads of a block; they divide the width.
    #[config(
        key = "NUM_HEADS", default = known.0.unwrap_or(OWN_SIZES)[2], absent = "that of TYPE; vit_ce: 12", min = 1,
        check = |found| other_size(name, known.0.map(|sizes| sizes[2]), *found)
    )]
    pub heads: usize,
    /// Side of a patch in pixels.
    #[config(key = "STRIDE", default = 16, min = 1)]
    pub stride: usize,
    /// A key of older trackers: only False is supported.
    #[config(key = "MID_PE", as = Option<bool>, check = only(false), map = |_| ())]
    _mid_pe: (),
    /// A key of older trackers: only False is supported.
    #[config(key = "SEP_SEG", as = Option<bool>, check = only(false), map = |_| ())]
    _sep_seg: (),
    /// How template and search tokens are joined: only direct is supported.
    #[config(key = "CAT_MODE", as = Option<String>, check = only("direct".to_string()), map = |_| ())]
    _cat_mode: (),
    /// The block at which template and search tokens are joined: only 0 is supported.
    #[config(key = "MERGE_LAYER", as = Option<usize>, check = only(0), map = |_| ())]
    _merge_layer: (),
    /// A key of older trackers: only False is supported.
    #[config(key = "ADD_CLS_TOKEN", as = Option<bool>, check = only(false), map = |_| ())]
    _add_cls_token: (),
    /// A key of older trackers: only ignore is supported.
    #[config(key = "CLS_TOKEN_USE_MODE", as = Option<String>, check = only("ignore".to_string()), map = |_| ())]
    _cls_token_use_mode: (),
    /// The blocks (from 0) after whose attention candidates are eliminated; a TYPE in _ce.
    #[config(key = "CE_LOC", default = Vec::new())]
    pub elimination_blocks: Vec<usize>,
    /// For each block of CE_LOC, the share of search tokens that it keeps. In training the first holds for all, as the
    /// schedule of TRAIN.CE_START_EPOCH says.
    #[config(key = "CE_KEEP_RATIO", default = Vec::new(), min = 0, max = 1)]
    pub keep_ratios: Vec<f64>,
    /// Which template tokens vote on the elimination: all, the centre point, or the central rectangle.
    #[config(
        key = "CE_TEMPLATE_RANGE", choices = ["ALL", "CTR_POINT", "CTR_REC"], default = "ALL",
        refused = by_box(section)
    )]
    pub template_range: &'static str,
}

impl Backbone {
    fn check(&self, section: &mut Section<'_>, _: &Kind) {
        let (width, heads, blocks) = (self.embed_dim, self.heads, &self.elimination_blocks);
        if heads > 0 && !width.is_multiple_of(heads) {
            let message = format!("{heads} heads do not divide a width of {width} (EMBED_DIM)");
            section.conflict("NUM_HEADS", &["EMBED_DIM"], message);
        }
        if blocks.len() != self.keep_ratios.len() {
            let message = format!("has {} ratios for {} blocks of CE_LOC", self.keep_ratios.len(), blocks.len());
            section.conflict("CE_KEEP_RATIO", &["CE_LOC"], message);
        }
        if let Some(block) = blocks.iter().find(|block| self.name.is_some() && **block >= self.depth) {
            let last = self.depth.saturating_sub(1);
            let message = format!("block {block} does not exist; there are blocks 0 to {last}");
            section.conflict("CE_LOC", &["DEPTH", "TYPE"], message);
        }
        if let (false, Some(name)) = (self.known.1, self.name) {
            for (key, written) in [
                ("CE_LOC", !blocks.is_empty()),
                ("CE_KEEP_RATIO", !self.keep_ratios.is_empty()),
                ("CE_TEMPLATE_RANGE", self.template_range != "ALL"),
            ] {
                if written {
                    let message = format!("{name} eliminates no candidates; use {name}_ce, or leave the key out");
                    section.conflict(key, &["TYPE"], message);
                }
            }
        }
    }
}

/// A size that is not that of the named backbone.
fn other_size(name: Option<&str>, own: Option<usize>, found: usize) -> Option<String> {
    let (name, own) = (name?, own?);
    (found != own).then(|| format!("{name} has {own}, not {found}; for other sizes use vit_ce"))
}

/// `MODEL.HIP`.
#[derive(Config)]
pub(super) struct Hip {
    /// Widths of the prompt encoder: stem, layer 1, 2 and 3.
    #[config(key = "ENCODER_WIDTHS", default = vec![64, 64, 128, 256], min = 1, check = four)]
    pub encoder_widths: Vec<usize>,
    /// Width of the memory's keys.
    #[config(key = "KEY_DIM", default = 64, min = 1)]
    pub key_dim: usize,
    /// A ResNet-18 for the prompt encoder to start from; none: from scratch.
    #[config(key = "PRETRAIN_FILE", default = WeightsFile(None), resume = free)]
    pub pretrain_file: WeightsFile,
    /// The key of the weights in PRETRAIN_FILE; auto: the usual one.
    #[config(
        key = "PRETRAIN_KEY", as = String, default = "auto".to_string(), resume = free,
        check = |key| pretrain_file.lacks(key), map = named
    )]
    pub pretrain_key: Option<String>,
}

#[allow(clippy::ptr_arg, reason = "it checks a key of this type")]
fn four(widths: &Vec<usize>) -> Option<String> {
    (widths.len() != 4).then(|| "expected four widths: stem, layer 1, 2 and 3".to_string())
}

/// `MODEL.HEAD`.
#[derive(Config)]
pub(super) struct BoxHead {
    /// CENTER: a heat map of the centre, with offset and size; CORNER: heat maps of two corners.
    #[config(key = "TYPE", choices = ["CENTER", "CORNER"], default = "CENTER")]
    pub kind: &'static str,
    /// Width of the head's towers.
    #[config(key = "NUM_CHANNELS", default = 256, min = 8, multiple_of = 8)]
    pub channels: usize,
}

/// `MODEL.CLS_HEAD`.
#[derive(Config)]
#[config(context = Kind)]
pub(super) struct ClassHead {
    /// Conditions that the head distinguishes: all 10, or 0 for a tracker without a condition head.
    #[config(
        key = "NUM_CLASSES", default = Condition::COUNT, absent_acts,
        inactive = (!context.class_head && !context.no_classes).then_some("there is no condition head"),
        check = |n| (*n != 0 && *n != Condition::COUNT).then(|| format!("must be {}, or 0 for no head", Condition::COUNT))
    )]
    pub classes: usize,
    /// Width of the head's hidden layer.
    #[config(key = "HIDDEN_DIM", default = 512, min = 1, inactive = no_head(context))]
    pub hidden: usize,
    /// Dropout before the head's last layer.
    #[config(key = "DROPOUT", default = 0.1, min = 0, max = 1, inactive = no_head(context))]
    pub dropout: f64,
    /// What the head reads: `fused`, the search feature that the box head sees; `tokens`, the backbone's tokens of template
    /// and search region.
    #[config(key = "INPUT", choices = ["fused", "tokens"], default = "fused", inactive = no_head(context))]
    pub input: &'static str,
    /// Widths of the head's own convolutions of stride 2 over the crops (3 of them for STRIDE 8, 4 for 16); []: none.
    #[config(
        key = "STEM", default = Vec::new(), inactive = no_head(context),
        check = |widths| only_tokens(input, !widths.is_empty())
    )]
    pub stem: Vec<usize>,
    /// The head's own transformer blocks over its tokens.
    #[config(key = "BLOCKS", default = 0, inactive = no_head(context), check = |blocks| only_tokens(input, *blocks > 0))]
    pub blocks: usize,
    /// How the head's features become one: their mean, or by attention of a learned query.
    #[config(key = "POOLING", choices = ["mean", "attention"], default = "mean", inactive = no_head(context))]
    pub pooling: &'static str,
}

/// Why a part that works on tokens cannot be.
fn only_tokens(input: &str, is_used: bool) -> Option<String> {
    (is_used && input == "fused").then(|| "works on tokens; set MODEL.CLS_HEAD.INPUT: tokens".into())
}

fn no_head(kind: &Kind) -> Option<&'static str> {
    (!kind.class_head).then_some("MODEL.CLS_HEAD.NUM_CLASSES is 0: there is no condition head")
}

/// The number of votes would differ from template to template.
fn by_box(section: &mut Section<'_>) -> Option<&'static str> {
    let written = section.node("CE_TEMPLATE_RANGE").and_then(String::from_node)?;
    (written == "GT_BOX").then_some(
        "GT_BOX lets every template have another number of votes, and small objects none; use CTR_POINT, CTR_REC or ALL",
    )
}

/// The path of a file of weights, or `none`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WeightsFile(pub Option<PathBuf>);

impl WeightsFile {
    /// Why `key` of no file cannot be.
    pub fn lacks(&self, key: &str) -> Option<String> {
        let is_named = named(key.to_string()).is_some();
        (is_named && self.0.is_none()).then(|| "there is no PRETRAIN_FILE that it could be a key of".to_string())
    }
}

impl FromNode for WeightsFile {
    fn expected() -> String {
        "a path, or none".into()
    }

    fn from_node(node: &Node) -> Option<Self> {
        match &node.value {
            // `None` is what Python's dumpers write, and an empty value what YAML makes of it.
            Value::Null => Some(Self(None)),
            Value::Text(text) if text.is_empty() || text.eq_ignore_ascii_case("none") => Some(Self(None)),
            Value::Text(text) => Some(Self(Some(text.into()))),
            _ => None,
        }
    }

    fn render(&self) -> String {
        self.0.as_ref().map_or_else(|| "none".to_string().render(), PathBuf::render)
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({"type": ["string", "null"]})
    }
}

/// The key of the weights in a file; none where it is the usual one.
pub(super) fn named(key: String) -> Option<String> {
    (!key.is_empty() && key != "auto").then_some(key)
}

/// For a key of the reference with a single value that means anything here: others are refused.
pub(super) fn only<T: FromNode + PartialEq>(supported: T) -> impl FnOnce(&Option<T>) -> Option<String> {
    move |found| {
        let found = found.as_ref().filter(|found| **found != supported)?;
        Some(format!("only {} is supported, found {}", supported.render(), found.render()))
    }
}
