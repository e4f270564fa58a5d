//! What a run that goes on did before, as the events of its log: curves and advice do not begin where a process does.

use crate::{
    telemetry::log,
    train::run_event::{
        RunLine,
        read::{self, SkippedItem},
    },
};
use std::path::Path;

/// The events in `run.jsonl` at `path`, in their order. Lines that say nothing that is known are passed over, and said to
/// be; so is a log that cannot be read: a run does not depend on it.
pub fn events(path: &Path) -> Vec<RunLine> {
    let mut skipped = SkippedItem::default();
    let mut events = Vec::new();
    let Ok(lines) = read::lines(path) else { return events };
    for line in lines {
        match line {
            Ok(line) => events.extend(skipped.sift(line)),
            Err(error) => {
                log::warn(&format!("{}: {error}; what comes after is not shown", path.display()));
                break;
            }
        }
    }
    if !skipped.is_empty() {
        log::warn(&format!("{}: {skipped}", path.display()));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        monitor::run_log::{History, RunLog},
        train::{events::Observer, run_event::RunEvent},
    };
    use std::io::Write;

    #[test]
    fn what_is_known_comes_back_in_order_and_the_rest_is_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run.jsonl");
        assert_eq!(events(&path).len(), 0);
        let log = RunLog::open(&path, 0, History::Other, None).unwrap();
        let predicted = [RunEvent::note("a"), RunEvent::Batch(Default::default()), RunEvent::Pass(Default::default())];
        log.observe(&predicted[0]);
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"event\":\"of tomorrow\"}\nno event\n").unwrap();
        predicted[1..].iter().for_each(|event| log.observe(event));
        let read: Vec<RunEvent> = events(&path).into_iter().map(|line| line.event).collect();
        assert_eq!(read, predicted);
    }
}
