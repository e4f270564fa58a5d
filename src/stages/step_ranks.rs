//! What ranks agree on before each step: that all are about to take the same one, or why they part; and how long each of
//! them took for the one before.

use super::{RunContext, context::Ranks};
use crate::{
    failure::{Failure, Result},
    flow::{Emitter, Shutdown, StopReason},
    telemetry::names,
    train::{
        events::Observer,
        ranks::{Shares, World},
        run_event::RunEvent,
        run_schedule::{BatchInfo, RunSchedule, Split},
    },
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// A rank is said to be slow from this share above the others on.
const SLOW: f64 = 1.25;

/// What a rank is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    /// A step.
    Step,
    /// To end, as all is done that was asked for.
    Done,
    /// To end, as something has failed.
    Failed,
    /// To stop, for what the number says: a signal, the time limit, or a goal.
    Stop(i64),
}

const TIME_LIMIT: i64 = 1000;
const REACHED: i64 = 1001;

impl Intent {
    fn number(self) -> i64 {
        match self {
            Self::Step => 0,
            Self::Done => 1,
            Self::Failed => 2,
            Self::Stop(number) => 3 + number,
        }
    }

    fn of(number: i64) -> Self {
        match number {
            0 => Self::Step,
            1 => Self::Done,
            2 => Self::Failed,
            number => Self::Stop(number - 3),
        }
    }

    fn stop(reason: &StopReason) -> Self {
        Self::Stop(match reason {
            StopReason::Signal(signal) => i64::from(*signal),
            StopReason::TimeLimit => TIME_LIMIT,
            StopReason::Reached(_) => REACHED,
        })
    }
}

/// The reason with which another rank stops.
fn reason(number: i64) -> StopReason {
    match number {
        TIME_LIMIT => StopReason::TimeLimit,
        REACHED => StopReason::Reached("another rank stopped".into()),
        signal => StopReason::Signal(i32::try_from(signal).unwrap_or(15)),
    }
}

/// The other ranks, as the step sees them.
pub(super) struct StepRanks {
    world: Arc<World>,
    stop: Shutdown,
    observer: Arc<dyn Observer>,
    schedule: RunSchedule,
    replicas: usize,
    rounds: usize,
    /// The batch that comes next.
    next: u64,
    steps_left: u64,
    /// Whether the ranks have parted, or lost each other.
    parted: bool,
    /// Whether somebody hears when a rank is lost.
    watched: bool,
    /// When the last step began and ended, and how long this rank had waited for others by then.
    began: Option<(Instant, Duration)>,
    ended: Instant,
    /// Seconds of each rank on its own work, and on waiting for its data, in this pass.
    own: Vec<[f64; 2]>,
    steps: u32,
}

impl StepRanks {
    pub fn new(ranks: &Ranks, context: &RunContext) -> Self {
        let training = &context.experiment.training;
        Self {
            world: ranks.world.clone(),
            stop: ranks.stop.clone(),
            observer: context.observer.clone(),
            schedule: context.schedule,
            replicas: training.replicas,
            rounds: training.accumulate,
            next: context.position,
            steps_left: context.max_steps.unwrap_or(u64::MAX),
            parted: false,
            watched: false,
            began: None,
            ended: Instant::now(),
            own: vec![[0.0; 2]; ranks.world.size()],
            steps: 0,
        }
    }

    /// Whether this is the rank that writes checkpoints.
    pub fn writes(&self) -> bool {
        self.world.is_first()
    }

    /// All ranks begin the batch `info`, of which this one has the clips `names`: what the clips of all are called, in their
    /// order. None where they stop instead.
    ///
    /// # Errors
    /// Another rank has failed, or is somewhere else.
    pub fn begin(&mut self, info: &BatchInfo, names: &[String], out: &Emitter) -> Result<Option<Arc<[String]>>> {
        if !std::mem::replace(&mut self.watched, true) {
            let end = out.run_end();
            self.world.on_loss(move |text| {
                let (end, failure) = (end.clone(), Failure::stage(text));
                // Where the step itself waits for the others, it is told too, and says where it was.
                thread::spawn(move || {
                    thread::sleep(Duration::from_secs(1));
                    end.after_saving(failure);
                });
            });
        }
        if !self.meet(Intent::Step, info.position)? {
            return Ok(None);
        }
        self.next = info.position + 1;
        if info.split == Split::Train {
            self.steps_left = self.steps_left.saturating_sub(1);
        }
        let what = if info.split == Split::Train { "training" } else { "validation" };
        self.world.doing(format!("in batch {} of epoch {} ({what})", info.batch + 1, info.epoch + 1));
        self.names(names).map(Some)
    }

    /// The step is over.
    pub fn end(&mut self, info: &BatchInfo) {
        self.ended = Instant::now();
        self.world.doing(format!("waiting for its data, after batch {} of epoch {}", info.batch + 1, info.epoch + 1));
        if info.batch + 1 == info.of {
            self.report(info);
        }
    }

    /// This rank has no more to do.
    ///
    /// # Errors
    /// The others go on.
    pub fn part(&mut self) -> Result<()> {
        if self.parted || self.world.verdict().is_some() {
            return Ok(());
        }
        let next = self.schedule.batch_info(self.next);
        let done = next.is_none_or(|info| info.split == Split::Train && self.steps_left == 0);
        let intent = match self.stop.reason() {
            Some(reason) => Intent::stop(reason),
            None if done => Intent::Done,
            None => Intent::Failed,
        };
        match self.meet(intent, self.next) {
            // What ends this rank is known, and said already.
            Err(_) if intent != Intent::Done => Ok(()),
            Err(failure) => Err(failure),
            Ok(_) => {
                self.parted = true;
                if intent != Intent::Failed {
                    self.world.close();
                }
                Ok(())
            }
        }
    }

    /// Says what this rank is about to do, and hears it of the others: whether all take the step.
    fn meet(&mut self, intent: Intent, position: u64) -> Result<bool> {
        let now = Instant::now();
        let waited = self.world.waited();
        let times = self.began.map_or([0, 0], |(began, before)| {
            let data = now.saturating_duration_since(self.ended);
            let all = now.saturating_duration_since(began).saturating_sub(waited.saturating_sub(before));
            [all, data].map(|time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
        });
        self.world.doing(format!("waiting for the other ranks before batch {position} of the run"));
        let answers = self.world.gather(&[intent.number(), position as i64, times[0], times[1]])?;
        self.began = Some((Instant::now(), self.world.waited()));
        let intents: Vec<Intent> = answers.iter().map(|answer| Intent::of(answer[0])).collect();
        if let Some(rank) = intents.iter().position(|intent| *intent == Intent::Failed) {
            if intent == Intent::Failed {
                return Ok(false);
            }
            self.parted = true;
            return Err(Failure::stage(self.why(rank)));
        }
        if let Some(Intent::Stop(number)) = intents.iter().find(|intent| matches!(intent, Intent::Stop(_))) {
            self.stop.stop(reason(*number));
            self.parted = true;
            self.world.close();
            return Ok(false);
        }
        let other = answers.iter().position(|answer| answer[..2] != answers[0][..2]);
        if let Some(rank) = other {
            let at = |rank: usize| match intents[rank] {
                Intent::Step => format!("begins batch {}", answers[rank][1]),
                _ => format!("is done at batch {}", answers[rank][1]),
            };
            self.parted = true;
            return Err(Failure::stage(format!(
                "rank 0 {}, rank {rank} {}: they do not do the same, for example for another --max_steps",
                at(0),
                at(rank)
            )));
        }
        for (own, answer) in self.own.iter_mut().zip(&answers) {
            *own = [0, 1].map(|at| own[at] + answer[2 + at] as f64 / 1e6);
        }
        self.steps += 1;
        Ok(intent == Intent::Step)
    }

    /// Why `rank` failed, which it says a moment later.
    fn why(&self, rank: usize) -> String {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(6) {
            if let Some(text) = self.world.verdict() {
                return text;
            }
            thread::sleep(Duration::from_millis(20));
        }
        format!("rank {rank} has failed; its own output says why")
    }

    /// What the clips of all ranks are called, in the order of the batch.
    fn names(&self, own: &[String]) -> Result<Arc<[String]>> {
        // A line each; whatever a data set calls its clips.
        let text: String = own.iter().map(|name| format!("{}\n", name.replace('\n', " "))).collect();
        let all = self.world.gather_bytes(text.as_bytes())?;
        let by_rank: Vec<Vec<String>> =
            all.iter().map(|bytes| String::from_utf8_lossy(bytes).lines().map(String::from).collect()).collect();
        let clips: Vec<usize> = by_rank.iter().map(Vec::len).collect();
        let names: Vec<String> = by_rank.into_iter().flatten().collect();
        let shares = Shares::of(names.len(), self.world.size(), self.replicas, self.rounds);
        Ok(match shares.fits(&clips) {
            true => shares.order().into_iter().map(|at| names[at].clone()).collect(),
            false => names.into(),
        })
    }

    /// Records what each rank took for the pass that is over, and says which one the others waited for.
    fn report(&mut self, info: &BatchInfo) {
        let steps = f64::from(self.steps.max(1));
        let means: Vec<[f64; 2]> = self.own.iter().map(|times| times.map(|time| time / steps)).collect();
        (self.own, self.steps) = (vec![[0.0; 2]; means.len()], 0);
        if !self.world.is_first() {
            return;
        }
        for (rank, [own, data]) in means.iter().enumerate() {
            let rank = rank.to_string();
            metrics::gauge!(names::RANK_STEP, "rank" => rank.clone()).set(*own);
            metrics::gauge!(names::RANK_DATA, "rank" => rank).set(*data);
        }
        if let Some(text) = slowest(&means).filter(|_| info.split == Split::Train) {
            self.observer.observe(&RunEvent::note(text));
        }
    }
}

/// What is to be said of the slowest rank; `means`: seconds of each on a step, and of these on waiting for data.
fn slowest(means: &[[f64; 2]]) -> Option<String> {
    let (slow, [own, data]) = means.iter().enumerate().max_by(|a, b| a.1[0].total_cmp(&b.1[0]))?;
    let others = means.iter().enumerate().filter(|(rank, _)| *rank != slow).map(|(_, times)| times[0]);
    let next = others.fold(0.0, f64::max);
    let each: Vec<String> = means
        .iter()
        .enumerate()
        .take(16)
        .map(|(rank, [own, data])| format!("{rank}: {:.0} ({:.0})", 1e3 * own, 1e3 * data))
        .collect();
    let rows = format!("milliseconds of each rank on a step (waiting for data): {}", each.join(", "));
    (*own > SLOW * next).then(|| {
        let why = if *data > 0.5 * own { "mostly waiting for its data" } else { "mostly computing" };
        format!(
            "rank {slow} is the slowest: {:.0} ms of its own on a step, {why}, and the others wait for it (the next one \
             takes {:.0} ms); {rows}",
            1e3 * own,
            1e3 * next
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_rank_is_named_with_its_reason() {
        assert_eq!(slowest(&[[0.1, 0.0], [0.11, 0.0]]), None);
        let text = slowest(&[[0.1, 0.0], [0.3, 0.2], [0.12, 0.0]]).unwrap();
        assert!(text.starts_with("rank 1 is the slowest: 300 ms") && text.contains("waiting for its data"), "{text}");
        assert!(text.contains("takes 120 ms") && text.contains("0: 100 (0), 1: 300 (200), 2: 120 (0)"), "{text}");
        assert!(slowest(&[[0.1, 0.0], [0.3, 0.1]]).unwrap().contains("mostly computing"));
    }

    #[test]
    fn intents_and_reasons_are_numbers_and_back() {
        for intent in [Intent::Step, Intent::Done, Intent::Failed, Intent::Stop(15), Intent::Stop(TIME_LIMIT)] {
            assert_eq!(Intent::of(intent.number()), intent);
        }
        for reason_of in [StopReason::Signal(2), StopReason::TimeLimit] {
            let Intent::Stop(number) = Intent::stop(&reason_of) else { panic!("not a stop") };
            assert_eq!(reason(number), reason_of);
        }
    }
}
