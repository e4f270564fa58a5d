//! What a run needs beside what the machine has: items on their way, and the step's own.

use crate::{
    flow::{Graph, Memory, human_bytes},
    stages::{Facts, RunContext},
    telemetry::machine::Machine,
    train::{
        experiment::Experiment,
        memory::{StepMemory, step_memory},
    },
};

/// What the step needs, where there is one.
#[derive(Clone, Copy, Default)]
pub struct Needs<'a> {
    /// Memory by what it is for.
    pub step: Option<&'a StepMemory>,
    /// Whether it computes on a GPU.
    pub on_gpu: bool,
}

impl Needs<'_> {
    /// Bytes in the host's memory, `items` included.
    pub fn host(&self, items: &Memory) -> u64 {
        let own = self.step.map_or(0, |step| if self.on_gpu { 0 } else { step.bytes() } + step.checkpoint);
        items.host().saturating_add(own)
    }
}

/// What does not fit into this machine, of a run that is about to begin on the CPU.
pub fn warning(experiment: &Experiment, graph: &Graph<RunContext>, facts: &Facts) -> Option<String> {
    let machine = Machine::here();
    let step = step_memory(experiment, facts.on_accelerator).ok()?;
    let needs = Needs { step: Some(&step), on_gpu: facts.on_accelerator };
    let misfit = misfit(experiment, needs, &graph.memory(facts, machine.cores), machine.memory_total()?)?;
    Some(format!("memory: the run {misfit}"))
}

/// What does not fit into `ram` bytes, and what would.
pub fn misfit(experiment: &Experiment, needs: Needs<'_>, items: &Memory, ram: u64) -> Option<String> {
    let all = needs.host(items);
    if all <= ram {
        return None;
    }
    let step = needs.step.filter(|_| !needs.on_gpu)?;
    let rest = all - step.bytes();
    let fits = |experiment: &Experiment| {
        step_memory(experiment, false).is_ok_and(|step| rest.saturating_add(step.bytes()) <= ram)
    };
    let with = |change: &dyn Fn(&mut Experiment)| {
        let mut other = experiment.clone();
        change(&mut other);
        other
    };
    let (clips, replicas) = (experiment.training.batch_size, experiment.training.replicas.max(1));
    let in_parts = |by: usize| {
        let text = format!("TRAIN.ACCUMULATE: {by} fits ({} clips at a time)", clips.div_ceil(by));
        (text, with(&|other| other.training.accumulate = by))
    };
    let again = with(&|other| other.training.activation_checkpointing = true);
    let parts = (2..=clips / replicas).filter(|by| clips % by == 0).map(in_parts);
    let options = parts.chain([("TRAIN.ACTIVATION_CHECKPOINTING: True fits".to_string(), again)]);
    let remedy = options.filter(|(_, other)| fits(other)).map(|(text, _)| text).next();
    let remedy = remedy.unwrap_or_else(|| "it needs a machine with more memory, or a smaller model".into());
    Some(format!("needs about {} and this machine has {}; {remedy}", human_bytes(all), human_bytes(ram)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Node;

    #[test]
    fn what_does_not_fit_is_said_with_what_would() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tiny.yaml");
        let text = std::fs::read_to_string(path).unwrap().replace("BATCH_SIZE: 3", "BATCH_SIZE: 4096");
        let experiment = Experiment::from_node(&Node::parse("tiny.yaml", &text).unwrap()).unwrap();
        let step = step_memory(&experiment, false).unwrap();
        let (needs, items) = (Needs { step: Some(&step), on_gpu: false }, Memory::default());
        let all = needs.host(&items);
        assert!(all > 1 << 30, "{step:#?}");
        let of = |ram: u64| misfit(&experiment, needs, &items, ram);
        assert_eq!(of(all), None);
        assert!(
            of(all * 3 / 4).unwrap().contains("TRAIN.ACCUMULATE: 2 fits (2048 clips at a time)"),
            "{:?}",
            of(all * 3 / 4)
        );
        assert!(of(all / 3).unwrap().contains("TRAIN.ACCUMULATE: 4 fits"), "{:?}", of(all / 3));
        assert!(of(1 << 20).unwrap().contains("a machine with more memory"));
        assert_eq!(misfit(&experiment, Needs { on_gpu: true, ..needs }, &items, 1 << 30), None);
    }
}
