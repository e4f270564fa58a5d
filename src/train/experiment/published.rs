//! The experiments that the families published mean here what they mean there, and no key is without effect in silence.

use super::*;
use crate::settings::FieldType;

fn experiment(text: &str) -> Experiment {
    let experiment = Experiment::from_node(&Node::parse("x.yaml", text).unwrap()).unwrap();
    let again = Experiment::from_node(&Node::parse("again.yaml", &experiment.resolved).unwrap()).unwrap();
    assert_eq!(again.resolved, experiment.resolved);
    assert_eq!(meaning(&again), meaning(&experiment), "the resolved file is the same experiment");
    assert!(experiment.resolved.contains(&format!("NEW_HIP: {}", experiment.model.new_hip)));
    experiment
}

/// All that a file decides.
fn meaning(experiment: &Experiment) -> String {
    let Experiment { data, model, training, test, compat, family, .. } = experiment;
    format!("{data:#?}{model:#?}{training:#?}{test:#?}{compat}{family:?}")
}

/// A published OSTrack experiment: what stands in all six, and what differs between them.
fn ostrack(crops: &str, sets: &str, backbone: &str, train: &str, test: &str) -> Experiment {
    experiment(&format!(
        "DATA:
  MAX_SAMPLE_INTERVAL: 200
  MEAN: [0.485, 0.456, 0.406]
  STD: [0.229, 0.224, 0.225]
{crops}
{sets}
MODEL:
  PRETRAIN_FILE: mae_pretrain_vit_base.pth
  EXTRA_MERGER: False
  RETURN_INTER: False
  BACKBONE: {{STRIDE: 16, {backbone}}}
  HEAD: {{TYPE: CENTER, NUM_CHANNELS: 256}}
TRAIN: {{BACKBONE_MULTIPLIER: 0.1, DROP_PATH_RATE: 0.1, BATCH_SIZE: 32, GIOU_WEIGHT: 2.0, L1_WEIGHT: 5.0, \
         GRAD_CLIP_NORM: 0.1, LR: 0.0004, NUM_WORKER: 10, OPTIMIZER: ADAMW, PRINT_INTERVAL: 50, \
         SCHEDULER: {{TYPE: step, DECAY_RATE: 0.1}}, VAL_EPOCH_INTERVAL: 20, WEIGHT_DECAY: 0.0001, AMP: False, {train}}}
TEST: {{{test}}}
"
    ))
}

const CROPS_256: &str = "  SEARCH: {CENTER_JITTER: 3, FACTOR: 4.0, SCALE_JITTER: 0.25, SIZE: 256, NUMBER: 1}
  TEMPLATE: {CENTER_JITTER: 0, FACTOR: 2.0, SCALE_JITTER: 0, SIZE: 128}";
const CROPS_384: &str = "  SEARCH: {CENTER_JITTER: 4.5, FACTOR: 5.0, SCALE_JITTER: 0.5, SIZE: 384}
  TEMPLATE: {CENTER_JITTER: 0, FACTOR: 2.0, SCALE_JITTER: 0, SIZE: 192}";
const ALL: &str = "  TRAIN: {DATASETS_NAME: [LASOT, GOT10K_vottrain, COCO17, TRACKINGNET], DATASETS_RATIO: [1, 1, 1, 1], SAMPLE_PER_EPOCH: 60000}
  VAL: {DATASETS_NAME: [GOT10K_votval], DATASETS_RATIO: [1], SAMPLE_PER_EPOCH: 10000}";
const GOT: &str = "  TRAIN: {DATASETS_NAME: [GOT10K_train_full], DATASETS_RATIO: [1], SAMPLE_PER_EPOCH: 60000}
  VAL: {DATASETS_NAME: [GOT10K_official_val], DATASETS_RATIO: [1], SAMPLE_PER_EPOCH: 10000}";
const PLAIN: &str = "TYPE: vit_base_patch16_224";
const CE: &str =
    "TYPE: vit_base_patch16_224_ce, CE_LOC: [3, 6, 9], CE_KEEP_RATIO: [0.7, 0.7, 0.7], CE_TEMPLATE_RANGE: 'CTR_POINT'";
const TEST_256: &str = "SEARCH_FACTOR: 4.0, SEARCH_SIZE: 256, TEMPLATE_FACTOR: 2.0, TEMPLATE_SIZE: 128";
const TEST_384: &str = "SEARCH_FACTOR: 5.0, SEARCH_SIZE: 384, TEMPLATE_FACTOR: 2.0, TEMPLATE_SIZE: 192";

#[test]
fn published_ostracks_are_ostracks() {
    let crop =
        |size, factor, centre_jitter, scale_jitter| Crop { number: 1, size, factor, centre_jitter, scale_jitter };
    let small = (crop(256, 4.0, 3.0, 0.25), crop(128, 2.0, 0.0, 0.0));
    let large = (crop(384, 5.0, 4.5, 0.5), crop(192, 2.0, 0.0, 0.0));
    let (long, short) =
        ("EPOCH: 300, LR_DROP_EPOCH: 240", "EPOCH: 100, LR_DROP_EPOCH: 80, CE_START_EPOCH: 20, CE_WARM_EPOCH: 50");
    for (crops, sets, backbone, train, test, (search, template), epochs, warm) in [
        (
            CROPS_256,
            ALL,
            CE,
            &*format!("{long}, CE_START_EPOCH: 20, CE_WARM_EPOCH: 80"),
            TEST_256,
            small,
            (300, 240),
            80,
        ),
        (CROPS_256, ALL, PLAIN, long, TEST_256, small, (300, 240), 80),
        (CROPS_256, GOT, CE, short, TEST_256, small, (100, 80), 50),
        (CROPS_384, ALL, CE, long, TEST_384, large, (300, 240), 80),
        (CROPS_384, ALL, PLAIN, long, TEST_384, large, (300, 240), 80),
        (CROPS_384, GOT, CE, short, TEST_384, large, (100, 80), 50),
    ] {
        let found = ostrack(crops, sets, backbone, train, &format!("EPOCH: {}, {test}", epochs.0));
        let Experiment { data, model, training, .. } = &found;
        assert_eq!((found.family, model.new_hip, model.classes), (Family::OsTrack, false, 0));
        assert_eq!((data.search, data.template, data.search_frames), (search, template, 1));
        assert_eq!((data.max_sample_interval, data.max_jump, data.sampler_mode), (200, None, "causal"));
        assert_eq!(model.pretrain_file.as_deref(), Some(Path::new("mae_pretrain_vit_base.pth")));
        let eliminates = backbone == CE;
        assert_eq!(model.elimination_blocks, if eliminates { vec![3, 6, 9] } else { vec![] });
        assert_eq!(model.template_range, if eliminates { "CTR_POINT" } else { "ALL" });
        let [phase] = training.phases.as_slice() else { panic!("{:?}", training.phases) };
        assert_eq!((phase.epochs, phase.lr), (epochs.0, 4e-4));
        assert!(phase.trains("backbone.pos_embed_x") && phase.trains("box_head.conv1_ctr.0.weight"));
        assert_eq!(training.schedule.kind, ScheduleKind::Step { every: epochs.1, rate: 0.1 });
        assert_eq!((training.backbone_multiplier, training.drop_path, training.clip_norm), (0.1, 0.1, 0.1));
        assert_eq!((training.elimination_start, training.elimination_warm), (20, warm));
        assert_eq!((found.test.search_size, found.test.search_factor), (search.size, search.factor));
        assert_eq!(
            found.trains,
            "trains: OSTrack: box head (lr 4e-4), backbone (lr 4e-5); no condition head (MODEL.CLS_HEAD absent)"
        );
        assert!(found.notes[0].contains("plain OSTrack") && found.notes[0].contains("MODEL.NEW_HIP absent"));
        assert_eq!(found.warnings.len(), 1, "NUM_WORKER alone: {:?}", found.warnings);
    }
}

#[test]
fn published_hiptracks_train_all_but_the_backbone() {
    let all = include_str!("../../../configs/hiptrack/hiptrack.yaml");
    let got = include_str!("../../../configs/hiptrack/hiptrack_got.yaml");
    for (sets, file, shipped) in [(ALL, "alldata", all), (GOT, "got10k", got)] {
        let crops = CROPS_384.replace("SIZE: 384", "SIZE: 384, NUMBER: 5");
        let found = experiment(&format!(
            "DATA:
  MAX_SAMPLE_INTERVAL: 200
  MAX_JUMP: 70
{crops}
{sets}
MODEL:
  NEW_HIP: True
  PRETRAIN_FILE: DropTrack_k700_800E_{file}.pth.tar
  EXTRA_MERGER: False
  RETURN_INTER: False
  BACKBONE: {{{CE}, STRIDE: 16}}
  HEAD: {{TYPE: CENTER, NUM_CHANNELS: 256}}
TRAIN: {{BACKBONE_MULTIPLIER: 0.1, DROP_PATH_RATE: 0.1, BATCH_SIZE: 32, EPOCH: 100, LR: 0.0001, LR_DROP_EPOCH: 80, \
         NUM_WORKER: 8, OPTIMIZER: ADAMW, SCHEDULER: {{TYPE: step, DECAY_RATE: 0.1}}, AMP: False}}
TEST: {{EPOCH: 100, {TEST_384}}}
"
        ));
        assert_eq!((found.family, found.model.new_hip, found.model.classes), (Family::HipTrack, true, 0));
        assert_eq!((found.data.max_jump, found.data.search_frames, found.model.max_memory), (Some(70), 5, 150));
        let [phase] = found.training.phases.as_slice() else { panic!("{:?}", found.training.phases) };
        assert!(!phase.trains("backbone.blocks.0.attn.qkv.weight") && phase.trains("HIP.encoder.conv1.weight"));
        assert_eq!((found.test.update_interval, found.test.epoch), (20, 100));
        let trains = "trains: HIPTrack: prompts, fusion, box head (lr 1e-4); backbone frozen (TRAIN.FREEZE_BACKBONE absent, \
                      HIPTrack); no condition head (MODEL.CLS_HEAD absent)";
        assert_eq!(found.trains, trains);
        assert_eq!(meaning(&found), meaning(&experiment(shipped)), "the shipped file is the published one");
        assert_eq!(found.notes, Vec::<String>::new());
    }
}

#[test]
fn absent_keys_are_those_of_the_family() {
    let plain = experiment("{}");
    assert_eq!((plain.data.search.size, plain.data.search.factor, plain.data.search_frames), (320, 5.0, 1));
    assert_eq!((plain.data.template.size, plain.data.max_sample_interval, plain.data.max_jump), (128, 200, None));
    assert_eq!((plain.training.batch_size, plain.training.phases[0].epochs), (16, 500));
    assert_eq!(plain.training.phases[0].class_weight, 0.0, "there is no condition head");
    assert_eq!(plain.training.schedule.kind, ScheduleKind::Step { every: 400, rate: 0.1 });
    assert_eq!((plain.test.search_size, plain.test.template_size, plain.test.epoch), (320, 128, 500));
    assert_eq!((plain.data.train.clips_per_epoch, plain.data.val.clips_per_epoch), (60_000, 10_000));

    let hip = experiment("MODEL: {NEW_HIP: True}");
    assert_eq!((hip.data.max_jump, hip.data.search_frames), (Some(8), 3));
    assert!(!hip.training.phases[0].trains("backbone.norm.weight"));
    let hip = experiment("MODEL: {HIP: {KEY_DIM: 32}}");
    assert!(hip.model.new_hip && hip.notes[0].contains("MODEL.HIP"), "{:?}", hip.notes);

    let labels = "DATA: {TRAIN: {CLS_ANN_DIR: conditions}}\nMODEL: {NEW_HIP: True}\n";
    let multi = experiment(labels);
    assert_eq!(
        (multi.family, multi.model.classes, multi.training.phases[0].class_weight),
        (Family::MultiTask, 10, 1.0)
    );
    assert_eq!(multi.data.val.labels, multi.data.train.labels);
    assert!(multi.notes[0].contains("DATA.VAL.CLS_ANN_DIR is absent"), "{:?}", multi.notes);
    assert!(multi.training.phases[0].trains("backbone.norm.weight"));
    let as_published = experiment(&format!("{labels}COMPAT: reference\n"));
    assert!(!as_published.training.phases[0].trains("backbone.norm.weight"));
    assert!(as_published.trains.contains("COMPAT: reference, TRAIN.FREEZE_BACKBONE absent"), "{}", as_published.trains);
    let none = experiment(
        &format!("{labels}TRAIN: {{CLS_WEIGHT: 0.1}}\n").replace("True}", "True, CLS_HEAD: {NUM_CLASSES: 0}}"),
    );
    assert_eq!((none.model.classes, none.family), (0, Family::HipTrack));
    assert!(none.warnings.iter().any(|warning| warning.contains("TRAIN.CLS_WEIGHT: has no effect")));
    let joint = experiment("MODEL: {NEW_HIP: True}\nTRAIN: {FREEZE_BACKBONE: False}");
    assert!(joint.trains.contains("TRAIN.FREEZE_BACKBONE: False decides"), "{}", joint.trains);
}

#[test]
fn what_contradicts_the_family_or_is_no_mode_here_is_refused_with_the_remedy() {
    let refused = |text: &str| Experiment::from_node(&Node::parse("x.yaml", text).unwrap()).unwrap_err().message;
    for (text, parts) in [
        ("DATA: {MAX_JUMP: 70}", ["DATA.MAX_JUMP: only a HIPTrack reads it", "set MODEL.NEW_HIP: True"]),
        ("MODEL: {NEW_HIP: False, HIP: {KEY_DIM: 8}}", ["MODEL.HIP: only a HIPTrack", "MODEL.NEW_HIP: False"]),
        ("MODEL: {MAX_MEM: 9}", ["MODEL.MAX_MEM: only a HIPTrack", "leave it out"]),
        ("TEST: {UPDATE_INTERVAL: 9}", ["TEST.UPDATE_INTERVAL: only a HIPTrack", "leave it out"]),
        ("DATA: {SAMPLER_MODE: trident_pro}", ["DATA.SAMPLER_MODE: trident_pro draws a second", "use causal"]),
        ("DATA: {SAMPLER_MODE: interval}", ["DATA.SAMPLER_MODE: interval", "use causal"]),
        ("TRAIN: {SCHEDULER: {GAMMA: 0.5}}", ["TRAIN.SCHEDULER.GAMMA: belongs to TYPE Mstep", "leave it out"]),
        ("TRAIN: {SCHEDULER: {TYPE: Mstep}}", ["TRAIN.SCHEDULER.MILESTONES: Mstep drops at", "give some"]),
        ("TRAIN: {FREEZE_LAYERS: [0, 1]}", ["TRAIN.FREEZE_LAYERS: no layers", "use FREEZE_BACKBONE"]),
        ("MODEL: {BOTTLENECK_DIM: 128}", ["MODEL.BOTTLENECK_DIM: there is no bottleneck", "leave the key out"]),
        ("MODEL: {BACKBONE: {CE_TEMPLATE_RANGE: GT_BOX}}", ["CE_TEMPLATE_RANGE: GT_BOX", "use CTR_POINT"]),
        ("TRAIN: {TWO_STAGE: True}", ["TRAIN.TWO_STAGE: the first stage", "no condition head"]),
    ] {
        let message = refused(text);
        assert!(parts.iter().all(|part| message.contains(part)) && message.lines().count() == 1, "{text}: {message}");
    }
    // One mistake, one error: nothing else follows from a misspelt name.
    for text in [
        "MODEL: {NEW_HPI: True, MAX_MEM: 100}\nDATA: {MAX_JUMP: 70}",
        "MODEL: {BACKBONE: {TYPE: vit_base_patch16_224_cee, CE_LOC: [3], CE_KEEP_RATIO: [0.7], CE_TEMPLATE_RANGE: CTR_POINT}}",
        "MODEL: {HEAD: {TYPE: CENTRE}}",
        "TRAIN: {SCHEDULER: {TYPE: mstep, MILESTONES: [3], GAMMA: 0.5}}",
    ] {
        let message = refused(text);
        assert!(message.lines().count() == 1 && message.contains("did you mean"), "{text}: {message}");
    }
    let mstep = experiment("TRAIN: {SCHEDULER: {TYPE: Mstep, MILESTONES: [3, 5], GAMMA: 0.5, DECAY_RATE: 0.1}}");
    assert_eq!(mstep.training.schedule.kind, ScheduleKind::MultiStep { milestones: vec![3, 5], rate: 0.5 });
    assert_eq!(mstep.warnings.len(), 1, "DECAY_RATE beside GAMMA: {:?}", mstep.warnings);
}

/// Values to try for a key, by what it can hold.
fn candidates(schema: &serde_json::Value) -> Vec<String> {
    let of = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    // Of a single one there is only the refusal of others to be seen.
    if let Some(known) = schema["enum"].as_array().filter(|known| known.len() > 1) {
        return known.iter().map(ToString::to_string).collect();
    }
    match (schema["type"].as_str(), schema["items"]["type"].as_str()) {
        (Some("boolean"), _) => of(&["true", "false"]),
        (Some("integer"), _) => of(&["3", "7"]),
        (Some("number"), _) => of(&["0.35", "0.85"]),
        (Some("array"), Some("number")) => of(&["[0.3, 0.4, 0.6]"]),
        (Some("array"), Some("integer")) => of(&["[1, 2]"]),
        (Some("array"), _) => of(&["[HIP.]"]),
        _ => of(&["elsewhere"]),
    }
}

#[test]
fn every_key_acts_or_is_refused_or_warns() {
    let phases = "TRAIN: {PHASES: {a: {EPOCHS: 2}, b: {LR: 0.5}}}";
    for base in [
        "{}".to_string(),
        "MODEL: {NEW_HIP: True}".into(),
        "MODEL: {NEW_HIP: True, CLS_HEAD: {}}\nTRAIN: {TWO_STAGE: True}".into(),
        format!("DATA: {{SYNTH: {{}}}}\nMODEL: {{CLS_HEAD: {{}}}}\n{phases}"),
        "MODEL: {NEW_HIP: True, CLS_HEAD: {NUM_CLASSES: 0}}\nTRAIN: {SCHEDULER: {TYPE: cosine}}".into(),
    ] {
        let node = Node::parse("x.yaml", &base).unwrap();
        let diagnostics = Diagnostics::new();
        let as_is = meaning(&Experiment::draft(&diagnostics, &node));
        assert!(diagnostics.is_clean());
        for field in diagnostics.fields().iter().filter(|field| field.type_ != FieldType::Section) {
            let says_something = |value: &String| {
                let mut node = node.clone();
                node.set(&format!("{}={value}", field.path)).unwrap();
                match Experiment::from_node(&node) {
                    Err(failure) => field.path.rsplit('.').next().is_some_and(|key| failure.message.contains(key)),
                    Ok(found) => {
                        meaning(&found) != as_is || found.warnings.iter().any(|warning| warning.contains(&field.path))
                    }
                }
            };
            assert!(
                candidates(&field.schema).iter().any(says_something),
                "{base}: {} is ignored in silence",
                field.path
            );
        }
    }
}
