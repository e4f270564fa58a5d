//! What was saved: the weights among it, and the rest in words.

use super::{
    super::{
        choice::Choice,
        file::{Note, WeightsContents},
        pickle::{Object, Pickle, Ref},
    },
    Storage,
    candidates::{self, Chosen},
    numpy, one_line,
    rebuild::Described,
    tree::{Collector, Value},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Prefixes that PyTorch's wrappers of modules put before every name.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// Entries beside the weights that are told of.
const MOST_NOTES: usize = 64;

/// The text by which a checkpoint of ours is known, and what holds its weights.
const OURS: &str = "trackflow";
const OUR_WEIGHTS: &str = "net";

type Parsed<T> = Result<T, String>;

/// The weights in `pickle` that `choice` means, with the places that `storage` gives to their storages.
pub(super) fn find(
    pickle: &Pickle<'_>,
    choice: Choice<'_>,
    storage: impl Fn(&Described) -> Parsed<Storage>,
) -> Parsed<WeightsContents> {
    let root = pickle.entries(pickle.root).unwrap_or_default();
    let named = || root.iter().filter_map(|(key, value)| Some((pickle.text(*key)?, *value)));
    let mut texts = BTreeMap::new();
    // A text that stands there once can be named any number of times.
    let mut room = super::LONGEST_PICKLE as usize;
    for (key, value) in named() {
        if let Object::Text(text) = pickle.get(value)
            && let Some(rest) = room.checked_sub(key.len() + text.len())
        {
            room = rest;
            texts.insert(key.to_string(), text.to_string());
        }
    }
    let ours = choice.key.is_none() && texts.contains_key(OURS);
    let Chosen { path, at, prefix, others } = match ours {
        true => candidates::choose(pickle, Choice { key: Some(OUR_WEIGHTS), ..choice })?,
        false => candidates::choose(pickle, choice)?,
    };
    let mut weights = Collector::new(pickle);
    weights.collect(at)?;
    let mut entries = Vec::new();
    let mut arrays: HashMap<Ref, Arc<[u8]>> = HashMap::new();
    let mut add = |name: String, value: Value| -> Parsed<()> {
        match value {
            Value::Stored(tensor) => {
                let place = storage(&tensor).map_err(|error| format!("{}: {error}", one_line(&name)))?;
                entries.push(tensor.entry(name, place)?);
            }
            Value::Inline(at) => {
                let failed = |error: String| format!("{}: {error}", one_line(&name));
                let array = numpy::array(pickle, at).map_err(failed)?;
                let numbers = match arrays.get(&at) {
                    Some(known) => known.clone(),
                    None => numpy::numbers(pickle, &array).map_err(failed)?,
                };
                arrays.insert(at, numbers.clone());
                entries.push(array.entry(name, numbers));
            }
        }
        Ok(())
    };
    let empty = |value: &Value| matches!(value, Value::Stored(tensor) if tensor.is_empty());
    let entries_are_empty = weights.tensors.iter().all(|(_, value)| empty(value));
    for (name, tensor) in weights.tensors {
        let stem = plain(&name);
        let stem = if stem.starts_with(&prefix) { stem } else { &name };
        if let Some(name) = stem.strip_prefix(&prefix) {
            add(plain(name).to_string(), tensor)?;
        }
    }
    let parted = |key: &str| key == "param_shapes" || key == "ds_config";
    if entries_are_empty && named().any(|(key, _)| parted(key)) {
        return Err(
            "is one part of a DeepSpeed checkpoint (ZeRO 3), whose tensors are empty; join its parts with the \
                    zero_to_fp32.py that lies beside them"
                .into(),
        );
    }
    let mut notes: Vec<Note> = Vec::new();
    let first = path.first().map(String::as_str);
    let beside = named().filter(|(key, _)| first.is_some() && Some(*key) != first);
    for (key, value) in beside.take(MOST_NOTES) {
        // In our own files, tensors beside the weights belong to the state of training.
        if ours {
            let mut group = Collector::new(pickle);
            group.collect(value)?;
            if !group.tensors.is_empty() {
                group.tensors.into_iter().try_for_each(|(name, tensor)| add(format!("{key}.{name}"), tensor))?;
                continue;
            }
        }
        notes.push(Note { key: one_line(key), what: super::describe::describe(pickle, value) });
    }
    for (key, value) in weights.others.into_iter().take(MOST_NOTES) {
        notes.push(Note { key: one_line(&key), what: super::describe::describe(pickle, value) });
    }
    let mut wrapper = path;
    if !prefix.is_empty() {
        wrapper.push(prefix.trim_end_matches('.').to_string());
    }
    Ok(WeightsContents { entries, wrapper, texts, notes, others })
}

/// `name` without what wrappers of modules put before it.
pub(super) fn plain(mut name: &str) -> &str {
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest;
    }
    name
}
