//! `checkpoint inspect`.

use super::{compare::Fit, module, shape, size};
use crate::{
    failure::{Failure, Result},
    train::{
        checkpoint::{self, Metadata},
        pretrained::{self, Source},
    },
    weights::{Choice, TensorEntry, WeightsFile, dtype_name, one_line},
};
use clap::Args;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fs::File, io::Read, path::Path, path::PathBuf};

/// `trackflow checkpoint inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A file of weights: .safetensors, .pth, .pth.tar, .pt
    file: PathBuf,
    /// The key of the weights in the file, for example teacher or model.state_dict; `.` is the whole file
    #[arg(long)]
    key: Option<String>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Compare with the model of this experiment
    #[arg(long)]
    config: Option<String>,
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE", requires = "config")]
    set: Vec<String>,
}

/// A module's tensors.
struct Module<'a> {
    name: &'a str,
    entries: Vec<&'a TensorEntry>,
}

impl Module<'_> {
    fn elements(&self) -> u64 {
        self.entries.iter().map(|entry| entry.elements()).sum()
    }

    fn dtypes(&self) -> String {
        let mut names: Vec<&str> = self.entries.iter().map(|entry| dtype_name(entry.kind)).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

/// Everything that is told of a file.
struct Facts<'a> {
    file: &'a WeightsFile,
    sha256: String,
    choice: Choice<'a>,
    /// Whose they are and what stands before their names, or why that cannot be told.
    recognised: std::result::Result<(Source, String), String>,
    metadata: Option<Metadata>,
    fit: Option<Fit>,
    modules: Vec<Module<'a>>,
}

pub(super) fn inspect(args: &InspectArgs) -> Result<i32> {
    let choice = Choice::option(args.key.as_deref());
    let file = WeightsFile::choose(&args.file, choice)?;
    // A checkpoint of ours is read for its checksum.
    let metadata = checkpoint::header(&file)?.map(|(_, metadata)| metadata);
    if metadata.is_some() {
        checkpoint::read_some(&args.file, |_| false)?;
    } else {
        file.entries().iter().try_for_each(|entry| file.load(entry).map(|_| ()))?;
    }
    let fit = args
        .config
        .as_deref()
        .map(|config| Fit::of(&args.file, choice, &args.script, config, &args.set))
        .transpose()?;
    let names: Vec<&str> = file.entries().iter().map(|entry| entry.name.as_str()).collect();
    let mut modules: Vec<Module<'_>> = Vec::new();
    for entry in file.entries() {
        let name = module(&entry.name);
        match modules.iter_mut().find(|module| module.name == name) {
            Some(module) => module.entries.push(entry),
            None => modules.push(Module { name, entries: vec![entry] }),
        }
    }
    modules.sort_by_key(|module| module.name);
    let recognised = pretrained::recognise(&names, choice);
    let facts = Facts { sha256: sha256(&args.file)?, choice, recognised, metadata, fit, modules, file: &file };
    match args.json {
        true => crate::telemetry::log::data(facts.json()),
        false => facts.print(),
    }
    Ok(facts.fit.is_some_and(|fit| !fit.fits()).into())
}

fn sha256(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| Failure::input(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

impl Facts<'_> {
    fn print(&self) {
        let file = self.file;
        say!("{}", file.path().display());
        say!("form      {}, {}", file.container(), size(file.size()));
        say!("sha256    {}", self.sha256);
        let under = match file.wrapper() {
            [] => String::new(),
            keys => format!(", under {}", one_line(&keys.join("."))),
        };
        match &self.recognised {
            Ok((source, prefix)) if prefix.is_empty() => say!("weights   of {source}{under}"),
            Ok((source, prefix)) => say!("weights   of {source}{under}, their names after {}", one_line(prefix)),
            Err(why) if why.starts_with("holds several") => say!("weights   {}{under}", one_line(why)),
            Err(_) => say!("weights   of an unknown model{under}"),
        }
        for other in file.others() {
            let remedy = self.choice.remedy(&other.key);
            say!("          {} other tensors are under {}: {remedy}", other.tensors, one_line(&other.key));
        }
        if let Some(metadata) = &self.metadata {
            let Metadata { experiment, epoch, step, position, seed, program, format, .. } = metadata;
            say!("training  {experiment}: epoch {}, step {step}, batch {position}, seed {seed}", epoch + 1);
            let checksum = if *format > 1 { "its checksum matches" } else { "without a checksum" };
            say!("          written by trackflow {program}, format {format}, {checksum}");
        } else {
            for note in file.notes() {
                say!("also      {}: {}", note.key, note.what);
            }
        }
        for module in &self.modules {
            say!();
            let (count, elements) = (module.entries.len(), grouped(module.elements()));
            say!("{}: {count} tensors, {elements} numbers, {}", module.name, module.dtypes());
            for entry in &module.entries {
                say!("  {:<56} {:<20} {}", entry.name, shape(&entry.shape), dtype_name(entry.kind));
            }
        }
        let total: u64 = self.modules.iter().map(Module::elements).sum();
        say!();
        say!("{} tensors, {} numbers", file.entries().len(), grouped(total));
        if let Some(fit) = &self.fit {
            say!();
            fit.print();
        }
    }

    fn json(&self) -> Value {
        let file = self.file;
        let tensors: Vec<Value> = file
            .entries()
            .iter()
            .map(|entry| json!({"name": entry.name, "shape": entry.shape, "dtype": dtype_name(entry.kind)}))
            .collect();
        let modules: serde_json::Map<String, Value> = self
            .modules
            .iter()
            .map(|module| {
                let facts = json!({"tensors": module.entries.len(), "numbers": module.elements()});
                (module.name.to_string(), facts)
            })
            .collect();
        let also: serde_json::Map<String, Value> =
            file.notes().iter().map(|note| (note.key.clone(), note.what.clone().into())).collect();
        let training = self.metadata.as_ref().map(|metadata| {
            json!({
                "experiment": metadata.experiment, "epoch": metadata.epoch + 1, "step": metadata.step,
                "position": metadata.position, "seed": metadata.seed, "program": metadata.program, "format": metadata.format,
                "checksum": if metadata.format > 1 { "matches" } else { "none" },
            })
        });
        json!({
            "file": file.path().display().to_string(),
            "form": file.container().to_string(),
            "bytes": file.size(),
            "sha256": self.sha256,
            "source": self.recognised.as_ref().ok().map(|(source, _)| source.to_string()),
            "under": file.wrapper(),
            "others": file.others().iter().map(|other| (other.key.clone(), other.tensors.into())).collect::<serde_json::Map<_, _>>(),
            "training": training,
            "also": if self.metadata.is_some() { Value::Null } else { also.into() },
            "modules": modules,
            "tensors": tensors,
            "fit": self.fit.as_ref().map(Fit::json),
        })
    }
}

/// `120 809 738`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}
