use super::*;
use crate::{
    monitor::run_log::{Ended, History, RunLog},
    train::{
        events::Observer,
        run_event::{Batch, LossMetrics, RunStart},
    },
};
use std::io::Write;

fn write(folder: &Path, steps: u64) -> RunLog {
    std::fs::create_dir_all(folder).unwrap();
    let log = RunLog::open(&folder.join("run.jsonl"), 0, History::Other, None).unwrap();
    log.observe(&RunEvent::Run(Box::new(RunStart { experiment: "hiptrack/x".into(), ..RunStart::default() })));
    for step in 0..steps {
        let metrics = LossMetrics { total: 1.0.into(), applied: true, ..LossMetrics::default() };
        log.observe(&RunEvent::Batch(Batch {
            position: step,
            epoch: 1,
            step,
            batches: 9,
            metrics,
            ..Batch::default()
        }));
    }
    log
}

#[test]
fn runs_below_a_folder_are_found_and_followed() {
    let home = tempfile::tempdir().unwrap();
    let log = write(&home.path().join("sweep/a"), 3);
    write(&home.path().join("b"), 1).end(&Ok(Ended::Complete));
    write(&home.path().join("b/checkpoints/not-a-run"), 1);
    let runs = Runs::below(home.path());
    runs.scan();
    let (list, more) = runs.list();
    let of = |name: &str| runs.list().0.into_iter().find(|run| run.name == name).unwrap();
    assert_eq!((list.len(), more, runs.count()), (2, 0, 2));
    assert_eq!((of("b").state.as_str(), of("b").step), ("finished", 1));
    assert_eq!((of("sweep/a").state.as_str(), of("sweep/a").step), ("ended without a last line", 3));
    // Half a line is read when it is complete.
    let mut file = std::fs::OpenOptions::new().append(true).open(home.path().join("sweep/a/run.jsonl")).unwrap();
    let line = RunLine { time: None, event: RunEvent::Batch(Batch { step: 3, ..Batch::default() }) }.to_text().unwrap();
    file.write_all(&line.as_bytes()[..9]).unwrap();
    runs.scan();
    assert_eq!(of("sweep/a").step, 3);
    file.write_all(&line.as_bytes()[9..]).unwrap();
    runs.scan();
    assert_eq!(of("sweep/a").step, 4);
    // A log that begins anew is another run.
    drop(log);
    write(&home.path().join("sweep/a"), 1);
    runs.scan();
    assert_eq!(of("sweep/a").step, 1);
}

#[test]
fn runs_beside_one_are_read_only_when_somebody_asks() {
    let home = tempfile::tempdir().unwrap();
    ["a", "b", "c"].iter().for_each(|name| drop(write(&home.path().join(name), 1)));
    let runs = Runs::beside(&home.path().join("b")).unwrap();
    assert!(!runs.is_asked());
    assert_eq!(runs.list().0.len(), 0);
    assert!(runs.is_asked());
    runs.scan();
    let names: Vec<String> = runs.list().0.into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["a", "c"]);
}

#[test]
fn there_are_never_more_than_so_many() {
    let home = tempfile::tempdir().unwrap();
    for number in 0..MOST + 3 {
        let folder = home.path().join(format!("{number:04}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("run.jsonl"), "").unwrap();
    }
    let runs = Runs::below(home.path());
    runs.scan();
    runs.scan();
    let (list, more) = runs.list();
    assert_eq!((list.len(), more), (MOST, 3));
}
