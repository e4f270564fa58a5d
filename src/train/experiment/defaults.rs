//! What an experiment sets otherwise than its family's defaults.

use super::Experiment;
use crate::settings::{Diagnostics, Node, Value};
use std::collections::BTreeMap;

/// A setting of a resolved experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its path: `TRAIN.LR`.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What it is by default, where that is something else; `not set` where such an experiment has no such key.
    pub default: Option<String>,
}

/// The settings of the resolved experiment `node`, in its order.
pub fn settings(node: &Node) -> Vec<Setting> {
    let diagnostics = Diagnostics::new();
    let experiment = Experiment::draft(&diagnostics, node);
    let minimal = match (experiment.model.new_hip, experiment.model.classes > 0) {
        (true, true) => "MODEL: {NEW_HIP: True, CLS_HEAD: {}}",
        (true, false) => "MODEL: {NEW_HIP: True}",
        (false, true) => "MODEL: {NEW_HIP: False, CLS_HEAD: {}}",
        (false, false) => "MODEL: {NEW_HIP: False}",
    };
    let diagnostics = Diagnostics::new();
    let defaults = Node::parse("defaults", minimal).map(|node| Experiment::draft(&diagnostics, &node).resolved);
    let defaults = defaults.ok().and_then(|text| Node::parse("defaults", &text).ok());
    let defaults = defaults.as_ref().map(flat).unwrap_or_default();
    let of = |(key, value): (String, String)| {
        let default = defaults.get(&key).map_or("not set", String::as_str);
        Setting { default: (default != value).then(|| default.to_string()), key, value }
    };
    flat(node).into_iter().map(of).collect()
}

/// All values of a settings file by their paths.
pub fn flat(node: &Node) -> BTreeMap<String, String> {
    fn walk(node: &Node, path: &str, all: &mut BTreeMap<String, String>) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let own = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
                    walk(&entry.node, &own, all);
                }
            }
            _ => drop(all.insert(path.to_string(), display(node))),
        }
    }
    let mut all = BTreeMap::new();
    walk(node, "", &mut all);
    all
}

/// The value of a setting, for people.
pub fn display(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => format!("[{}]", items.iter().map(display).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let pairs = entries.iter().map(|entry| format!("{}: {}", entry.key, display(&entry.node)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_otherwise_than_by_default_is_known_with_its_default() {
        let text =
            "DATA: {TRAIN: {DATASETS_NAME: [LASOT], DATASETS_RATIO: [1]}}\nMODEL: {NEW_HIP: True}\nTRAIN: {LR: 0.5}";
        let resolved = Experiment::draft(&Diagnostics::new(), &Node::parse("x.yaml", text).unwrap()).resolved;
        let all = settings(&Node::parse("x.yaml", &resolved).unwrap());
        let of = |key: &str| all.iter().find(|one| one.key == key).unwrap_or_else(|| panic!("{key}: {all:#?}"));
        assert_eq!(of("TRAIN.LR").value, "0.5");
        assert!(of("TRAIN.LR").default.as_ref().is_some_and(|default| default != "0.5"), "{:?}", of("TRAIN.LR"));
        assert_eq!(of("TRAIN.L1_WEIGHT").default, None);
        assert!(all.iter().filter(|one| one.default.is_some()).count() < 12, "{all:#?}");
    }
}
