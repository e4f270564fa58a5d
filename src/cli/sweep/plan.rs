//! The file of a sweep: which settings, with which seeds.
//!
//! ```yaml
//! config: demo                     # of configs/<script>/, as for `train --config`
//! seeds: [1, 2, 3]
//! set: {TRAIN.EPOCH: 7}            # for all runs
//! arms:                            # settings by name
//!   no class head: {MODEL.CLS_HEAD.NUM_CLASSES: 0}
//!   class head: {}
//! grid: {TRAIN.CLS_WEIGHT: [0.1, 2]}   # each arm with each of these; without `arms`, these alone
//! baseline: no class head          # what the others are compared with (default: the first)
//! ```

use crate::{
    failure::Result,
    settings::{Diagnostics, KeyValue, Node, Section, Value},
};
use std::path::Path;

/// A sweep.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// What its folder is called: the file's name without its ending.
    pub name: String,
    pub script: String,
    pub config: String,
    pub pipeline: String,
    pub seeds: Vec<u64>,
    pub arms: Vec<Arm>,
    /// The arm that the others are compared with.
    pub baseline: usize,
}

/// One setting of keys, run with every seed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arm {
    pub name: String,
    /// `KEY.PATH=VALUE`, as for `train --set`.
    pub set: Vec<String>,
}

impl Plan {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It cannot be read, or anything is wrong in it, all at once.
    pub fn read(path: &Path) -> Result<Self> {
        let node = crate::session::find::file(path)?;
        let diagnostics = Diagnostics::new();
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let plan = Self::from(&diagnostics, &node, name);
        crate::session::find::finish(&diagnostics)?;
        Ok(plan)
    }

    fn from(diagnostics: &Diagnostics, node: &Node, name: String) -> Self {
        let mut file = Section::root(diagnostics, node);
        let script = file.describe("Family of experiments: configs/<script>/").value("script", "hiptrack".to_string());
        let config = file.describe("The experiment: configs/<script>/<config>.yaml, or a path").required("config");
        let pipeline =
            file.describe("The pipeline: pipelines/<pipeline>.yaml, or a path").value("pipeline", "train".into());
        let seeds: Vec<u64> = file.describe("Each setting is run with each of these").required("seeds");
        if seeds.is_empty() && file.has("seeds") {
            file.problem("seeds", "empty; give at least one seed");
        }
        if let Some(twice) = seeds.iter().enumerate().find_map(|(i, seed)| seeds[..i].contains(seed).then_some(seed)) {
            file.problem("seeds", format!("{twice} is there twice; runs with one seed are the same run"));
        }
        let common = keys(&file.section("set"));
        let named = named(file.section("arms"));
        let grid = grid(file.section("grid"));
        let baseline: Option<String> = file.describe("The arm that the others are compared with").optional("baseline");
        let mut arms = Vec::new();
        for (name, set) in if named.is_empty() { vec![(String::new(), Vec::new())] } else { named } {
            for (point, more) in &grid {
                let words: Vec<&str> =
                    [name.as_str(), point.as_str()].into_iter().filter(|word| !word.is_empty()).collect();
                let name = if words.is_empty() { "as it is".to_string() } else { words.join(", ") };
                arms.push(Arm { name, set: [common.clone(), set.clone(), more.clone()].concat() });
            }
        }
        let place = |name: &String| arms.iter().position(|arm| arm.name == *name);
        let found = baseline.as_ref().map_or(Some(0), place);
        if found.is_none() {
            let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
            file.problem("baseline", format!("no such arm; there are: {}", names.join("; ")));
        }
        file.close();
        Self { name, script, config, pipeline, seeds, arms, baseline: found.unwrap_or_default() }
    }
}

/// `KEY=VALUE` for every entry.
fn keys(section: &Section<'_>) -> Vec<String> {
    let entries = section.entries();
    entries.iter().filter_map(|entry| assignment(section, entry)).collect()
}

fn assignment(section: &Section<'_>, entry: &KeyValue) -> Option<String> {
    match flow(&entry.node) {
        Some(value) => Some(format!("{}={value}", entry.key)),
        None => {
            let what = "a mapping cannot be set as a whole; name each key by its path, as in TRAIN.LR";
            section.diagnostics().report(&entry.node.origin, &format!("{}.{}", section.path(), entry.key), what);
            None
        }
    }
}

fn named(section: Section<'_>) -> Vec<(String, Vec<String>)> {
    let arm = |entry: &KeyValue| {
        let path = format!("{}.{}", section.path(), entry.key);
        let keys = keys(&Section::at(section.diagnostics(), &path, Some(&entry.node), &entry.origin));
        (entry.key.clone(), keys)
    };
    section.entries().iter().map(arm).collect()
}

/// All choices of one value for each key, in the order of the file, with what they are called.
fn grid(section: Section<'_>) -> Vec<(String, Vec<String>)> {
    let mut points = vec![(String::new(), Vec::new())];
    for entry in section.entries() {
        let path = format!("{}.{}", section.path(), entry.key);
        let Value::List(values) = &entry.node.value else {
            section.diagnostics().report(&entry.node.origin, &path, "expected a list of values to try, as in [0.1, 2]");
            continue;
        };
        if values.is_empty() {
            section.diagnostics().report(&entry.node.origin, &path, "empty; give at least one value to try");
        }
        let short = entry.key.rsplit('.').next().unwrap_or(&entry.key);
        let mut next = Vec::new();
        for (name, set) in &points {
            for value in values {
                let Some(value) = flow(value) else {
                    section.diagnostics().report(&entry.node.origin, &path, "expected values, found a mapping");
                    continue;
                };
                let words = if name.is_empty() { String::new() } else { format!("{name}, ") };
                let set = [set.clone(), vec![format!("{}={value}", entry.key)]].concat();
                next.push((format!("{words}{short}={value}"), set));
            }
        }
        points = next;
    }
    points
}

/// A value as it is written on a command line; `None` for mappings.
fn flow(node: &Node) -> Option<String> {
    use crate::settings::FromNode;
    Some(match &node.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.render(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.render(),
        Value::Text(value) => value.render(),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Option<Vec<_>>>()?.join(", ")),
        Value::Map(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> std::result::Result<Plan, String> {
        let diagnostics = Diagnostics::new();
        let plan = Plan::from(&diagnostics, &Node::parse("s.yaml", text).unwrap(), "s".into());
        crate::session::find::finish(&diagnostics).map(|()| plan).map_err(|failure| failure.message)
    }

    #[test]
    fn arms_and_grid_are_multiplied() {
        let text = "config: demo\nseeds: [1, 2]\nset: {TRAIN.EPOCH: 3}\narms: {a: {TRAIN.LR: 0.5}, b: {}}\n\
                    grid: {TRAIN.CLS_WEIGHT: [0, 0.1], MODEL.X: [[1, 2]]}\nbaseline: 'b, CLS_WEIGHT=0, X=[1, 2]'\n";
        let plan = plan(text).unwrap();
        let names: Vec<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(names[..2], ["a, CLS_WEIGHT=0, X=[1, 2]", "a, CLS_WEIGHT=0.1, X=[1, 2]"]);
        assert_eq!((plan.arms.len(), plan.baseline), (4, 2));
        assert_eq!(plan.arms[1].set, ["TRAIN.EPOCH=3", "TRAIN.LR=0.5", "TRAIN.CLS_WEIGHT=0.1", "MODEL.X=[1, 2]"]);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let errors = plan("config: demo\nseeds: [1, 1]\nseed: 3\ngrid: {TRAIN.LR: 0.5}\nbaseline: x\n").unwrap_err();
        for part in ["1 is there twice", "did you mean seeds", "expected a list of values", "no such arm"] {
            assert!(errors.contains(part), "{part}\n{errors}");
        }
    }
}
