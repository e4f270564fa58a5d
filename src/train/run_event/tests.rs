use super::{line::RunLine, *};
use crate::train::confusion::Confusion;
use proptest::{collection::btree_map, collection::vec, option, prelude::*};

fn number() -> impl Strategy<Value = Number> {
    let special = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0)];
    prop_oneof![3 => any::<f64>(), 1 => special].prop_map(Number)
}

/// Any text, and what could be taken for a part of the format.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![8 => any::<String>(), 1 => Just("$number".into()), 1 => Just("NaN".into()), 1 => Just("a/b~c".into())]
}

fn split() -> impl Strategy<Value = Split> {
    prop_oneof![Just(Split::Train), Just(Split::Val)]
}

fn metrics() -> impl Strategy<Value = LossMetrics> {
    let numbers = vec(number(), 12);
    (numbers, option::of(number()), any::<bool>()).prop_map(|(n, accuracy, applied)| LossMetrics {
        total: n[0],
        box_loss: n[1],
        giou: n[2],
        l1: n[3],
        location: n[4],
        class: n[5],
        class_weighted: n[6],
        iou: n[7],
        accuracy,
        labelled: n[8],
        gradient_norm: n[9],
        applied,
        weight_box: n[10],
        weight_class: n[11],
    })
}

fn batch() -> impl Strategy<Value = RunEvent> {
    (vec(any::<u64>(), 6), split(), any::<bool>(), metrics(), vec(number(), 4)).prop_map(
        |(w, split, before_training, metrics, n)| {
            RunEvent::Batch(Batch {
                position: w[0],
                split,
                epoch: w[1],
                before_training,
                batch: w[2],
                batches: w[3],
                step: w[4],
                clips: w[5],
                metrics,
                lr: n[0],
                lr_backbone: n[1],
                data_seconds: n[2],
                forward_seconds: n[3],
            })
        },
    )
}

fn pass() -> impl Strategy<Value = RunEvent> {
    let confusion = option::of(vec(any::<u32>(), 100)).prop_map(|counts| {
        let counts: Vec<f64> = counts.unwrap_or_default().into_iter().map(f64::from).collect();
        Confusion::from_counts(&counts).unwrap_or_default()
    });
    let score = (any::<u64>(), number()).prop_map(|(frames, iou)| ConditionScore { frames, iou });
    let conditions = btree_map(text(), score, 0..4);
    (any::<[u64; 2]>(), split(), option::of(any::<u64>()), metrics(), confusion, conditions).prop_map(
        |([position, epoch], split, step, metrics, confusion, conditions)| {
            RunEvent::Pass(Box::new(Pass { position, split, epoch, step, metrics, confusion, conditions }))
        },
    )
}

fn run() -> impl Strategy<Value = RunEvent> {
    let set = (text(), any::<[u64; 2]>(), text()).prop_map(|(name, [sequences, frames], digest)| DataSet {
        name,
        sequences,
        frames,
        digest,
    });
    let machine = (text(), option::of(text()), any::<u64>(), option::of(any::<u64>()), vec(text(), 0..3)).prop_map(
        |(system, processor, cores, memory_bytes, gpus)| Machine { system, processor, cores, memory_bytes, gpus },
    );
    let shared = any::<[u64; 2]>().prop_map(|[shared, sequences]| SharedSequences { shared, sequences });
    let seeds = (option::of(any::<u64>()), any::<u32>(), any::<u64>(), option::of(text()));
    (vec(text(), 6), seeds, vec(text(), 0..4), machine, vec(set, 0..3), option::of(shared)).prop_map(
        |(t, (seed, pid, position, commit), command, machine, data, validation)| {
            let [experiment, device, version, torch, folder, host] = [0, 1, 2, 3, 4, 5].map(|at| t[at].clone());
            let (machine, data) = (machine, data);
            RunEvent::Run(Box::new(RunStart {
                experiment,
                seed,
                device,
                version,
                commit,
                torch,
                command,
                folder,
                host,
                pid,
                machine,
                position,
                data,
                validation,
            }))
        },
    )
}

fn comparison() -> impl Strategy<Value = RunEvent> {
    let block = (text(), [number(), number(), number()], option::of(number())).prop_map(|(block, norms, cosine)| {
        let [box_norm, class_norm, norm] = norms;
        BlockComparison { block, box_norm, class_norm, norm, cosine }
    });
    (any::<[u64; 2]>(), option::of(number()), vec(block, 0..4)).prop_map(
        |([position, step], identity_error, blocks)| {
            RunEvent::Gradients(GradientComparison { position, step, identity_error, blocks })
        },
    )
}

fn others() -> impl Strategy<Value = RunEvent> {
    let checkpoint = (text(), any::<[u64; 2]>(), [number(), number()]).prop_map(|(path, [bytes, position], [a, b])| {
        RunEvent::Checkpoint(Checkpoint { path, bytes, seconds: a, stall_seconds: b, position })
    });
    let nonfinite = (any::<[u64; 3]>(), vec(text(), 0..4)).prop_map(|([position, step, in_a_row], clips)| {
        RunEvent::Nonfinite(NonFinite { position, step, clips, in_a_row })
    });
    let advice = (text(), text(), btree_map(text(), number(), 0..4))
        .prop_map(|(rule, message, numbers)| RunEvent::Advice(Advice { rule, message, numbers }));
    let end = (text(), any::<i32>(), option::of(text()))
        .prop_map(|(reason, exit_code, message)| RunEvent::End(End { reason, exit_code, message }));
    prop_oneof![checkpoint, nonfinite, advice, end, text().prop_map(RunEvent::note), text().prop_map(RunEvent::warning)]
}

fn line() -> impl Strategy<Value = RunLine> {
    let event = prop_oneof![batch(), pass(), run(), comparison(), others()];
    let time = option::of((0u64..253_402_300_800_000).prop_map(Timestamp::from_millis));
    (time, event).prop_map(|(time, event)| RunLine { time, event })
}

proptest! {
    #[test]
    fn any_event_is_one_line_of_json_and_comes_back(line in line()) {
        let text = line.to_text().unwrap();
        prop_assert_eq!(text.matches('\n').count(), 1, "{}", &text);
        let (read, unknown) = RunLine::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(&unknown, &Vec::<String>::new(), "the schema has every field: {}", &text);
        // Debug tells -0 from 0 too.
        prop_assert_eq!(format!("{:?}", &read), format!("{:?}", &line));
        prop_assert_eq!(read, line);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<Vec<u8>>()) {
        let _ = RunLine::parse(&text);
    }
}

fn parse(text: &str) -> Result<(RunLine, Vec<String>), Unread> {
    RunLine::parse(text.as_bytes())
}

#[test]
fn a_number_that_is_none_is_null_and_the_line_says_which() {
    let metrics = LossMetrics { total: f64::INFINITY.into(), iou: 0.5.into(), ..LossMetrics::default() };
    let line = RunLine { time: None, event: RunEvent::Batch(Batch { metrics, ..Batch::default() }) };
    let value: serde_json::Value = serde_json::from_str(&line.to_text().unwrap()).unwrap();
    assert_eq!((&value["Loss/total"], &value["IoU"]), (&serde_json::Value::Null, &0.5.into()));
    assert_eq!(
        (&value["not_finite"]["/Loss~1total"], &value["not_finite"]["/lr"]),
        (&"Infinity".into(), &"NaN".into())
    );
}

#[test]
fn what_a_later_version_adds_is_said_and_passed_over() {
    let (line, unknown) = parse(
        r#"{"event":"gradients","step":3,"mood":null,"blocks":[{"block":"all","box":1,"angle":2}],"not_finite":{"/x":"NaN"}}"#,
    )
    .unwrap();
    assert_eq!(unknown, ["blocks[].angle", "mood", "not_finite/x"]);
    let RunEvent::Gradients(comparison) = line.event else { panic!("{line:?}") };
    assert_eq!((comparison.step, comparison.blocks[0].box_norm), (3, Number(1.0)));
    let unknown = Unread::Unknown { event: "tea".into(), position: Some(4) };
    assert_eq!(parse(r#"{"event":"tea","position":4}"#), Err(unknown));
}

#[test]
fn what_is_damaged_is_said_to_be_with_the_reason() {
    for (text, reason) in [
        (r#"{"event":"ba"#, "EOF"),
        (r#"{"a":1}"#, "does not name its event"),
        ("[]", "does not name its event"),
        (r#"{"event":"batch","IoU":"high"}"#, "is no number"),
        (r#"{"event":"batch","split":"test"}"#, "unknown variant `test`"),
        (r#"{"event":"pass","confusion":[[1]]}"#, "no square"),
        (r#"{"event":"note","time":"soon"}"#, "time"),
    ] {
        match parse(text) {
            Err(Unread::Damaged(why)) => assert!(why.contains(reason), "{text}: {why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_line_of_an_earlier_version_is_read_completely() {
    let (line, unknown) = parse(
        r#"{"Accuracy":0.125,"IoU":0.5,"Loss/box":null,"applied":true,"conditions":{"occlusion":{"IoU":0.25,"frames":4}},
           "confusion":[],"epoch":0,"event":"pass","labelled":8.0,"position":1,"split":"val","weight_cls":1.0}"#,
    )
    .unwrap();
    assert_eq!((line.time, unknown.len()), (None, 0));
    let RunEvent::Pass(pass) = line.event else { panic!("{line:?}") };
    assert_eq!(pass.conditions["occlusion"], ConditionScore { frames: 4, iou: 0.25.into() });
    assert!(pass.metrics.box_loss.0.is_nan() && pass.step.is_none() && pass.metrics.applied);
    assert_eq!(crate::train::metrics::StepMetrics::from(&pass.metrics).correct, 1.0);
}

/// `TRACKFLOW_BLESS=1` writes it.
#[test]
fn the_page_about_the_log_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/run-log.md");
    let current = schema::documentation();
    if std::env::var_os("TRACKFLOW_BLESS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == current, "docs/run-log.md: TRACKFLOW_BLESS=1 cargo test --lib run_event writes it anew");
}
