//! Notices that nothing moves any more, and says who everyone waits for.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::report::{Board, StageReport};

/// Watches the meters of a run.
pub(crate) struct StallWatch {
    patience: Duration,
    /// The counts when something last moved, and when that was.
    last: Option<(u64, Instant)>,
    /// How long the stall had lasted when it was last told.
    reported: Duration,
}

impl StallWatch {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, last: None, reported: Duration::ZERO }
    }

    /// The words for a stall that has lasted as long as the patience, and again each time that it has doubled.
    pub(crate) fn look(&mut self, board: &Board, now: Instant, waiting_for: fn() -> Vec<String>) -> Option<String> {
        let stages = board.stages();
        let moved: u64 = stages.iter().map(|stage| stage.taken + stage.emitted + stage.failures).sum();
        match self.last {
            Some((count, since)) if count == moved => {
                let still = now.saturating_duration_since(since);
                if still < self.patience || still < 2 * self.reported || stages.iter().all(|stage| stage.running == 0) {
                    return None;
                }
                self.reported = still;
                Some(describe(board, &stages, still, &waiting_for()))
            }
            _ => {
                self.last = Some((moved, now));
                self.reported = Duration::ZERO;
                None
            }
        }
    }
}

fn describe(board: &Board, stages: &[StageReport], still: Duration, waiting_for: &[String]) -> String {
    let inside: Vec<String> = stages
        .iter()
        .filter(|stage| stage.inside > 0)
        .map(|stage| format!("`{}` ({} of {} workers inside)", stage.id, stage.inside, stage.running))
        .collect();
    let whom = match inside.is_empty() {
        true => "no worker is inside a stage".to_string(),
        false => format!("everyone waits for {}", inside.join(" and ")),
    };
    let mut text = format!("nothing has moved for {} s: {whom}", still.as_secs());
    for waits in waiting_for {
        let _ = write!(text, "\n  {waits}");
    }
    for channel in board.channels() {
        // Writing to a String cannot fail.
        let _ =
            write!(text, "\n  {} → {}: {} of {} waiting", channel.from, channel.to, channel.depth, channel.capacity);
    }
    text
}
