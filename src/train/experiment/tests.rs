use super::*;
use crate::failure::FailureKind;

fn experiment(text: &str) -> Result<Experiment> {
    Experiment::from_node(&Node::parse("x.yaml", text)?)
}

/// The fork's `hiptrack_cls.yaml` in its own words: a user's file loads unchanged.
const USERS: &str = "
DATA:
  MAX_SAMPLE_INTERVAL: 200
  MAX_JUMP: 70
  MEAN: [0.485, 0.456, 0.406]
  SEARCH: {NUMBER: 5, CENTER_JITTER: 4.5, FACTOR: 5.0, SCALE_JITTER: 0.5, SIZE: 384}
  STD: [0.229, 0.224, 0.225]
  TEMPLATE: {CENTER_JITTER: 0, FACTOR: 2.0, SCALE_JITTER: 0, SIZE: 192, NUMBER: 1}
  TRAIN: {DATASETS_NAME: [GOT10K_train_full], DATASETS_RATIO: [1], SAMPLE_PER_EPOCH: 10000, CLS_ANN_DIR: \"/labels\"}
MODEL:
  NEW_HIP: True
  PRETRAIN_FILE: \"../pretrained/HipTrack/HIPTrack_got10k.pth.tar\"
  EXTRA_MERGER: False
  RETURN_INTER: False
  MAX_MEM: 150
  HIDDEN_DIM: 768  # CLS token dimension from ViT backbone
  BOTTLENECK_DIM: 256
  BACKBONE:
    TYPE: vit_base_patch16_224_ce
    STRIDE: 16
    CE_LOC: [3, 6, 9]
    CE_KEEP_RATIO: [1, 1, 1]
    CE_TEMPLATE_RANGE: 'CTR_POINT'
  HEAD: {TYPE: CENTER, NUM_CHANNELS: 256}
  CLS_HEAD: {NUM_CLASSES: 10, HIDDEN_DIM: 512, DROPOUT: 0.1}
TRAIN:
  BACKBONE_MULTIPLIER: 0.1
  BATCH_SIZE: 16
  EPOCH: 1
  LR: 0.0001
  LR_DROP_EPOCH: 80
  NUM_WORKER: 8
  OPTIMIZER: ADAMW
  SCHEDULER: {TYPE: step, DECAY_RATE: 0.1}
  AMP: False
  FREEZE_LAYERS: [0]
  CLS_WEIGHT: 0.1
  CLS_LOSS_TYPE: \"CE\"
  FREEZE_CLS_EPOCH: -1
  TWO_STAGE: True
  STAGE1_EPOCHS: 30
  STAGE1_LR: 0.001
  STAGE2_EPOCHS: 1
  STAGE2_LR: 0.0001
  FREEZE_BACKBONE_STAGE1: True
TEST: {EPOCH: 1, SEARCH_FACTOR: 5.0, SEARCH_SIZE: 384, TEMPLATE_FACTOR: 2.0, TEMPLATE_SIZE: 192}
";

#[test]
fn a_users_file_loads_unchanged_and_its_two_stages_are_phases() {
    let experiment = experiment(USERS).unwrap();
    let phases = &experiment.training.phases;
    assert_eq!(phases.iter().map(|p| (p.epochs, p.lr)).collect::<Vec<_>>(), [(30, 1e-3), (1, 1e-4)]);
    assert!(phases[0].trains("cls_head.classifier.bias") && !phases[0].trains("box_head.conv1_ctr.0.weight"));
    assert!(phases[1].trains("backbone.blocks.0.attn.qkv.weight"));
    assert_eq!(experiment.training.phase_at(29), (0, 29));
    assert_eq!(experiment.training.phase_at(30), (1, 0));
    assert_eq!(experiment.training.freeze_class_epoch, None);
    assert_eq!(experiment.model.keep_ratios, [1.0; 3]);
    // Everything that does nothing is named; all of it says what is so anyway.
    let keys: Vec<&str> = experiment.warnings.iter().filter_map(|w| w.split(": ").nth(1)).collect();
    let idle = ["MODEL.BOTTLENECK_DIM", "TRAIN.EPOCH", "TRAIN.LR", "TRAIN.NUM_WORKER", "TRAIN.FREEZE_LAYERS"];
    assert_eq!(keys, idle, "{:#?}", experiment.warnings);
}

#[test]
fn the_resolved_file_loads_to_the_same_experiment() {
    let first = experiment(USERS).unwrap();
    let again = experiment(&first.resolved).unwrap();
    assert_eq!(again.resolved, first.resolved);
    assert_eq!(format!("{:?}", again.training), format!("{:?}", first.training));
    assert_eq!(format!("{:?}", again.data), format!("{:?}", first.data));
}

#[test]
fn every_mistake_is_named_at_once() {
    let failure = experiment(
        "DATA:
  SEARCH: {SIZ: 128}
  TRAIN: {DATASETS_NAME: [A, B], DATASETS_RATIO: [1]}
  MEAN: [0.5]
MODEL:
  BACKBONE: {TYPE: resnet50, CE_LOC: [3, 40], CE_KEEP_RATIO: [0.7, 7]}
TRAIN:
  LR: -1
  BATCH_SIZE: 2.5
  AMP: fp16
  CLS_WEIGTH: 0.1
  PHASES:
    joint: {EPOCHS: 0, LRR: 1}
",
    )
    .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Config);
    insta::assert_snapshot!(failure, @r"
    x.yaml:2:12: DATA.SEARCH.SIZ: unknown key; did you mean SIZE?
    x.yaml:3:50: DATA.TRAIN.DATASETS_RATIO: has 1 ratios for 2 data sets of DATASETS_NAME
    x.yaml:4:9: DATA.MEAN: expected one number for each of R, G, B, found 1
    x.yaml:6:20: MODEL.BACKBONE.TYPE: unknown value `resnet50`; known: vit_base_patch16_224, vit_base_patch16_224_ce, vit_large_patch16_224, vit_large_patch16_224_ce, vit_ce
    x.yaml:6:62: MODEL.BACKBONE.CE_KEEP_RATIO: must be from 0 to 1, found 7
    x.yaml:8:7: TRAIN.LR: must be above 0, found -1
    x.yaml:9:15: TRAIN.BATCH_SIZE: expected a whole number from 0, found 2.5
    x.yaml:10:8: TRAIN.AMP: expected true or false, found the text `fp16`
    x.yaml:11:3: TRAIN.CLS_WEIGTH: unknown key; did you mean CLS_WEIGHT?
    x.yaml:13:21: TRAIN.PHASES.joint.EPOCHS: must be at least 1, found 0
    x.yaml:13:24: TRAIN.PHASES.joint.LRR: unknown key; did you mean LR?
    ");
}

#[test]
fn the_learning_rate_warms_up_and_falls_as_the_schedule_says() {
    let step = Schedule { kind: ScheduleKind::Step { every: 80, rate: 0.1 }, warmup_epochs: 0.0 };
    assert_eq!([0.0, 79.9, 80.0].map(|at| step.factor(at, 100)), [1.0, 1.0, 0.1]);
    let cosine = Schedule { kind: ScheduleKind::Cosine { floor: 0.1 }, warmup_epochs: 2.0 };
    assert_eq!([0.0, 1.0, 2.0].map(|at| cosine.factor(at, 12)), [0.0, 0.5, 1.0]);
    assert!((cosine.factor(7.0, 12) - 0.55).abs() < 1e-12);
    assert!((cosine.factor(12.0, 12) - 0.1).abs() < 1e-12);
    let milestones = ScheduleKind::MultiStep { milestones: vec![2, 4], rate: 0.5 };
    let multi = Schedule { kind: milestones, warmup_epochs: 0.0 };
    assert_eq!([1.9, 2.0, 4.0].map(|at| multi.factor(at, 9)), [1.0, 0.5, 0.25]);
}

#[test]
fn the_backbones_of_the_reference_have_their_sizes() {
    let with = |backbone: &str, head: &str| {
        experiment(&format!("MODEL: {{BACKBONE: {{{backbone}}}, HEAD: {{TYPE: {head}}}}}")).map(|experiment| {
            let again =
                super::Experiment::from_node(&Node::parse("again.yaml", &experiment.resolved).unwrap()).unwrap();
            assert_eq!(again.resolved, experiment.resolved);
            crate::train::network::config(&experiment)
        })
    };
    let sizes = |config: &crate::model::Config| (config.dim, config.depth, config.heads);
    let base = with("TYPE: vit_base_patch16_224_ce, CE_LOC: [3], CE_KEEP_RATIO: [0.7]", "CENTER").unwrap();
    assert_eq!((sizes(&base), base.elimination.layers), ((768, 12, 12), vec![3]));
    let large = with("TYPE: vit_large_patch16_224_ce, CE_LOC: [23], CE_KEEP_RATIO: [0.7]", "CORNER").unwrap();
    assert_eq!(sizes(&large), sizes(&crate::model::Config::large()));
    assert_eq!(large.box_head, crate::model::BoxHeadKind::Corner);
    assert!(with("TYPE: vit_large_patch16_224", "CENTER").unwrap().elimination.layers.is_empty());
    assert_eq!(sizes(&with("TYPE: vit_ce, EMBED_DIM: 64, DEPTH: 4, NUM_HEADS: 2", "CENTER").unwrap()), (64, 4, 2));

    let wrong = "TYPE: vit_large_patch16_224, DEPTH: 12, CE_LOC: [3], CE_KEEP_RATIO: [0.7]";
    insta::assert_snapshot!(with(wrong, "MLP").unwrap_err(), @r"
    x.yaml:1:56: MODEL.BACKBONE.DEPTH: vit_large_patch16_224 has 24, not 12; for other sizes use vit_ce
    x.yaml:1:68: MODEL.BACKBONE.CE_LOC: vit_large_patch16_224 eliminates no candidates; use vit_large_patch16_224_ce, or leave the key out
    x.yaml:1:88: MODEL.BACKBONE.CE_KEEP_RATIO: vit_large_patch16_224 eliminates no candidates; use vit_large_patch16_224_ce, or leave the key out
    x.yaml:1:109: MODEL.HEAD.TYPE: unknown value `MLP`; known: CENTER, CORNER
    ");
}

#[test]
fn values_that_make_no_sense_together_are_refused_or_noted() {
    let schedule = |keys: &str| experiment(&format!("TRAIN: {{SCHEDULER: {{{keys}}}}}"));
    for (keys, part) in [
        ("TYPE: step, DECAY_RATE: 2", "DECAY_RATE: must be above 0 and at most 1, found 2"),
        ("TYPE: Mstep, MILESTONES: [80, 60]", "MILESTONES: the epochs must be in ascending order, and 60 follows 80"),
        ("TYPE: Mstep, MILESTONES: [60], GAMMA: 0", "GAMMA: must be above 0 and at most 1, found 0"),
    ] {
        let failure = schedule(keys).unwrap_err();
        assert!(failure.message.contains(part) && failure.message.lines().count() == 1, "{failure}");
    }
    for (file, part) in [
        ("TRAIN: {SCHEDULER: {TYPE: Mstep, MILESTONES: [60, 60]}}", "epoch 60 is listed more than once"),
        ("TRAIN: {BATCH_SIZE: 4, ACCUMULATE: 5}", "ACCUMULATE: a batch has 4 clips (BATCH_SIZE), and at most 4 parts"),
        ("DATA: {TRAIN: {DATASETS_NAME: [OTB, LASOT, OTB]}}", "OTB is listed more than once; its ratios add up"),
    ] {
        let warnings = experiment(file).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(part)), "{warnings:?}");
    }
}

#[test]
fn what_an_argument_broke_is_blamed_on_the_argument() {
    let file = "DATA: {TRAIN: {DATASETS_NAME: [A], DATASETS_RATIO: [1]}}
MODEL: {BACKBONE: {TYPE: vit_base_patch16_224_ce}}
TRAIN: {SCHEDULER: {TYPE: step}, PHASES: {a: {EPOCHS: 1}}}
";
    for (set, path) in [
        ("DATA.TRAIN.DATASETS_NAME=[A, B]", "DATA.TRAIN.DATASETS_RATIO"),
        ("MODEL.BACKBONE.CE_LOC=[3]", "MODEL.BACKBONE.CE_KEEP_RATIO"),
        ("TRAIN.SCHEDULER.TYPE=Mstep", "TRAIN.SCHEDULER.MILESTONES"),
        ("TRAIN.PHASES.a.KEEP_RATE=0.5", "TRAIN.PHASES.a.KEEP_RATE"),
    ] {
        let mut node = Node::parse("x.yaml", file).unwrap();
        node.set(set).unwrap();
        let message = Experiment::from_node(&node).unwrap_err().message;
        assert!(message.starts_with(&format!("--set {set}: {path}: ")), "{message}");
    }
}

#[test]
fn an_empty_file_of_weights_stays_none_in_the_resolved_file() {
    let first = experiment("MODEL: {PRETRAIN_FILE: }").unwrap();
    assert_eq!((&first.model.pretrain_file, experiment(&first.resolved).unwrap().model.pretrain_file), (&None, None));
}

#[test]
fn keys_are_found_whatever_the_name_of_their_phase() {
    let keys = Keys::all().unwrap();
    let resume = |path: &str| keys.get(path).unwrap().resume;
    assert_eq!((resume("TRAIN.PHASES.warm.EPOCHS"), resume("TRAIN.PHASES.warm.LR")), (Resume::Length, Resume::Fixed));
    assert_eq!((resume("TEST.SEARCH_SIZE"), resume("TRAIN.PRINT_INTERVAL")), (Resume::Free, Resume::Free));
    assert!(matches!(resume("DATA.VAL.SAMPLE_PER_EPOCH"), Resume::Noted(_)));
    assert!(keys.get("DATA.SYNTH.SEED").unwrap().absent_acts && !keys.get("DATA.MAX_JUMP").unwrap().absent_acts);
    assert_eq!(keys.current("TRAIN.LR"), "TRAIN.LR");
}

#[test]
fn a_condition_head_with_tokens_of_its_own_is_read_and_its_misfits_are_named() {
    let with = |head: &str, train: &str| {
        let text =
            USERS.replace("CLS_HEAD: {", &format!("CLS_HEAD: {{{head}")).replace("  AMP:", &format!("{train}  AMP:"));
        experiment(&text)
    };
    let plain = with("", "").unwrap();
    assert_eq!((plain.model.class_input, plain.training.class_gradient_scale), ("fused", 1.0));
    let own = "INPUT: tokens, STEM: [8, 16, 32, 64], BLOCKS: 1, POOLING: attention, ";
    let read = with(own, "  CLS_GRADIENT_SCALE: 0\n").unwrap();
    let head = crate::train::network::config(&read).class_head.unwrap();
    assert_eq!((head.stem, head.blocks, head.gradient_scale), (vec![8, 16, 32, 64], 1, 0.0));
    assert_eq!(experiment(&read.resolved).unwrap().resolved, read.resolved);
    let wrong = with("STEM: [8], BLOCKS: 1, POOLING: max, ", "  CLS_GRADIENT_SCALE: -1\n").unwrap_err();
    for part in [
        "MODEL.CLS_HEAD.STEM: works on tokens",
        "MODEL.CLS_HEAD.BLOCKS: works on tokens",
        "MODEL.CLS_HEAD.POOLING: unknown value `max`",
        "TRAIN.CLS_GRADIENT_SCALE",
    ] {
        assert!(wrong.message.contains(part), "{part}: {}", wrong.message);
    }
    let short = with("INPUT: tokens, STEM: [8], ", "").map(|read| crate::train::network::config(&read).check());
    assert!(short.unwrap().unwrap_err().message.contains("use 4 positive widths"));
}

#[test]
fn the_former_name_of_replicas_is_read_with_a_note_and_both_are_refused() {
    let old = experiment("TRAIN: {SHARDS: 2}").unwrap();
    assert_eq!(old.training.replicas, 2);
    assert!(
        old.warnings.iter().any(|note| note.contains("TRAIN.SHARDS: is the old name of REPLICAS")),
        "{:?}",
        old.warnings
    );
    assert!(old.resolved.contains("REPLICAS: 2") && !old.resolved.contains("SHARDS"), "{}", old.resolved);
    let new = experiment("TRAIN: {REPLICAS: 2}").unwrap();
    assert!(new.training.replicas == 2 && !new.warnings.iter().any(|note| note.contains("REPLICAS")));
    for (text, expected) in [
        ("TRAIN: {SHARDS: 2, REPLICAS: 2}", "leave SHARDS out"),
        ("TRAIN: {SHARDS: 0}", "at least 1"),
        ("TRAIN: {SHARDS: two}", "expected"),
    ] {
        let message = experiment(text).err().unwrap().to_string();
        assert!(message.contains("TRAIN.SHARDS") && message.contains(expected), "{message}");
    }
}
