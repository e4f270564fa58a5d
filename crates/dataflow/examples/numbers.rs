//! A pipeline of plain numbers, with stages of one's own, from its file to its outcome.

use std::sync::{Arc, Mutex};

use trackflow_dataflow::failure::Result;
use trackflow_dataflow::settings::{Diagnostics, Node, Section};
use trackflow_dataflow::{
    Emitter, Kind, Payload, Port, RunOutcome, Shutdown, Source, Stage, StageConfig, StageContext, compile, pack, run,
    unpack,
};

/// Four workers square numbers; the sink gets them in the order of the source all the same.
const PIPELINE: &str = "\
name: squares
stages:
  numbers: { kind: count, options: { up_to: 1000 } }
  square: { kind: power, workers: 4, capacity: 8, options: { exponent: 2 } }
  total: { kind: sum }
";

/// What the run shares with its stages: here, where the result goes.
#[derive(Default)]
struct Kitchen {
    total: Arc<Mutex<u64>>,
}

impl StageContext for Kitchen {
    type Facts = ();
}

const NUMBERS: Port = Port::of::<u64>("numbers");

/// The table of kinds: what a pipeline file can name.
static KINDS: &[Kind<Kitchen>] = &[
    Kind {
        name: "count",
        description: "emits 1, 2, 3, …",
        input: None,
        parse: |options| Box::new(Count::parse(options)),
        ..POWER
    },
    POWER,
    Kind { name: "sum", description: "adds up", output: None, ordered: true, parse: |_| Box::new(Sum), ..POWER },
];

const POWER: Kind<Kitchen> = Kind {
    name: "power",
    description: "raises each number to a power",
    input: Some(NUMBERS),
    output: Some(NUMBERS),
    ordered: false,
    workers: 1,
    max_workers: 16,
    capacity: 4,
    parse: |options| Box::new(Power::parse(options)),
};

/// The source.
struct Count {
    next: u64,
    up_to: u64,
}

impl Count {
    fn parse(options: &mut Section<'_>) -> Self {
        Self { next: 1, up_to: options.describe("the last number").value("up_to", 10) }
    }
}

impl StageConfig<Kitchen> for Count {
    fn source(&self, _: &Kitchen) -> Result<Box<dyn Source>> {
        Ok(Box::new(Self { ..*self }))
    }
}

impl Source for Count {
    fn next(&mut self) -> Result<Option<Payload>> {
        let number = self.next;
        self.next += 1;
        Ok((number <= self.up_to).then(|| pack(number)))
    }
}

/// A stage of one's own: its options are its blueprint, and a worker is made of them for each thread.
#[derive(Clone)]
struct Power {
    exponent: u32,
}

impl Power {
    fn parse(options: &mut Section<'_>) -> Self {
        let range = |power: &u64| (*power > 64).then(|| "must be at most 64".to_string());
        let exponent = options.describe("the power").checked("exponent", 1u64, range);
        Self { exponent: u32::try_from(exponent).unwrap_or(64) }
    }
}

impl StageConfig<Kitchen> for Power {
    fn worker(&self, _: &Kitchen, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(self.clone()))
    }
}

impl Stage for Power {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        out.emit(pack(unpack::<u64>(payload)?.saturating_pow(self.exponent)));
        Ok(())
    }
}

/// The sink.
struct Sum;

struct Adder(Arc<Mutex<u64>>);

impl StageConfig<Kitchen> for Sum {
    fn worker(&self, kitchen: &Kitchen, _: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(Adder(Arc::clone(&kitchen.total))))
    }
}

impl Stage for Adder {
    fn process(&mut self, payload: Payload, _: &mut Emitter) -> Result<()> {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) += unpack::<u64>(payload)?;
        Ok(())
    }
}

/// Runs `pipeline`: the total, and what every stage and channel has done.
///
/// # Errors
/// All mistakes of the file, or the failure of a stage.
pub fn total(pipeline: &str) -> Result<(u64, RunOutcome)> {
    let graph = compile(&Diagnostics::new(), &Node::parse("numbers.yaml", pipeline)?, KINDS)?;
    let kitchen = Arc::new(Kitchen::default());
    let outcome = run(&graph, &kitchen, Shutdown::new());
    outcome.result.clone()?;
    let total = *kitchen.total.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    Ok((total, outcome))
}

/// Runs the pipeline above, and one with mistakes.
///
/// # Errors
/// As [`total`].
pub fn main() -> Result<()> {
    let (total, outcome) = total(PIPELINE)?;
    println!("1² + 2² + … + 1000² = {total}");
    for stage in &outcome.stages {
        println!("{}: {} taken, {} emitted", stage.id, stage.taken, stage.emitted);
    }
    let mistaken = PIPELINE.replace("exponent", "exponnent").replace("kind: sum", "kind: som");
    if let Err(mistakes) = self::total(&mistaken) {
        println!("\nthe same with two mistakes:\n{mistakes}");
    }
    Ok(())
}
