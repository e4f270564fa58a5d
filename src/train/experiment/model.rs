//! `MODEL`: the network.

use super::{at_least_one, family::Kind, fraction};
use crate::settings::{FromNode, Section, Value};
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
    /// Conditions that the class head tells apart; 0: there is no class head.
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

/// The backbones: width, depth and heads where the name says them, and whether candidates are eliminated.
const BACKBONES: [(&str, Option<[usize; 3]>, bool); 5] = [
    ("vit_base_patch16_224", Some([768, 12, 12]), false),
    ("vit_base_patch16_224_ce", Some([768, 12, 12]), true),
    ("vit_large_patch16_224", Some([1024, 24, 16]), false),
    ("vit_large_patch16_224_ce", Some([1024, 24, 16]), true),
    ("vit_ce", None, true),
];

impl Model {
    pub(super) fn read(mut section: Section<'_>, kind: &Kind) -> Self {
        let (pretrain_file, pretrain_key) = weights(&mut section, "mae_pretrain_vit_base.pth");
        only(&mut section, "EXTRA_MERGER", false);
        only(&mut section, "RETURN_INTER", false);
        only(&mut section, "RETURN_STAGES", Vec::<usize>::new());
        let new_hip = section
            .says(
                "True: HIPTrack, with historical prompts; False: plain OSTrack (absent: True where there is MODEL.HIP)",
            )
            .value("NEW_HIP", kind.new_hip);
        let max_memory = match new_hip {
            true => section.checked("MAX_MEM", 150, at_least_one),
            false => {
                section.refused("MAX_MEM", 150usize, kind.only_hiptrack());
                150
            }
        };
        let mut backbone = section.section("BACKBONE");
        let name = backbone.chosen("TYPE", BACKBONES[0].0, &BACKBONES.map(|(name, ..)| name));
        // Of a type that does not exist nothing else is concluded.
        let (sizes, eliminates) = BACKBONES
            .into_iter()
            .find_map(|(known, sizes, eliminates)| (Some(known) == name).then_some((sizes, eliminates)))
            .unwrap_or((None, true));
        let [embed_dim, depth, heads] = read_sizes(&mut backbone, name.unwrap_or("vit_ce"), sizes);
        if heads > 0 && !embed_dim.is_multiple_of(heads) {
            backbone.problem("NUM_HEADS", format!("{heads} heads do not divide a width of {embed_dim} (EMBED_DIM)"));
        }
        let stride = backbone.checked("STRIDE", 16, at_least_one);
        only(&mut backbone, "MID_PE", false);
        only(&mut backbone, "SEP_SEG", false);
        only(&mut backbone, "CAT_MODE", "direct".to_string());
        only(&mut backbone, "MERGE_LAYER", 0usize);
        only(&mut backbone, "ADD_CLS_TOKEN", false);
        only(&mut backbone, "CLS_TOKEN_USE_MODE", "ignore".to_string());
        let elimination_blocks = backbone.value("CE_LOC", Vec::<usize>::new());
        let keep_ratios = backbone.value("CE_KEEP_RATIO", Vec::<f64>::new());
        let template_range = template_range(&mut backbone);
        if elimination_blocks.len() != keep_ratios.len() {
            let message = format!("has {} ratios for {} blocks of CE_LOC", keep_ratios.len(), elimination_blocks.len());
            backbone.problem("CE_KEEP_RATIO", message);
        }
        if let Some(message) = keep_ratios.iter().find_map(fraction) {
            backbone.problem("CE_KEEP_RATIO", message);
        }
        if let Some(block) = elimination_blocks.iter().find(|block| name.is_some() && **block >= depth) {
            backbone.problem("CE_LOC", format!("block {block} does not exist; there are blocks 0 to {}", depth - 1));
        }
        if let (false, Some(name)) = (eliminates, name) {
            for (key, written) in [
                ("CE_LOC", !elimination_blocks.is_empty()),
                ("CE_KEEP_RATIO", !keep_ratios.is_empty()),
                ("CE_TEMPLATE_RANGE", template_range != "ALL"),
            ] {
                if written {
                    backbone
                        .problem(key, format!("{name} eliminates no candidates; use {name}_ce, or leave the key out"));
                }
            }
        }
        backbone.close();
        if !new_hip && section.has("HIP") {
            section.problem("HIP", kind.only_hiptrack());
        }
        let mut hip = section.section("HIP").idle_if(!new_hip);
        let encoder_widths = hip.value("ENCODER_WIDTHS", vec![64, 64, 128, 256]);
        if encoder_widths.len() != 4 || encoder_widths.contains(&0) {
            hip.problem("ENCODER_WIDTHS", "expected four widths above 0: stem, layer 1, 2 and 3");
        }
        let key_dim = hip.checked("KEY_DIM", 64, at_least_one);
        let (encoder_pretrain_file, encoder_pretrain_key) = weights(&mut hip, "none");
        hip.close();
        let mut head = section.section("HEAD");
        let box_head = head.choice("TYPE", "CENTER", &["CENTER", "CORNER"]);
        let head_channels = head.checked("NUM_CHANNELS", 256, |channels| {
            (*channels == 0 || *channels % 8 != 0).then(|| "must be a multiple of 8".to_string())
        });
        head.close();
        let all = crate::data::condition::Condition::COUNT;
        let mut class = section.section("CLS_HEAD").idle_if(!kind.class_head && !kind.no_classes);
        let classes = class.says("0: a tracker without a condition head").checked("NUM_CLASSES", all, |n| {
            (*n != 0 && *n != all).then(|| format!("must be {all}, or 0 for no head"))
        });
        let mut class = class.idle_if(!kind.class_head);
        let class_hidden = class.checked("HIDDEN_DIM", 512, at_least_one);
        let class_dropout = class.checked("DROPOUT", 0.1, fraction);
        let class_input = class
            .says(
                "fused: the search feature that the box head sees; tokens: the backbone's tokens of template and search \
                 region",
            )
            .choice("INPUT", "fused", &["fused", "tokens"]);
        let class_stem = class
            .says("widths of the head's own stride-2 convolutions over the crops (3 for STRIDE 8, 4 for 16); []: none")
            .value("STEM", Vec::<usize>::new());
        let class_blocks = class.says("the head's own transformer blocks over its tokens").value("BLOCKS", 0usize);
        let class_pooling = class.says("mean of the features, or attention: a learned query attends to them").choice(
            "POOLING",
            "mean",
            &["mean", "attention"],
        );
        if kind.class_head && class_input == "fused" {
            let only_tokens = "works on tokens; set MODEL.CLS_HEAD.INPUT: tokens";
            if !class_stem.is_empty() {
                class.problem("STEM", only_tokens);
            }
            if class_blocks > 0 {
                class.problem("BLOCKS", only_tokens);
            }
        }
        for key in ["HIDDEN_DIM", "DROPOUT", "INPUT", "STEM", "BLOCKS", "POOLING"] {
            if kind.no_classes {
                class.without_effect(key, "MODEL.CLS_HEAD.NUM_CLASSES is 0: there is no condition head");
            }
        }
        class.close();
        let classes = if kind.class_head { classes } else { 0 };
        only(&mut section, "HIDDEN_DIM", embed_dim);
        let bottleneck = section.optional::<usize>("BOTTLENECK_DIM");
        match bottleneck {
            Some(256) => section.without_effect("BOTTLENECK_DIM", "there is no bottleneck before the box head"),
            Some(_) => {
                section.problem("BOTTLENECK_DIM", "there is no bottleneck before the box head; leave the key out")
            }
            None => {}
        }
        section.close();
        Self {
            new_hip,
            pretrain_file,
            pretrain_key,
            encoder_pretrain_file,
            encoder_pretrain_key,
            max_memory,
            embed_dim,
            depth,
            heads,
            stride,
            elimination_blocks,
            keep_ratios,
            template_range,
            encoder_widths,
            key_dim,
            head: box_head,
            head_channels,
            classes,
            class_hidden,
            class_dropout,
            class_input,
            class_stem,
            class_blocks,
            class_pooling,
        }
    }
}

/// Which template tokens vote on the elimination.
fn template_range(backbone: &mut Section<'_>) -> &'static str {
    let key = "CE_TEMPLATE_RANGE";
    let by_box = backbone.node(key).is_some_and(|node| String::from_node(node).as_deref() == Some("GT_BOX"));
    if by_box {
        let message = "GT_BOX lets every template have another number of votes, and small objects none; use CTR_POINT, \
                       CTR_REC or ALL";
        backbone.refused(key, "ALL".to_string(), message);
        return "ALL";
    }
    backbone.choice(key, "ALL", &["ALL", "CTR_POINT", "CTR_REC"])
}

/// `PRETRAIN_FILE` of a section: the path of a file of weights, or `none`.
fn weights(section: &mut Section<'_>, default: &str) -> (Option<PathBuf>, Option<String>) {
    // `None` is what Python's dumpers write, and an empty value what YAML makes of it.
    let nothing = section.node("PRETRAIN_FILE").is_some_and(|node| node.value == Value::Null);
    let file = match nothing {
        true => "none".to_string(),
        false => section.value("PRETRAIN_FILE", default.to_string()),
    };
    let file = (!file.is_empty() && !file.eq_ignore_ascii_case("none")).then(|| PathBuf::from(file));
    let key = section.says("the key of the weights in PRETRAIN_FILE (teacher, model_ema, …); auto: the usual one");
    let key = key.value("PRETRAIN_KEY", "auto".to_string());
    let key = (!key.is_empty() && key != "auto").then_some(key);
    if key.is_some() && file.is_none() {
        section.problem("PRETRAIN_KEY", "there is no PRETRAIN_FILE that it could be a key of");
    }
    (file, key)
}

/// Width, depth and heads of a backbone: those of its type, or for `vit_ce` those of its keys.
fn read_sizes(backbone: &mut Section<'_>, kind: &str, sizes: Option<[usize; 3]>) -> [usize; 3] {
    let defaults = sizes.unwrap_or([768, 12, 12]);
    let keys = ["EMBED_DIM", "DEPTH", "NUM_HEADS"];
    let mut found = defaults;
    for ((key, default), found) in keys.into_iter().zip(defaults).zip(&mut found) {
        *found = backbone.checked(key, default, at_least_one);
        if sizes.is_some() && *found != default {
            backbone.problem(key, format!("{kind} has {default}, not {found}; for other sizes use vit_ce"));
        }
    }
    found
}

/// A key of the reference with a single value that means anything here; others are refused.
fn only<T: FromNode + PartialEq>(section: &mut Section<'_>, key: &'static str, supported: T) {
    if let Some(found) = section.optional::<T>(key)
        && found != supported
    {
        section.problem(key, format!("only {} is supported, found {}", supported.render(), found.render()));
    }
}
