//! `checkpoint diff`.

use super::{module, shape};
use crate::{
    failure::Result,
    weights::{Choice, TensorEntry, WeightsFile, dtype_name},
};
use clap::Args;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use tch::{Kind, Tensor};

/// `trackflow checkpoint diff`.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// A file of weights
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    b: PathBuf,
    /// The key of the weights in both files, for example teacher or model.state_dict; `.` is the whole file
    #[arg(long)]
    key: Option<String>,
    /// The key of those in B, where it is another one: a file can be compared with itself
    #[arg(long = "key_b", alias = "key-b", value_name = "KEY")]
    key_b: Option<String>,
    /// Numbers that differ by no more than this are the same
    #[arg(long, default_value_t = 0.0)]
    tolerance: f64,
    /// List every tensor that differs, not only the first 20 of each sort
    #[arg(long)]
    all: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

const MOST_LISTED: usize = 20;

/// How far the numbers of two tensors lie apart.
#[derive(Clone, Copy, Debug, Default)]
struct Distance {
    largest: f64,
    mean: f64,
}

impl Distance {
    /// NaN equals NaN here; where only one of two numbers is NaN, they lie infinitely far apart.
    fn between(a: &Tensor, b: &Tensor) -> Result<Self> {
        if a.numel() == 0 {
            return Ok(Self::default());
        }
        let (a, b) = (a.f_to_kind(Kind::Double)?, b.f_to_kind(Kind::Double)?);
        let same = a.f_eq_tensor(&b)?.f_logical_or(&a.f_isnan()?.f_logical_and(&b.f_isnan()?)?)?;
        let apart = (&a - &b).f_abs()?.f_nan_to_num(f64::INFINITY, f64::INFINITY, f64::INFINITY)?;
        let apart = apart.f_masked_fill(&same, 0.0)?;
        Ok(Self { largest: apart.f_max()?.double_value(&[]), mean: apart.f_mean(Kind::Double)?.double_value(&[]) })
    }
}

#[derive(Default)]
struct Differences {
    only_a: Vec<String>,
    only_b: Vec<String>,
    /// Name, and both shapes or types.
    other: Vec<(String, String, String)>,
    apart: Vec<(String, Distance)>,
    compared: BTreeMap<String, Vec<Distance>>,
}

pub(super) fn diff(args: &DiffArgs) -> Result<i32> {
    let key = args.key.as_deref();
    let a = WeightsFile::choose(&args.a, Choice::option(key))?;
    let b =
        WeightsFile::choose(&args.b, Choice { option: "--key_b ", ..Choice::option(args.key_b.as_deref().or(key)) })?;
    let by_name = |file: &'_ WeightsFile| -> BTreeMap<String, TensorEntry> {
        file.entries().iter().map(|entry| (entry.name.clone(), entry.clone())).collect()
    };
    let (in_a, in_b) = (by_name(&a), by_name(&b));
    let mut found = Differences::default();
    for name in in_a.keys().chain(in_b.keys()).collect::<BTreeSet<_>>() {
        match (in_a.get(name), in_b.get(name)) {
            (Some(_), None) => found.only_a.push(name.clone()),
            (None, Some(_)) => found.only_b.push(name.clone()),
            (Some(left), Some(right)) if left.shape != right.shape => {
                found.other.push((name.clone(), shape(&left.shape), shape(&right.shape)));
            }
            (Some(left), Some(right)) => {
                if left.kind != right.kind {
                    found.other.push((name.clone(), dtype_name(left.kind).into(), dtype_name(right.kind).into()));
                }
                let distance = Distance::between(&a.load(left)?, &b.load(right)?)?;
                found.compared.entry(module(name).to_string()).or_default().push(distance);
                if distance.largest > args.tolerance {
                    found.apart.push((name.clone(), distance));
                }
            }
            (None, None) => {}
        }
    }
    match args.json {
        true => crate::telemetry::log::data(found.json()),
        false => found.print(args),
    }
    Ok((!found.none()).into())
}

impl Differences {
    fn none(&self) -> bool {
        self.only_a.is_empty() && self.only_b.is_empty() && self.other.is_empty() && self.apart.is_empty()
    }

    /// For each module: tensors compared, how many lie apart, the largest and the mean distance.
    fn modules(&self) -> impl Iterator<Item = (&str, usize, usize, Distance)> {
        self.compared.iter().map(|(name, distances)| {
            let apart = self.apart.iter().filter(|(tensor, _)| module(tensor) == name).count();
            let largest = distances.iter().map(|distance| distance.largest).fold(0.0, f64::max);
            let mean = distances.iter().map(|distance| distance.mean).sum::<f64>() / distances.len() as f64;
            (name.as_str(), distances.len(), apart, Distance { largest, mean })
        })
    }

    fn print(&self, args: &DiffArgs) {
        let most = if args.all { usize::MAX } else { MOST_LISTED };
        let list = |title: &str, lines: Vec<String>| {
            if lines.is_empty() {
                return;
            }
            say!("{title}: {}", lines.len());
            lines.iter().take(most).for_each(|line| say!("  {line}"));
            if lines.len() > most {
                say!("  … and {} more (--all)", lines.len() - most);
            }
        };
        list(&format!("only in {}", args.a.display()), self.only_a.clone());
        list(&format!("only in {}", args.b.display()), self.only_b.clone());
        list("other shape or type", self.other.iter().map(|(name, a, b)| format!("{name}: {a}, {b}")).collect());
        let mut apart: Vec<&(String, Distance)> = self.apart.iter().collect();
        apart.sort_by(|x, y| y.1.largest.total_cmp(&x.1.largest));
        let line = |(name, distance): &(String, Distance)| {
            format!("{name:<56} largest {:.3e}, mean {:.3e}", distance.largest, distance.mean)
        };
        list("other numbers", apart.into_iter().map(line).collect());
        say!("module                  tensors   differ   largest      mean");
        for (name, tensors, apart, distance) in self.modules() {
            say!("{name:<22} {tensors:>8} {apart:>8}   {:.3e}   {:.3e}", distance.largest, distance.mean);
        }
        say!("{}", if self.none() { "the same" } else { "different" });
    }

    fn json(&self) -> Value {
        // JSON has no infinity.
        let number = |value: f64| if value.is_finite() { json!(value) } else { json!("inf") };
        let other: Vec<Value> = self.other.iter().map(|(name, a, b)| json!({"name": name, "a": a, "b": b})).collect();
        let apart: Vec<Value> = self
            .apart
            .iter()
            .map(|(name, d)| json!({"name": name, "largest": number(d.largest), "mean": number(d.mean)}))
            .collect();
        let modules: serde_json::Map<String, Value> = self
            .modules()
            .map(|(name, tensors, apart, d)| {
                let facts = json!({
                    "tensors": tensors, "differ": apart, "largest": number(d.largest), "mean": number(d.mean),
                });
                (name.to_string(), facts)
            })
            .collect();
        json!({
            "same": self.none(), "only_a": self.only_a, "only_b": self.only_b, "other": other, "apart": apart,
            "modules": modules,
        })
    }
}
