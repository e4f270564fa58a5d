//! Every kind of stage runs, and its metrics are there.

use crate::support;
use clap::Parser;
use std::path::Path;
use trackflow::{cli::Cli, stages::KINDS, telemetry};

/// Runs the program in this process, so that its metrics can be looked at afterwards.
fn train(save_dir: &Path, pipeline: &Path) {
    let (experiment, data) = (support::experiment(), support::data());
    let save_dir = save_dir.join(pipeline.file_stem().unwrap());
    let paths = [&experiment, data, save_dir.as_path(), pipeline].map(|path| path.to_str().unwrap().to_string());
    let [config, data_dir, save_dir, pipeline] = &paths;
    let arguments = [
        "trackflow",
        "train",
        "--config",
        config,
        "--data_dir",
        data_dir,
        "--save_dir",
        save_dir,
        "--pipeline",
        pipeline,
        "--device",
        "cpu",
        "--metrics",
        "127.0.0.1:0",
        "--max_steps",
        "4",
    ];
    assert_eq!(Cli::try_parse_from(arguments).unwrap().run(), Ok(0), "{pipeline}");
}

#[test]
fn every_kind_runs_and_has_its_metrics() {
    let _alone = crate::alone();
    let home = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    for name in ["train", "bench-data", "replay"] {
        train(home.path(), &shipped.join(format!("{name}.yaml")));
    }
    // Whatever these have beyond `train`, with pictures that go to a temporary folder.
    let own = home.path().join("own.yaml");
    let text = std::fs::read_to_string(shipped.join("train-two-decoders.yaml")).unwrap();
    let folder = home.path().join("preview");
    let text = text.replace("  collate:", "  erase: {kind: erase}\n  disturb: {kind: disturb}\n  collate:")
        + &format!("  preview: {{kind: preview, inputs: erase, options: {{folder: {}}}}}\n", folder.display());
    std::fs::write(&own, text.replace("[LASOT]", "[GOT10K_official_val]")).unwrap();
    train(home.path(), &own);

    let text = telemetry::record().unwrap().render();
    let missing = |name: &str, label: &str| {
        !text.lines().any(|line| line.starts_with(&format!("trackflow_{name}{{")) && line.contains(label))
    };
    for kind in &KINDS {
        let label = format!("kind=\"{}\"", kind.name);
        for name in [
            "stage_busy_seconds_total",
            "stage_items_total",
            "stage_workers",
            "stage_failures_total",
            "stage_restarts_total",
            "stage_left_out_total",
        ] {
            assert!(!missing(name, &label), "{name} of {} is missing; no pipeline here runs it?\n{text}", kind.name);
        }
        let items = text.lines().find(|line| line.starts_with("trackflow_stage_items_total{") && line.contains(&label));
        assert!(items.is_some_and(|line| !line.ends_with(" 0")), "{} has done nothing: {items:?}", kind.name);
    }
    for name in [
        "channel_depth",
        "channel_capacity",
        "channel_items_total",
        "channel_send_blocked_seconds_total",
        "channel_receive_wait_seconds_total",
    ] {
        for (from, to) in [("sample", "decode"), ("merge", "crop"), ("erase", "preview"), ("disturb", "collate")] {
            assert!(!missing(name, &format!("from=\"{from}\",to=\"{to}\"")), "{name} from {from} to {to}");
        }
    }
}
