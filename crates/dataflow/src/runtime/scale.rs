//! `workers: auto`: moves threads to where the flow needs them, one at a time, and keeps only what helps.
//!
//! Every period the busiest automatic stage gets one more worker, as long as it is busy for most of its time and the
//! budget allows; with an exhausted budget it gets it from the automatic stage that misses it least. In the next period
//! the flow must have become faster, or the change is taken back and that stage is left alone for a while. When nobody
//! is left to be helped the numbers have settled, which is told once.

use std::time::{Duration, Instant};

use crate::stats::report::StageReport;

/// A stage busier than this wants another worker.
const WANTS: f64 = 0.8;
/// A stage that would stay below this with a worker less can spare one: the flow could become faster by the rest.
const SPARES: f64 = 0.95;
/// A change must make the flow faster by this factor.
const GAIN: f64 = 1.02;
/// Periods for which a stage is left alone after a change that did not help.
const PAUSE: u32 = 30;
/// Quiet periods after which the numbers have settled.
const QUIET: u32 = 3;

/// What may be done with a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scaling {
    pub(crate) auto: bool,
    /// The most workers that it can have.
    pub(crate) most: usize,
}

/// New numbers of workers, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) targets: Vec<(usize, usize)>,
    pub(crate) reason: String,
}

/// Judges the meters period by period.
pub(crate) struct Scaler {
    stages: Vec<Scaling>,
    budget: usize,
    workers: Vec<usize>,
    rests: Vec<u32>,
    last: Option<MeterReading>,
    trial: Option<Trial>,
    quiet: u32,
}

struct MeterReading {
    at: Instant,
    busy: Vec<Duration>,
    /// Items that the sources have emitted.
    items: u64,
}

/// A change that has to prove itself.
struct Trial {
    stage: usize,
    /// The numbers before it.
    before: Vec<usize>,
    rate: f64,
    /// Whether a whole period with the change has begun: the one in which threads start does not count.
    begun: bool,
}

impl Scaler {
    /// `budget` is for all automatic stages together; each keeps at least one worker.
    pub(crate) fn new(stages: Vec<Scaling>, budget: usize) -> Self {
        let count = stages.len();
        Self { stages, budget, workers: Vec::new(), rests: vec![0; count], last: None, trial: None, quiet: 0 }
    }

    /// Looks at the meters as of `now`.
    pub(crate) fn look(&mut self, reports: &[StageReport], now: Instant) -> Vec<Change> {
        if self.workers.is_empty() {
            self.workers = reports.iter().map(|report| report.workers).collect();
        }
        let items = reports.iter().filter(|report| report.inputs.is_empty()).map(|report| report.emitted).sum();
        let current = MeterReading { at: now, busy: reports.iter().map(|report| report.busy).collect(), items };
        let Some(last) = self.last.replace(current) else { return Vec::new() };
        let wall = now.saturating_duration_since(last.at).as_secs_f64();
        if wall <= 0.0 {
            return Vec::new();
        }
        let rate = items.saturating_sub(last.items) as f64 / wall;
        let load: Vec<f64> = reports
            .iter()
            .zip(&last.busy)
            .zip(&self.workers)
            .map(|((report, before), &workers)| {
                report.busy.saturating_sub(*before).as_secs_f64() / (wall * workers.max(1) as f64)
            })
            .collect();
        self.rests.iter_mut().for_each(|rest| *rest = rest.saturating_sub(1));
        let name = |stage: usize| reports[stage].id.as_str();
        match self.trial.take() {
            Some(trial) if !trial.begun => {
                self.trial = Some(Trial { begun: true, ..trial });
                Vec::new()
            }
            Some(trial) if rate < trial.rate * GAIN => {
                self.rests[trial.stage] = PAUSE;
                let reason = format!(
                    "{} took back {} → {} workers: the flow went from {:.1} to {rate:.1} items/s",
                    name(trial.stage),
                    self.workers[trial.stage],
                    trial.before[trial.stage],
                    trial.rate
                );
                vec![self.apply(trial.before, reason)]
            }
            Some(trial) => {
                let reason = format!(
                    "{} keeps {} workers: the flow went from {:.1} to {rate:.1} items/s",
                    name(trial.stage),
                    self.workers[trial.stage],
                    trial.rate
                );
                let mut changes = vec![Change { targets: Vec::new(), reason }];
                changes.extend(self.help(&load, rate, &name));
                changes
            }
            None => self.help(&load, rate, &name).into_iter().collect(),
        }
    }

    fn apply(&mut self, workers: Vec<usize>, reason: String) -> Change {
        let changed = workers.iter().enumerate().filter(|&(stage, count)| self.workers[stage] != *count);
        let targets = changed.map(|(stage, &count)| (stage, count)).collect();
        self.workers = workers;
        Change { targets, reason }
    }

    fn autos(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.stages.len()).filter(|&stage| self.stages[stage].auto)
    }

    /// Gives the busiest stage one more worker, if that can help.
    fn help<'a>(&mut self, load: &[f64], rate: f64, name: &impl Fn(usize) -> &'a str) -> Option<Change> {
        let wants = |&stage: &usize| {
            load[stage] >= WANTS && self.rests[stage] == 0 && self.workers[stage] < self.stages[stage].most
        };
        let busiest = self.autos().filter(wants).max_by(|&a, &b| load[a].total_cmp(&load[b]));
        let used: usize = self.autos().map(|stage| self.workers[stage]).sum();
        let mut workers = self.workers.clone();
        let chosen = busiest.and_then(|stage| {
            workers[stage] += 1;
            let to = workers[stage];
            let busy = 100.0 * load[stage];
            if used < self.budget {
                return Some((stage, format!("{}: {} → {to} workers: it is {busy:.0} % busy", name(stage), to - 1)));
            }
            let without = |stage: usize| load[stage] * self.workers[stage] as f64 / (self.workers[stage] - 1) as f64;
            let spare = self
                .autos()
                .filter(|&other| other != stage && self.workers[other] > 1 && without(other) < SPARES)
                .min_by(|&a, &b| without(a).total_cmp(&without(b)))?;
            workers[spare] -= 1;
            let from = name(spare);
            Some((
                stage,
                format!("{}: {} → {to} workers, one from {from}: it is {busy:.0} % busy", name(stage), to - 1),
            ))
        });
        match chosen {
            Some((stage, reason)) => {
                self.quiet = 0;
                self.trial = Some(Trial { stage, before: self.workers.clone(), rate, begun: false });
                Some(self.apply(workers, reason))
            }
            None => {
                self.quiet += 1;
                (self.quiet == QUIET).then(|| {
                    let numbers: Vec<String> =
                        self.autos().map(|stage| format!("{} {}", name(stage), self.workers[stage])).collect();
                    Change { targets: Vec::new(), reason: format!("workers have settled: {}", numbers.join(", ")) }
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flow in virtual time: stages that cost `costs` seconds an item, of which the slowest sets the rate.
    struct Flow {
        costs: Vec<f64>,
        auto: Vec<bool>,
        workers: Vec<usize>,
        busy: Vec<Duration>,
        items: f64,
        now: Instant,
    }

    impl Flow {
        fn new(costs: &[f64], auto: &[bool]) -> Self {
            let (busy, workers) = (vec![Duration::ZERO; costs.len()], vec![1; costs.len()]);
            Self { costs: costs.to_vec(), auto: auto.to_vec(), workers, busy, items: 0.0, now: Instant::now() }
        }

        fn rate(&self) -> f64 {
            self.costs.iter().zip(&self.workers).map(|(cost, workers)| *workers as f64 / cost).fold(f64::MAX, f64::min)
        }

        fn scaler(&self, most: usize, budget: usize) -> Scaler {
            Scaler::new(self.auto.iter().map(|&auto| Scaling { auto, most }).collect(), budget)
        }

        /// Two seconds go by, and the scaler looks.
        fn step(&mut self, scaler: &mut Scaler) -> Vec<Change> {
            let rate = self.rate();
            self.items += 2.0 * rate;
            self.now += Duration::from_secs(2);
            for (busy, cost) in self.busy.iter_mut().zip(&self.costs) {
                *busy += Duration::from_secs_f64(2.0 * rate * cost);
            }
            let reports: Vec<StageReport> = (0..self.costs.len())
                .map(|index| StageReport {
                    id: format!("s{index}"),
                    kind: "s",
                    workers: 1,
                    running: self.workers[index],
                    most: self.workers[index],
                    span: Duration::ZERO,
                    inputs: if index == 0 { Vec::new() } else { vec![format!("s{}", index - 1)] },
                    inside: 0,
                    taken: self.items as u64,
                    emitted: self.items as u64,
                    busy: self.busy[index],
                    alive: Duration::ZERO,
                    failures: 0,
                    restarts: 0,
                    skipped: 0,
                    skipped_items: Vec::new(),
                    isolated_cost: None,
                })
                .collect();
            let changes = scaler.look(&reports, self.now);
            changes
                .iter()
                .flat_map(|change| &change.targets)
                .for_each(|&(stage, workers)| self.workers[stage] = workers);
            changes
        }
    }

    #[test]
    fn workers_go_where_they_help_and_the_rest_is_left_alone() {
        let mut flow = Flow::new(&[0.001, 0.080, 0.020, 0.025], &[false, true, true, false]);
        let mut scaler = flow.scaler(16, 12);
        let said: Vec<String> = (0..60).flat_map(|_| flow.step(&mut scaler)).map(|change| change.reason).collect();
        // The last stage, which has one worker, allows 40 items a second: 80 ms need four workers for that.
        assert_eq!(flow.workers, [1, 4, 1, 1], "{said:#?}");
        assert!(said.last().unwrap().starts_with("workers have settled: s1 4, s2 1"), "{said:#?}");
    }

    #[test]
    fn with_a_used_up_budget_a_worker_moves() {
        let mut flow = Flow::new(&[0.001, 0.010, 0.030], &[false, true, true]);
        flow.workers = vec![1, 3, 1];
        let mut scaler = flow.scaler(8, 4);
        scaler.workers = flow.workers.clone();
        (0..40).for_each(|_| drop(flow.step(&mut scaler)));
        assert_eq!(flow.workers, [1, 1, 3]);
    }

    /// A day in virtual time, in which the cost of a stage changes every hour: the budget holds, and each hour ends at
    /// no less than 95 % of the best rate that there is.
    #[test]
    fn a_day_of_changing_costs() {
        let mut flow = Flow::new(&[0.001, 0.040, 0.010, 0.012], &[false, true, true, false]);
        let mut scaler = flow.scaler(8, 8);
        let mut draw = 7u64;
        for hour in 0..24 {
            for _ in 0..1800 {
                flow.step(&mut scaler);
                assert!(flow.workers[1] + flow.workers[2] <= 8 && flow.workers.iter().all(|workers| *workers > 0));
            }
            let best = (1..8)
                .map(|first| (first as f64 / flow.costs[1]).min((8 - first) as f64 / flow.costs[2]))
                .fold(0.0, f64::max)
                .min(1.0 / flow.costs[3]);
            assert!(
                flow.rate() >= 0.95 * best,
                "hour {hour}: {} of {best}, {:?} {:?}",
                flow.rate(),
                flow.workers,
                flow.costs
            );
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            flow.costs[1 + (hour % 2)] = 0.005 + (draw >> 40) as f64 / (1u64 << 24) as f64 * 0.06;
        }
    }
}
