//! How many workers each stage gets.

use super::measure::{Cost, Measured};
use crate::flow::{Graph, StageContext};

/// What the stages cost for each item that the sources take.
pub(super) struct Costs {
    pub names: Vec<String>,
    /// Seconds of one worker, alone.
    pub seconds: Vec<f64>,
    /// Seconds of processor time.
    pub processor: Vec<f64>,
    /// The most workers of each.
    pub most: Vec<usize>,
    /// Cores that all stages share, where their work is computing rather than waiting.
    pub cores: Option<usize>,
}

/// A choice, with a reason for each stage.
pub(super) struct Allotment {
    pub workers: Vec<usize>,
    pub reasons: Vec<String>,
    /// What limits the rate.
    pub limit: String,
}

impl Costs {
    pub fn of<C: StageContext>(graph: &Graph<C>, measured: &Measured, cores: Option<usize>) -> Self {
        let cost = |id: &str, of: fn(&Cost) -> f64| {
            measured.isolated_cost.iter().find(|cost| cost.stage == id).map_or(0.0, of) / measured.items.max(1) as f64
        };
        let costs = |of| graph.nodes().iter().map(|node| cost(&node.id, of)).collect();
        Self {
            names: graph.nodes().iter().map(|node| node.id.clone()).collect(),
            seconds: costs(|cost| cost.wall),
            processor: costs(|cost| cost.processor),
            most: graph.nodes().iter().map(|node| node.kind.worker_limit()).collect(),
            cores,
        }
    }

    /// The rate of a stage alone.
    fn rate_of(&self, stage: usize, workers: usize) -> f64 {
        workers as f64 / self.seconds[stage].max(1e-12)
    }

    /// The stage that holds up all others.
    fn slowest(&self, workers: &[usize]) -> Option<usize> {
        (0..workers.len()).min_by(|&a, &b| self.rate_of(a, workers[a]).total_cmp(&self.rate_of(b, workers[b])))
    }

    /// Items a second with these workers: that of the slowest stage, and no more than all cores can compute.
    pub fn rate(&self, workers: &[usize]) -> f64 {
        let stage = self.slowest(workers).map_or(0.0, |stage| self.rate_of(stage, workers[stage]));
        match self.cores {
            Some(cores) => stage.min(cores as f64 / self.processor.iter().sum::<f64>().max(1e-12)),
            None => stage,
        }
    }
}

/// Gives workers to whoever is slowest, as long as that helps and `budget` (for all stages that can have several) lasts.
/// No other choice within the budget has a faster slowest stage: each worker went to the one that any faster choice must
/// give one to as well.
pub(super) fn allot(costs: &Costs, budget: usize) -> Allotment {
    let mut workers = vec![1; costs.seconds.len()];
    let scalable = |stage: usize| costs.most[stage] > 1;
    let limit = loop {
        let used: usize = (0..workers.len()).filter(|&stage| scalable(stage)).map(|stage| workers[stage]).sum();
        let Some(slowest) = costs.slowest(&workers) else { break String::new() };
        let name = &costs.names[slowest];
        if workers[slowest] >= costs.most[slowest] {
            break format!("The limit is {name}, which has all the workers that it can have ({}).", workers[slowest]);
        }
        let mut more = workers.clone();
        more[slowest] += 1;
        if costs.rate(&more) <= costs.rate(&workers) * 1.001 && costs.cores.is_some() {
            break format!("The limit are the {} cores, which all stages share.", costs.cores.unwrap_or(0));
        }
        if used >= budget {
            break format!("The limit is {name}: all {budget} threads are used.");
        }
        workers = more;
    };
    let reasons = (0..workers.len())
        .map(|stage| {
            let (count, cost) = (workers[stage], 1000.0 * costs.seconds[stage]);
            let rate = costs.rate_of(stage, count);
            let plural = if count == 1 { "worker gives" } else { "workers give" };
            match cost < 1e-6 {
                true => "costs next to nothing".to_string(),
                false => format!("{cost:.3} ms an item: {count} {plural} {rate:.1} items/s"),
            }
        })
        .collect();
    Allotment { workers, reasons, limit }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The best rate of all ways to spend the budget.
    fn exhaustive(costs: &Costs, budget: usize, workers: &mut Vec<usize>) -> f64 {
        let stage = workers.len();
        if stage == costs.seconds.len() {
            let scalable = (0..stage).filter(|&stage| costs.most[stage] > 1);
            let spent: usize = scalable.map(|stage| workers[stage]).sum();
            return if spent <= budget { costs.rate(workers) } else { 0.0 };
        }
        let mut best: f64 = 0.0;
        for count in 1..=costs.most[stage] {
            workers.push(count);
            best = best.max(exhaustive(costs, budget, workers));
            workers.pop();
        }
        best
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_other_choice_is_faster(
            stages in prop::collection::vec((0.1f64..20.0, prop::sample::select(vec![1usize, 3, 8])), 1..5),
            spare in 0usize..6,
        ) {
            let costs = Costs {
                names: stages.iter().map(|_| String::new()).collect(),
                seconds: stages.iter().map(|stage| stage.0).collect(),
                processor: vec![0.0; stages.len()],
                most: stages.iter().map(|stage| stage.1).collect(),
                cores: None,
            };
            let budget = costs.most.iter().filter(|most| **most > 1).count() + spare;
            let best = exhaustive(&costs, budget, &mut Vec::new());
            prop_assert!(costs.rate(&allot(&costs, budget).workers) >= best * 0.999_999);
        }
    }
}
