//! Measures a pipeline file: how fast it is, and how long its stages are busy.

use super::TuneArgs;
use crate::{
    failure::{Failure, Result},
    flow::{Run, Settings, Shutdown, compile, sim, to_nobody},
    settings::{Diagnostics, Node},
};
use serde_json::Value;
use std::{path::PathBuf, process::Command, sync::Arc};

/// What a run showed.
pub(super) struct Measured {
    /// Items that the sources took.
    pub items: u64,
    /// Items a second.
    pub rate: f64,
    /// What each stage has cost alone; empty unless that was measured.
    pub isolated_cost: Vec<Cost>,
}

/// What a stage has cost in a run in which one stage worked at a time.
pub(super) struct Cost {
    pub stage: String,
    /// Seconds inside its code.
    pub wall: f64,
    /// Seconds of processor time.
    pub processor: f64,
}

/// How stages work while they are measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// All at the same time, as in any run.
    Together,
    /// One at a time.
    Isolated,
}

/// What is measured.
pub(super) enum Target {
    /// Stages that sleep.
    Simulated,
    /// A training run of some steps, in a process of its own.
    Training { arguments: Vec<String>, home: Home },
}

/// A folder for the runs, which goes with them; scenes that an experiment makes are made once.
pub(super) struct Home(PathBuf);

impl Drop for Home {
    fn drop(&mut self) {
        // It is a temporary folder: what stays is removed by the system.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Target {
    /// Training with the experiment `config`.
    ///
    /// # Errors
    /// This program cannot be found.
    pub fn training(args: &TuneArgs, config: &str) -> Result<Self> {
        let home = std::env::temp_dir().join(format!("trackflow-tune-{}", std::process::id()));
        let mut arguments: Vec<String> = [
            "train",
            "--script",
            &args.script,
            "--config",
            config,
            "--resume",
            "never",
            "--metrics",
            "127.0.0.1:0",
            "--device",
            &args.device,
            "--max_steps",
            &args.steps.to_string(),
        ]
        .map(String::from)
        .to_vec();
        if let Some(data_dir) = &args.data_dir {
            arguments.extend(["--data_dir".to_string(), data_dir.display().to_string()]);
        }
        // Validation would be measured as well, and it is not what takes the time of a run.
        for key in ["TRAIN.VAL_BEFORE=false", "TRAIN.VAL_EPOCH_INTERVAL=1000000"] {
            arguments.extend(["--set".into(), key.into()]);
        }
        arguments.extend(args.set.iter().flat_map(|set| ["--set".to_string(), set.clone()]));
        Ok(Self::Training { arguments, home: Home(home) })
    }

    /// Whether the stages compute, and so share the machine's cores.
    pub fn shares_cores(&self) -> bool {
        matches!(self, Self::Training { .. })
    }

    /// Runs the pipeline in `text`.
    ///
    /// # Errors
    /// The run fails.
    pub fn measure(&self, text: &str, how: How) -> Result<Measured> {
        match self {
            Self::Simulated => simulated(text, how),
            Self::Training { arguments, home } => training(text, how, arguments, &home.0),
        }
    }
}

fn simulated(text: &str, how: How) -> Result<Measured> {
    let graph = compile(&Diagnostics::new(), &Node::parse("(tuned)", text)?, sim::KINDS)?;
    let sim = sim::Sim::default();
    sim.valve.open();
    let settings = Settings { notify: to_nobody(), one_at_a_time: how == How::Isolated, ..Settings::default() };
    let outcome = Run::build_with(&graph, &Arc::new(sim), Shutdown::new(), settings)?.join();
    outcome.result?;
    let sources = outcome.stages.iter().filter(|stage| stage.inputs.is_empty());
    let items = sources.map(|stage| stage.taken).sum();
    Ok(Measured {
        items,
        rate: items as f64 / outcome.wall.as_secs_f64().max(1e-9),
        isolated_cost: outcome
            .stages
            .iter()
            .filter_map(|stage| {
                let isolated_cost = stage.isolated_cost?;
                let (wall, processor) = (isolated_cost.wall.as_secs_f64(), isolated_cost.processor.as_secs_f64());
                Some(Cost { stage: stage.id.clone(), wall, processor })
            })
            .collect(),
    })
}

fn training(text: &str, how: How, arguments: &[String], home: &std::path::Path) -> Result<Measured> {
    let failed = |error: &dyn std::fmt::Display| Failure::output(format!("{}: {error}", home.display()));
    std::fs::create_dir_all(home).map_err(|error| failed(&error))?;
    let (pipeline, out) = (home.join("pipeline.yaml"), home.join("out"));
    std::fs::write(&pipeline, text).map_err(|error| failed(&error))?;
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let output = Command::new(program)
        .args(arguments)
        .arg("--pipeline")
        .arg(&pipeline)
        .arg("--save_dir")
        .arg(&out)
        .args((how == How::Isolated).then_some("--one_at_a_time"))
        .output()
        .map_err(|error| failed(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).replace("error: ", "");
        return Err(Failure::stage(format!("a measured run failed:\n{}", said.trim())));
    }
    let read = std::fs::read_to_string(out.join("load.json")).map_err(|error| failed(&error))?;
    let load: Value = serde_json::from_str(&read).map_err(|error| failed(&error))?;
    let stages = load["stages"].as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let sources = stages.iter().filter(|stage| stage["inputs"].as_array().is_some_and(Vec::is_empty));
    let items = sources.map(|stage| stage["taken"].as_u64().unwrap_or(0)).sum::<u64>();
    Ok(Measured {
        items,
        rate: items as f64 / number(&load["wall_seconds"]).max(1e-9),
        isolated_cost: stages
            .iter()
            .filter(|_| how == How::Isolated)
            .map(|stage| Cost {
                stage: stage["id"].as_str().unwrap_or_default().to_string(),
                wall: number(&stage["alone_seconds"]),
                processor: number(&stage["alone_processor_seconds"]),
            })
            .collect(),
    })
}
