//! What a pipeline will use before it runs: threads, channels, and memory at the most.

use super::graph::Graph;
use crate::settings::Diagnostics;
use crate::stage::element_spec::{ElementSpec, human_bytes};
use crate::stage::kind::StageContext;

/// One line of the thread and channel plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The stage.
    pub id: String,
    /// Its kind.
    pub kind: &'static str,
    /// The stages that it takes its input from.
    pub inputs: Vec<String>,
    /// Threads to begin with.
    pub workers: usize,
    /// Whether threads are added and taken away while the run goes on.
    pub auto: bool,
    /// Whether its input arrives in order.
    pub ordered: bool,
    /// Its output channels: capacity and the name of the items; `None` for a sink.
    pub output: Option<(usize, &'static str)>,
    /// The most items of its own numbering that can be on their way to the next ordered stage, when there is one.
    pub window: Option<usize>,
    /// How often its workers may fail.
    pub max_failures: u64,
}

/// The most memory that items can take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What takes it, in the order of the flow: channels, workers, caches.
    pub lines: Vec<MemoryLine>,
    /// Stages that emit items of unknown size; they are not counted.
    pub unknown: Vec<String>,
}

/// One user of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLine {
    /// `decode → crop`, or a stage.
    pub what: String,
    /// How much of what.
    pub how: String,
    /// Bytes in the memory of this machine.
    pub host: u64,
    /// Bytes in the memory of an accelerator.
    pub device: u64,
}

impl Memory {
    /// Bytes in the memory of this machine.
    pub fn host(&self) -> u64 {
        self.lines.iter().map(|line| line.host).fold(0, u64::saturating_add)
    }

    /// Bytes in the memory of an accelerator.
    pub fn device(&self) -> u64 {
        self.lines.iter().map(|line| line.device).fold(0, u64::saturating_add)
    }
}

impl<C: StageContext> Graph<C> {
    /// Threads, channels and windows on `cores` cores.
    pub fn plan(&self, cores: usize) -> Vec<Planned> {
        let segments = self.segments(cores);
        let one = |index: usize| {
            let node = &self.nodes()[index];
            Planned {
                id: node.id.clone(),
                kind: node.kind.name,
                inputs: self.inputs(index).iter().map(|&input| self.nodes()[input].id.clone()).collect(),
                workers: node.workers,
                auto: node.auto,
                ordered: node.kind.ordered,
                output: self.output(index).map(|port| (node.capacity, port.name)),
                window: segments.iter().filter(|segment| segment.head == index).map(|segment| segment.window).min(),
                max_failures: if self.is_supervised(index) { node.max_failures } else { 0 },
            }
        };
        (0..self.nodes().len()).map(one).collect()
    }

    /// The form of what each stage emits, where it is known.
    pub fn element_specs(&self, facts: &C::Facts) -> Vec<Option<ElementSpec>> {
        let mut element_specs: Vec<Option<ElementSpec>> = Vec::with_capacity(self.nodes().len());
        for (index, node) in self.nodes().iter().enumerate() {
            let input = self.inputs(index).first().and_then(|&input| element_specs[input].as_ref());
            let element_spec = node.stage_config.output_spec(facts, input);
            element_specs.push(element_spec);
        }
        element_specs
    }

    /// Reports to `diagnostics` where a stage emits items of another shape, type or place than the next expects.
    pub fn check_element_specs(&self, diagnostics: &Diagnostics, facts: &C::Facts) {
        let element_specs = self.element_specs(facts);
        for (index, node) in self.nodes().iter().enumerate() {
            let Some(expected) = node.stage_config.input_spec(facts) else { continue };
            for &input in self.inputs(index) {
                let Some(given) = &element_specs[input] else { continue };
                let from = &self.nodes()[self.shaper(input)];
                if let (Some(message), Some(origin)) = (given.misfit(&from.id, &expected, &node.id), &node.origin) {
                    diagnostics.report(origin, &format!("stages.{}", node.id), message);
                }
            }
        }
    }

    /// The stage that gave the items which `index` emits their form, behind those that keep it.
    fn shaper(&self, index: usize) -> usize {
        let node = &self.nodes()[index];
        match self.inputs(index) {
            [input] if node.kind.input == node.kind.output => self.shaper(*input),
            _ => index,
        }
    }

    /// The most memory that the items of this pipeline can take on `cores` cores: channels × capacity, an item coming in
    /// and one going out in the hands of each worker, and what stages keep.
    pub fn memory(&self, facts: &C::Facts, cores: usize) -> Memory {
        let element_specs = self.element_specs(facts);
        let mut memory = Memory::default();
        for (index, node) in self.nodes().iter().enumerate() {
            let input = self.inputs(index).first().and_then(|&input| element_specs[input].as_ref());
            let output = element_specs[index].as_ref();
            if output.is_none() && node.kind.output.is_some() {
                memory.unknown.push(node.id.clone());
            }
            let workers = node.most_workers(cores);
            let hands = format!("{workers} worker{}", if workers == 1 { "" } else { "s" });
            memory.add(&node.id, hands, workers, [input, output]);
            let kept = node.stage_config.keeps_bytes(facts, input);
            if kept > 0 {
                let how = format!("keeps {}", human_bytes(kept));
                memory.lines.push(MemoryLine { what: node.id.clone(), how, host: kept, device: 0 });
            }
            for consumer in self.consumers(index) {
                let what = format!("{} → {}", node.id, self.nodes()[consumer].id);
                let each = output.map_or("unknown size".to_string(), |element_spec| human_bytes(element_spec.bytes()));
                memory.add(&what, format!("{} × {each}", node.capacity), node.capacity, [output, None]);
            }
        }
        memory
    }
}

impl Memory {
    fn add(&mut self, what: &str, how: String, times: usize, element_specs: [Option<&ElementSpec>; 2]) {
        let sum = |place: crate::stage::element_spec::MemoryKind| {
            let bytes = element_specs
                .iter()
                .flatten()
                .filter(|element_spec| element_spec.place == place)
                .map(|element_spec| element_spec.bytes());
            bytes.fold(0, u64::saturating_add).saturating_mul(times as u64)
        };
        let (host, device) =
            (sum(crate::stage::element_spec::MemoryKind::Host), sum(crate::stage::element_spec::MemoryKind::Device));
        if host > 0 || device > 0 {
            self.lines.push(MemoryLine { what: what.to_string(), how, host, device });
        }
    }
}

impl<C: StageContext> Graph<C> {
    /// The names of the stages, by the flows that they belong to.
    pub fn parts(&self) -> Vec<Vec<String>> {
        let mut part: Vec<usize> = (0..self.nodes().len()).collect();
        for index in 0..part.len() {
            for &input in self.inputs(index) {
                let (ours, theirs) = (part[index], part[input]);
                part.iter_mut().filter(|part| **part == theirs).for_each(|part| *part = ours);
            }
        }
        let mut names: std::collections::BTreeMap<usize, Vec<String>> = std::collections::BTreeMap::new();
        for (index, node) in self.nodes().iter().enumerate() {
            names.entry(part[index]).or_default().push(node.id.clone());
        }
        names.into_values().collect()
    }
}
