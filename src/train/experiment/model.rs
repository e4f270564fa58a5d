//! `MODEL`: the network.

use super::{
    family::Kind,
    parts::{Backbone, BoxHead, ClassHead, Hip, WeightsFile, named, only},
};
use crate::settings::{Config, FromNode, Section};
use std::path::PathBuf;

/// `MODEL`.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Whether historical prompts join the search features; without them it is OSTrack.
    pub new_hip: bool,
    /// Weights to start from; `None` starts from scratch.
    pub pretrain_file: Option<PathBuf>,
    /// The key of the weights in that file; `None` where they are those that are usually meant.
    pub pretrain_key: Option<String>,
    /// A ResNet-18 for the prompt encoder to start from; `None` starts it from scratch.
    pub encoder_pretrain_file: Option<PathBuf>,
    /// The key of the weights in that file.
    pub encoder_pretrain_key: Option<String>,
    /// Most entries of the online tracker's memory.
    pub max_memory: usize,
    /// Width of the ViT's tokens.
    pub embed_dim: usize,
    /// Blocks of the ViT.
    pub depth: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Side of a patch in pixels.
    pub stride: usize,
    /// Blocks (from 0) after whose attention candidates are eliminated.
    pub elimination_blocks: Vec<usize>,
    /// Share of search tokens kept at each of them.
    pub keep_ratios: Vec<f64>,
    /// Which template tokens vote on the elimination: `ALL`, `CTR_POINT` or `CTR_REC`.
    pub template_range: &'static str,
    /// Widths of the historical prompt encoder: stem, layer 1, 2 and 3.
    pub encoder_widths: Vec<usize>,
    /// Width of the memory's keys.
    pub key_dim: usize,
    /// `CENTER` or `CORNER`.
    pub head: &'static str,
    /// Width of the box head's towers.
    pub head_channels: usize,
    /// Conditions that the class head distinguishes; 0: there is no class head.
    pub classes: usize,
    /// Width of the class head's hidden layer.
    pub class_hidden: usize,
    /// Dropout in the class head.
    pub class_dropout: f64,
    /// What the class head reads: `fused` or `tokens`.
    pub class_input: &'static str,
    /// Widths of the class head's own convolutions over the crops; empty: there are none.
    pub class_stem: Vec<usize>,
    /// The class head's own transformer blocks.
    pub class_blocks: usize,
    /// How the class head's features become one: `mean` or `attention`.
    pub class_pooling: &'static str,
}

/// The keys of `MODEL`.
#[derive(Config)]
#[config(context = Kind)]
struct Keys {
    /// Weights to start from: a file of PyTorch or safetensors of a ViT, an OSTrack or a HIPTrack; none: from scratch.
    #[config(key = "PRETRAIN_FILE", default = WeightsFile(Some("mae_pretrain_vit_base.pth".into())), resume = free)]
    pretrain_file: WeightsFile,
    /// The key of the weights in PRETRAIN_FILE (teacher, model_ema, …); auto: the usual one.
    #[config(
        key = "PRETRAIN_KEY", as = String, default = "auto".to_string(), resume = free,
        check = |key| pretrain_file.lacks(key), map = named
    )]
    pretrain_key: Option<String>,
    /// A key of older trackers: only False is supported.
    #[config(key = "EXTRA_MERGER", as = Option<bool>, check = only(false), map = |_| ())]
    _extra_merger: (),
    /// A key of older trackers: only False is supported.
    #[config(key = "RETURN_INTER", as = Option<bool>, check = only(false), map = |_| ())]
    _return_inter: (),
    /// A key of older trackers: only [] is supported.
    #[config(key = "RETURN_STAGES", as = Option<Vec<usize>>, check = only(Vec::new()), map = |_| ())]
    _return_stages: (),
    /// True: HIPTrack, with historical prompts; False: plain OSTrack.
    #[config(key = "NEW_HIP", default = context.new_hip, absent = "True where there is a section MODEL.HIP, else False")]
    new_hip: bool,
    /// HIPTrack: the most entries of the online tracker's memory.
    #[config(
        key = "MAX_MEM", default = 150, min = 1, resume = free,
        refused = (!new_hip).then(|| context.only_hiptrack())
    )]
    max_memory: usize,
    /// The ViT that templates and search frames share.
    #[config(key = "BACKBONE", nested)]
    backbone: Backbone,
    /// HIPTrack: the historical prompts.
    #[config(key = "HIP", nested = &(), refused = (!new_hip).then(|| context.only_hiptrack()))]
    hip: Hip,
    /// The box head.
    #[config(key = "HEAD", nested = &())]
    head: BoxHead,
    /// The condition head. Absent, as all of TRAIN.CLS_* and CLS_ANN_DIR: there is none.
    #[config(key = "CLS_HEAD", nested)]
    class: ClassHead,
    /// Width of the tokens, as multi-task files say it: only that of the backbone is supported.
    #[config(key = "HIDDEN_DIM", as = Option<usize>, check = only(backbone.embed_dim), map = |_| ())]
    _hidden_dim: (),
    /// A key of multi-task files without effect: only 256 is supported.
    #[config(
        key = "BOTTLENECK_DIM", as = Option<usize>, unused = usual_bottleneck(section), check = other_bottleneck,
        map = |_| ()
    )]
    _bottleneck_dim: (),
}

const NO_BOTTLENECK: &str = "there is no bottleneck before the box head";
const USUAL_BOTTLENECK: usize = 256;

fn usual_bottleneck(section: &mut Section<'_>) -> Option<&'static str> {
    let written = section.node("BOTTLENECK_DIM").and_then(usize::from_node);
    (written == Some(USUAL_BOTTLENECK)).then_some(NO_BOTTLENECK)
}

fn other_bottleneck(width: &Option<usize>) -> Option<String> {
    width.filter(|width| *width != USUAL_BOTTLENECK).map(|_| format!("{NO_BOTTLENECK}; leave the key out"))
}

impl Model {
    pub(super) fn read(mut section: Section<'_>, kind: &Kind) -> Self {
        let keys = Keys::read(&mut section, kind);
        section.close();
        let Keys { backbone, hip, head, class, .. } = keys;
        Self {
            new_hip: keys.new_hip,
            pretrain_file: keys.pretrain_file.0,
            pretrain_key: keys.pretrain_key,
            encoder_pretrain_file: hip.pretrain_file.0,
            encoder_pretrain_key: hip.pretrain_key,
            max_memory: keys.max_memory,
            embed_dim: backbone.embed_dim,
            depth: backbone.depth,
            heads: backbone.heads,
            stride: backbone.stride,
            elimination_blocks: backbone.elimination_blocks,
            keep_ratios: backbone.keep_ratios,
            template_range: backbone.template_range,
            encoder_widths: hip.encoder_widths,
            key_dim: hip.key_dim,
            head: head.kind,
            head_channels: head.channels,
            classes: if kind.class_head { class.classes } else { 0 },
            class_hidden: class.hidden,
            class_dropout: class.dropout,
            class_input: class.input,
            class_stem: class.stem,
            class_blocks: class.blocks,
            class_pooling: class.pooling,
        }
    }
}
