//! What `trackflow init` writes.

use super::{Count, Model};
use std::path::Path;

/// What the files depend on.
pub(super) struct Facts<'a> {
    /// The folder of sequences, absolute.
    pub data: &'a Path,
    /// The folder of the files, absolute.
    pub folder: &'a Path,
    pub model: Model,
    pub train: Count,
    pub val: Count,
    /// Frames of the shortest sequence.
    pub shortest: usize,
    pub hold_out: u32,
}

/// Sequences with fewer frames give no clips by default.
const MIN_FRAMES: usize = 20;

/// A path or a name in a YAML file, whatever it holds.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A word of a command line, whatever it holds.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:@,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.into() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

impl Facts<'_> {
    fn set(&self, list: &str) -> String {
        format!("folder:{}@{}", self.data.display(), self.folder.join(list).display())
    }

    fn labels(&self) -> String {
        self.folder.join("labels").display().to_string()
    }
}

/// The commands that lead from the files to scores, in their order.
pub(super) fn next(facts: &Facts<'_>) -> [String; 5] {
    let path = |name: &str| word(&facts.folder.join(name).display().to_string());
    let all = word(&format!("folder:{}", facts.data.display()));
    let (config, out, val) = (path("experiment.yaml"), path("output"), word(&facts.set("val.txt")));
    [
        format!("trackflow data verify {all} --deep"),
        format!("trackflow data label {all} --out {}", path("labels")),
        format!("trackflow train --config {config} --pipeline {} --save_dir {out}", path("pipeline.yaml")),
        format!("trackflow track --config {config} --dataset {val} --save_dir {out} --draw {}", path("drawn")),
        format!("trackflow evaluate --config {config} --dataset {val} --save_dir {out}"),
    ]
}

/// The experiment, with comments.
pub(super) fn experiment(facts: &Facts<'_>) -> String {
    let Facts { train, val, .. } = facts;
    let (train_set, val_set) = (quoted(&facts.set("train.txt")), quoted(&facts.set("val.txt")));
    let labels = quoted(&facts.labels());
    let min_frames = facts.shortest.clamp(2, MIN_FRAMES);
    // So that an epoch says something of a small set, and ends for a large one.
    let clips = |count: &Count, least: usize, most: usize| count.frames.clamp(least, most);
    let sizes = match facts.model {
        Model::Small => SMALL,
        Model::Base => BASE,
    };
    let (crops, model, training) = sizes;
    format!(
        "\
# An experiment for {data}. All keys with their defaults: docs/configuration.md, or `trackflow schema docs`.
DATA:
  # Sequences with fewer frames give no clips; the shortest here has {shortest}.
  MIN_FRAMES: {min_frames}
  # The largest gap between neighbouring frames of a clip: more makes clips harder. At 30 frames a second, 2 seconds.
  MAX_JUMP: 60
{crops}  # Whole sequences are held out ({held} of {all}, one in {hold_out}): neighbouring frames of one video in both parts would make
  # validation say nothing. Both lists name sequences, one a line; edit them as you like.
  TRAIN:
    DATASETS_NAME: [{train_set}]
    # Clips of an epoch.
    SAMPLE_PER_EPOCH: {train_clips}
    # Scene conditions of the frames, as `trackflow data label` writes them. Without this key in both parts and without
    # TRAIN.CLS_WEIGHT below, the model has no condition head.
    CLS_ANN_DIR: {labels}
  VAL:
    DATASETS_NAME: [{val_set}]
    SAMPLE_PER_EPOCH: {val_clips}
    CLS_ANN_DIR: {labels}
{model}{training}",
        data = facts.data.display(),
        shortest = facts.shortest,
        held = val.sequences,
        all = train.sequences + val.sequences,
        hold_out = facts.hold_out,
        train_clips = clips(train, 512, 10_000),
        val_clips = clips(val, 64, 1_000),
    )
}

/// Crops, model and training of a size.
type Sizes = (&'static str, &'static str, &'static str);

const SMALL: Sizes = (
    "  # Crops: their side in pixels, and how many times the object's size they show.
  TEMPLATE: {SIZE: 40, FACTOR: 2.0}
  SEARCH: {NUMBER: 2, SIZE: 80, FACTOR: 4.0, CENTER_JITTER: 3.0, SCALE_JITTER: 0.25}
",
    "\
# A small HIPTrack, trained from scratch. `trackflow init --model base` writes the published size, for a GPU.
MODEL:
  NEW_HIP: True
  PRETRAIN_FILE: none
  BACKBONE: {TYPE: vit_ce, EMBED_DIM: 64, DEPTH: 4, NUM_HEADS: 2, STRIDE: 8}
  HIP: {ENCODER_WIDTHS: [8, 8, 16, 24], KEY_DIM: 32}
  HEAD: {TYPE: CENTER, NUM_CHANNELS: 32}
  CLS_HEAD: {HIDDEN_DIM: 128, DROPOUT: 0.0}
",
    "\
TRAIN:
  BATCH_SIZE: 16
  # Two halves of a batch on two cores; on a GPU leave both out.
  REPLICAS: 2
  THREADS: 2
  EPOCH: 10
  LR: 0.001
  # The backbone trains too, with and without a condition head.
  FREEZE_BACKBONE: False
  BACKBONE_MULTIPLIER: 1.0
  WEIGHT_DECAY: 0.05
  GRAD_CLIP_NORM: 1.0
  DROP_PATH_RATE: 0.0
  SCHEDULER: {TYPE: cosine, WARMUP_EPOCHS: 0.25}
  # How much the conditions count beside the boxes (docs/mtl.md says what they cost).
  CLS_WEIGHT: 0.1
  PRINT_INTERVAL: 10
  # Validates before the first epoch and after each one.
  VAL_BEFORE: True
  VAL_EPOCH_INTERVAL: 1
",
);

const BASE: Sizes = (
    "  # Crops: their side in pixels, and how many times the object's size they show.
  TEMPLATE: {SIZE: 192, FACTOR: 2.0}
  SEARCH: {NUMBER: 5, SIZE: 384, FACTOR: 5.0, CENTER_JITTER: 4.5, SCALE_JITTER: 0.5}
",
    "\
MODEL:
  NEW_HIP: True
  # A trained HIPTrack, DropTrack or OSTrack (.safetensors, .pth, .pth.tar), or a plain ViT-B; also below pretrained_models/.
  PRETRAIN_FILE: mae_pretrain_vit_base.pth
  BACKBONE: {TYPE: vit_base_patch16_224_ce, STRIDE: 16, CE_LOC: [3, 6, 9], CE_KEEP_RATIO: [1, 1, 1], CE_TEMPLATE_RANGE: CTR_POINT}
  HEAD: {TYPE: CENTER, NUM_CHANNELS: 256}
  CLS_HEAD: {NUM_CLASSES: 10, HIDDEN_DIM: 512, DROPOUT: 0.1}
",
    "\
TRAIN:
  BATCH_SIZE: 16
  # bfloat16 in the forward and backward pass, on a GPU.
  AMP: True
  EPOCH: 20
  LR: 0.0001
  LR_DROP_EPOCH: 80
  SCHEDULER: {TYPE: step, DECAY_RATE: 0.1}
  # The backbone trains too, with and without a condition head.
  FREEZE_BACKBONE: False
  BACKBONE_MULTIPLIER: 0.1
  WEIGHT_DECAY: 0.0001
  GRAD_CLIP_NORM: 0.1
  DROP_PATH_RATE: 0.1
  # How much the conditions count beside the boxes (docs/mtl.md says what they cost).
  CLS_WEIGHT: 0.1
  PRINT_INTERVAL: 50
  VAL_EPOCH_INTERVAL: 1
TEST: {SEARCH_FACTOR: 5.0, SEARCH_SIZE: 384, TEMPLATE_FACTOR: 2.0, TEMPLATE_SIZE: 192}
",
);

/// The shipped pipeline, with comments.
pub(super) fn pipeline() -> String {
    let shipped = include_str!("../../../pipelines/train.yaml");
    let stages =
        shipped.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect::<String>();
    format!(
        "\
# How a clip comes from files into the model. `trackflow graph --pipeline FILE` draws it, `trackflow stages KIND` lists the
# options of a kind, `trackflow tune --pipeline FILE --config EXPERIMENT` measures which workers are best here.
#   workers   threads of a stage; `auto` moves them to where they help
#   capacity  how many items wait at most behind it: more memory, fewer waits
# For data that fits into memory, `kind: decode-cached` keeps decoded frames. Results do not depend on any of this.
{stages}"
    )
}
