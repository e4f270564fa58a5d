//! What stages and channels did lately: the difference of two looks at the meters.

use crate::flow::{ChannelReport, Load, StageReport};
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// Over how long rates and shares are taken.
const WINDOW: Duration = Duration::from_secs(15);

/// Looks that are kept: more than the window's, as they come once a second.
const KEPT: usize = 20;

/// The looks of the last seconds.
#[derive(Debug, Default)]
pub(super) struct MeterHistory(VecDeque<MeterSnapshot>);

#[derive(Debug)]
struct MeterSnapshot {
    at: Instant,
    stages: Vec<StageReport>,
    channels: Vec<ChannelReport>,
}

/// A stage as of now.
#[derive(Clone, Debug)]
pub(super) struct StageNow {
    pub report: StageReport,
    pub load: Load,
    /// Items a second.
    pub rate: f64,
}

/// A channel as of now.
#[derive(Clone, Debug)]
pub(super) struct ChannelNow {
    pub report: ChannelReport,
    /// Items a second.
    pub rate: f64,
}

impl MeterHistory {
    pub fn add(&mut self, at: Instant, stages: Vec<StageReport>, channels: Vec<ChannelReport>) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(MeterSnapshot { at, stages, channels });
    }

    /// The newest look against the one before the window began, or the oldest there is.
    fn span(&self) -> Option<(&MeterSnapshot, &MeterSnapshot, Duration)> {
        let now = self.0.back()?;
        let in_window = |snapshot: &&MeterSnapshot| now.at.saturating_duration_since(snapshot.at) >= WINDOW;
        let before = self.0.iter().rev().find(in_window).or(self.0.front())?;
        Some((before, now, now.at.saturating_duration_since(before.at)))
    }

    /// How long the window is.
    pub fn seconds(&self) -> f64 {
        self.span().map_or(0.0, |(_, _, wall)| wall.as_secs_f64())
    }

    /// All stages in the order of the pipeline. `most` are the workers that they can have.
    pub fn stages(&self, most: &BTreeMap<String, usize>) -> Vec<StageNow> {
        let Some((before, now, wall)) = self.span() else { return Vec::new() };
        let waits = |side: fn(&ChannelReport) -> (&str, Duration), id: &str| -> Duration {
            let pairs = before.channels.iter().zip(&now.channels).map(|(then, now)| (side(then).1, side(now)));
            pairs.filter(|(_, (name, _))| *name == id).map(|(then, (_, now))| now.saturating_sub(then)).sum()
        };
        let pairs = before.stages.iter().zip(&now.stages);
        pairs
            .map(|(then, now)| {
                let busy = match now.busy.saturating_sub(then.busy) {
                    // An item that takes longer than the window shows in the meter only when it is done.
                    Duration::ZERO if now.inside > 0 && then.inside > 0 => wall * now.inside as u32,
                    busy => busy,
                };
                let load = Load {
                    id: now.id.clone(),
                    kind: now.kind.to_string(),
                    workers: now.running,
                    most: most.get(&now.id).copied().unwrap_or(now.running),
                    alive: wall * now.running.max(1) as u32,
                    busy,
                    waited: waits(|channel| (&channel.to, channel.receive_wait), &now.id),
                    blocked: waits(|channel| (&channel.from, channel.send_blocked), &now.id),
                };
                StageNow { report: now.clone(), load, rate: per_second(then.taken, now.taken, wall) }
            })
            .collect()
    }

    /// All channels in the order of the pipeline.
    pub fn channels(&self) -> Vec<ChannelNow> {
        let Some((before, now, wall)) = self.span() else { return Vec::new() };
        let pairs = before.channels.iter().zip(&now.channels);
        pairs
            .map(|(then, now)| ChannelNow { report: now.clone(), rate: per_second(then.items, now.items, wall) })
            .collect()
    }
}

fn per_second(then: u64, now: u64, wall: Duration) -> f64 {
    match wall.as_secs_f64() {
        0.0 => 0.0,
        seconds => now.saturating_sub(then) as f64 / seconds,
    }
}
