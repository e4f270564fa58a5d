//! `trackflow validate`: finds every mistake before anything runs, and prints the plan.

use super::table::{self, AnyGraph};
use crate::{
    failure::{Failure, FailureKind, Result},
    flow::{Graph, StageContext, human_bytes},
    session::{
        check::{self, Checked},
        find,
        memory::{Needs, misfit},
        sets::check_data,
    },
    settings::{Diagnostics, Origin},
    stages::{Facts, RunContext},
    telemetry::{log, machine::Machine},
    track::Options,
    train::{device::DeviceChoice, experiment::Experiment, memory::step_memory, network},
};
use clap::Args;
use std::path::PathBuf;

mod memory;

/// `trackflow validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment: configs/<script>/<CONFIG>.yaml, or a path that ends in .yaml; without one, shapes and memory are not
    /// checked
    #[arg(long)]
    config: Option<String>,
    /// Pipeline: pipelines/<PIPELINE>.yaml, or a path that ends in .yaml
    #[arg(long, default_value = "train")]
    pipeline: String,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Also open the data sets below this folder and check them
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Warnings are errors
    #[arg(long = "deny_warnings", alias = "deny-warnings")]
    deny_warnings: bool,
}

/// Everything that was found.
#[derive(Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
    /// Weights that are not on this machine.
    missing: Option<String>,
    /// The kind of the first error that is not about settings.
    kind: Option<FailureKind>,
}

impl Findings {
    fn fail(&mut self, failure: Failure) {
        if failure.kind != FailureKind::Config {
            self.kind.get_or_insert(failure.kind);
        }
        self.errors.extend(failure.message.lines().map(str::to_string));
    }

    fn take(&mut self, diagnostics: &Diagnostics) {
        self.errors.extend(diagnostics.problems().iter().map(find::show));
        self.warnings.extend(diagnostics.warnings().iter().map(find::show));
    }
}

/// Checks and prints.
///
/// # Errors
/// Everything that is wrong, all at once; also the warnings when these are denied.
pub fn validate(args: &ValidateArgs) -> Result<()> {
    let mut found = Findings::default();
    let machine = Machine::here();
    let experiment = args.config.as_ref().and_then(|config| experiment(args, config, &mut found));
    let diagnostics = Diagnostics::new();
    let graph = match find::pipeline(&args.pipeline) {
        Ok(file) => table::compile(&diagnostics, &file),
        Err(failure) => {
            found.fail(failure);
            None
        }
    };
    let facts = experiment.map(|experiment| Facts {
        experiment,
        on_accelerator: args.device.open().is_ok_and(|device| device.is_cuda()),
    });
    match &graph {
        Some(AnyGraph::Training(graph)) => {
            check::pipeline(&diagnostics, graph, facts.as_ref());
            look(&diagnostics, graph, facts.as_ref(), &machine);
            if facts.is_some() {
                check_trains(&diagnostics, graph);
            }
        }
        Some(AnyGraph::Simulated(graph)) => {
            graph.check_element_specs(&diagnostics, &());
            look(&diagnostics, graph, Some(&()), &machine);
        }
        None => {}
    }
    found.take(&diagnostics);
    // As in training, data that is named stands in for scenes that would be made.
    if let (Some(facts), Some(data_dir), true) = (&facts, &args.data_dir, found.errors.is_empty()) {
        match check_data(&facts.experiment, data_dir) {
            Ok([notes, warnings]) => {
                notes.iter().for_each(|note| println!("{note}"));
                found.warnings.extend(warnings);
            }
            Err(failure) => found.fail(failure),
        }
    }
    let own = match (&facts, &graph) {
        (Some(facts), Some(AnyGraph::Training(graph))) if found.errors.is_empty() && has(graph, "step") => {
            step_memory(&facts.experiment, facts.on_accelerator).map_err(|failure| found.fail(failure)).ok()
        }
        _ => None,
    };
    let needs = Needs { step: own.as_ref(), on_gpu: facts.as_ref().is_some_and(|facts| facts.on_accelerator) };
    let misfit = match (&facts, &graph, machine.memory_total()) {
        (Some(facts), Some(AnyGraph::Training(graph)), Some(ram)) => {
            misfit(&facts.experiment, needs, &graph.memory(facts, machine.cores), ram)
        }
        _ => None,
    };
    found.warnings.extend(misfit.iter().map(|misfit| format!("memory: {misfit}")));
    found.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    if found.errors.is_empty() {
        match &graph {
            Some(AnyGraph::Training(graph)) => print(graph, facts.as_ref(), &machine, needs),
            Some(AnyGraph::Simulated(graph)) => print(graph, Some(&()), &machine, needs),
            None => {}
        }
    }
    let denied = args.deny_warnings && !found.warnings.is_empty();
    if denied && found.errors.is_empty() {
        found.errors.push(format!("{} and --deny_warnings is given", count(found.warnings.len(), "warning")));
    }
    if found.errors.is_empty() {
        println!("\n{}", verdict(args, facts.as_ref(), &found, misfit.as_deref()));
        return Ok(());
    }
    // The verdict is the last line, and no error itself.
    log::error(&found.errors.join("\n"));
    eprintln!("verdict: will not run; mend what is named above");
    Err(Failure::new(found.kind.unwrap_or(FailureKind::Config), String::new()))
}

/// What will happen, in one line.
fn verdict(args: &ValidateArgs, facts: Option<&Facts>, found: &Findings, misfit: Option<&str>) -> String {
    let Some(Facts { experiment, on_accelerator }) = facts else {
        return "verdict: the pipeline is sound; --config NAME checks it with an experiment".into();
    };
    let training = &experiment.training;
    let device = if *on_accelerator { "a GPU" } else { "the CPU" };
    let what = format!(
        "{} in {} on {device}",
        count(training.epochs(), "epoch"),
        format_args!("batches of {}", count(training.batch_size, "clip"))
    );
    let data = match (&args.data_dir, &experiment.data.synth) {
        (Some(_), _) => "its data was opened and is sound",
        (None, Some(_)) => "its scenes are made when it starts",
        (None, None) => "its data was not looked at (--data_dir DIR does)",
    };
    let said = usize::from(misfit.is_some()) + usize::from(misfit.is_none() && found.missing.is_some());
    let warned = match found.warnings.len() - said {
        0 => String::new(),
        warnings => format!("; {} above", count(warnings, "warning")),
    };
    match misfit {
        None if found.missing.is_some() => {
            let missing = found.missing.as_deref().unwrap_or_default();
            format!("verdict: will not start here: {missing}; otherwise sound, {data}{warned}")
        }
        Some(misfit) => format!("verdict: does not fit: {misfit}; otherwise sound, {data}{warned}"),
        None => format!("verdict: will run: {what}; {data}{warned}"),
    }
}

/// Whether the pipeline has a stage of this kind.
fn has(graph: &Graph<RunContext>, kind: &str) -> bool {
    graph.nodes().iter().any(|node| node.kind.name == kind)
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn experiment(args: &ValidateArgs, config: &str, found: &mut Findings) -> Option<Experiment> {
    let node = find::experiment(&args.script, config, &args.set).map_err(|failure| found.fail(failure)).ok()?;
    let Checked { experiment, is_read, problems, warnings, missing } = check::experiment(&node);
    found.warnings.extend(warnings);
    if !is_read {
        problems.into_iter().for_each(|failure| found.fail(failure));
        return None;
    }
    experiment.notes.iter().chain([&experiment.trains]).for_each(|line| println!("{line}"));
    let file = &node.origin.source;
    problems.into_iter().for_each(|failure| found.fail(failure.within(file)));
    if let Err(failure) = Options::of(&experiment, &network::config(&experiment)) {
        found.warnings.push(format!("{file}: the online tracker cannot start with this: {failure}"));
    }
    // They may be where the run will be.
    if let Some(failure) = missing {
        found.warnings.push(format!("{file}: {failure}"));
        found.missing = Some(failure.to_string());
    }
    Some(experiment)
}

/// What only a whole graph shows.
fn look<C: StageContext>(diagnostics: &Diagnostics, graph: &Graph<C>, facts: Option<&C::Facts>, machine: &Machine) {
    let first =
        graph.nodes().iter().find_map(|node| node.origin.clone()).unwrap_or_else(|| Origin::whole(graph.name()));
    let file = Origin::whole(&first.source);
    let threads: usize =
        graph.nodes().iter().filter(|node| node.kind.worker_limit() > 1).map(|node| node.workers).sum();
    // Workers that read files wait for a good part of their time.
    if threads > (4 * machine.cores).max(8) {
        let message = format!("{threads} workers share {}; fewer would do as much", count(machine.cores, "core"));
        diagnostics.warn(&file, "stages", message);
    }
    let apart = graph.parts();
    if apart.len() > 1 {
        let names: Vec<String> = apart.iter().map(|part| part.join(" + ")).collect();
        diagnostics.warn(
            &file,
            "stages",
            format!("the stages are {} flows that do not meet: {}", apart.len(), names.join("; ")),
        );
    }
    let Some(facts) = facts else { return };
    let memory = graph.memory(facts, machine.cores);
    if let Some(ram) = machine.memory_total() {
        let (most, ram_text) = (memory.host(), human_bytes(ram));
        let most_text = human_bytes(most);
        let worst = memory.lines.iter().max_by_key(|line| line.host);
        let worst = worst.map_or(String::new(), |line| format!("; most of it: {} ({})", line.what, line.how));
        if most > ram {
            let remedy = "lower capacities or workers";
            diagnostics.report(
                &file,
                "stages",
                format!("can need {most_text}, the machine has {ram_text}{worst}; {remedy}"),
            );
        } else if most > ram / 10 * 7 {
            diagnostics.warn(&file, "stages", format!("queued data can need {most_text} of {ram_text}{worst}"));
        }
    }
}

/// A pipeline for training has a step, and then someone who keeps what it learns.
fn check_trains(diagnostics: &Diagnostics, graph: &Graph<RunContext>) {
    let step = graph.nodes().iter().find(|node| node.kind.name == "step");
    if let Some(origin) = step.and_then(|step| step.origin.as_ref())
        && !has(graph, "checkpoint")
    {
        diagnostics.warn(origin, "stages", "nothing writes checkpoints: what is learnt will be lost");
    }
}

fn print<C: StageContext>(graph: &Graph<C>, facts: Option<&C::Facts>, machine: &Machine, needs: Needs<'_>) {
    let plan = graph.plan(machine.cores);
    let threads: usize = plan.iter().map(|line| line.workers).sum();
    println!(
        "pipeline {}: {} in {} on {}",
        graph.name(),
        count(plan.len(), "stage"),
        count(threads, "thread"),
        count(machine.cores, "core")
    );
    println!();
    println!(
        "  {:<16} {:<14} {:>7}  {:<8} {:>12}  output channel",
        "stage", "kind", "threads", "order", "max_failures"
    );
    let element_specs = facts.map(|facts| graph.element_specs(facts));
    for (index, line) in plan.iter().enumerate() {
        let workers = if line.auto { format!("{}, auto", line.workers) } else { line.workers.to_string() };
        let order = if line.ordered { "in order" } else { "any" };
        let order = if line.inputs.is_empty() { "-" } else { order };
        let failures = if line.max_failures > 0 { line.max_failures.to_string() } else { "-".into() };
        let output = line.output.map_or("-".to_string(), |(capacity, name)| {
            let form = element_specs
                .as_ref()
                .and_then(|element_specs| element_specs[index].as_ref())
                .filter(|form| !form.parts.is_empty());
            form.map_or(format!("{capacity} {name}"), |form| format!("{capacity} {name}: {form}"))
        });
        println!("  {:<16} {:<14} {workers:>7}  {order:<8} {failures:>12}  {output}", line.id, line.kind);
    }
    println!();
    let Some(facts) = facts else {
        println!("memory: --config NAME shows shapes and the peak memory of queued data");
        return;
    };
    let memory = graph.memory(facts, machine.cores);
    let of = machine.memory_total().map_or(String::new(), |ram| format!(" of {}", human_bytes(ram)));
    let device =
        if memory.device() > 0 { format!(", {} on the device", human_bytes(memory.device())) } else { String::new() };
    println!("peak memory of queued data: {}{of}{device}", human_bytes(memory.host()));
    for line in &memory.lines {
        println!("  {:<26} {:<24} {:>10}", line.what, line.how, human_bytes(line.host + line.device));
    }
    if !memory.unknown.is_empty() {
        println!("  not counted, size unknown: what {} emit", memory.unknown.join(", "));
    }
    memory::print(needs, &memory, machine.memory_total());
}
