//! What was saved: the weights among it, and the rest in words.

use super::{
    super::{
        file::{Found, LONGEST_NAME, Note},
        pickle::{Object, Pickle, Ref},
    },
    Storage,
    rebuild::{self, Described},
    shown,
};
use std::collections::{BTreeMap, HashSet};

/// The keys under which people save weights, the likeliest first: HIPTrack and OSTrack say `net`, MAE and DeiT `model`.
const WRAPPERS: [&str; 7] = ["net", "model", "state_dict", "model_state_dict", "network", "module", "weights"];

/// Prefixes that PyTorch's wrappers of modules put before every name.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// Wrappers within wrappers that are opened.
const DEEPEST: usize = 4;

/// Entries beside the weights that are told of.
const MOST_NOTES: usize = 64;

type Parsed<T> = Result<T, String>;

struct Weights {
    tensors: Vec<(String, Described)>,
    /// Entries among the weights that are no tensors.
    others: Vec<(String, Ref)>,
    wrapper: Vec<String>,
}

/// The weights in `pickle`, with the places that `storage` gives to their storages.
pub(super) fn find(pickle: &Pickle<'_>, storage: impl Fn(&Described) -> Parsed<Storage>) -> Parsed<Found> {
    let weights = weights(pickle, pickle.root, 0, &mut HashSet::new())?.ok_or_else(|| nothing(pickle))?;
    let mut notes: Vec<Note> = Vec::new();
    let mut texts = BTreeMap::new();
    let mut entries = Vec::new();
    let tensors = weights.tensors.into_iter().map(|(name, tensor)| (without_prefixes(name), tensor));
    let mut add = |name: String, tensor: Described| -> Parsed<()> {
        let place = storage(&tensor).map_err(|error| format!("{name}: {error}"))?;
        entries.push(tensor.entry(name, place)?);
        Ok(())
    };
    tensors.into_iter().try_for_each(|(name, tensor)| add(name, tensor))?;
    let root = pickle.entries(pickle.root).unwrap_or_default();
    let named = || root.iter().filter_map(|(key, value)| Some((pickle.text(*key)?, *value)));
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
    let first = weights.wrapper.first().map(String::as_str);
    let beside = named().filter(|(key, _)| first.is_some() && Some(*key) != first);
    for (key, value) in beside.take(MOST_NOTES) {
        // In our own files, tensors beside the weights belong to the state of training.
        let group = texts.contains_key("trackflow").then(|| tensors_of(pickle, value)).transpose()?.flatten();
        if let Some(group) = group {
            group.tensors.into_iter().try_for_each(|(name, tensor)| add(format!("{key}.{name}"), tensor))?;
        } else {
            notes.push(Note { key: shown(key), what: shown::describe(pickle, value) });
        }
    }
    for (key, value) in weights.others.into_iter().take(MOST_NOTES) {
        notes.push(Note { key, what: shown::describe(pickle, value) });
    }
    Ok(Found { entries, wrapper: weights.wrapper, texts, notes })
}

fn nothing(pickle: &Pickle<'_>) -> String {
    match pickle.made(pickle.root) {
        Some((_, module, name)) => format!(
            "holds a whole Python object ({module}.{name}); save its weights with torch.save(object.state_dict(), FILE)"
        ),
        None => "holds no tensors".to_string(),
    }
}

/// The dictionary of tensors at `at` or under one of the usual keys below it. Those in `seen` were looked into before.
fn weights(pickle: &Pickle<'_>, at: Ref, depth: usize, seen: &mut HashSet<Ref>) -> Parsed<Option<Weights>> {
    if !seen.insert(at) {
        return Ok(None);
    }
    if depth < DEEPEST {
        for key in WRAPPERS {
            let Some(inner) = pickle.value(at, key) else { continue };
            if let Some(mut found) = weights(pickle, inner, depth + 1, seen)? {
                found.wrapper.insert(0, key.to_string());
                return Ok(Some(found));
            }
        }
    }
    tensors_of(pickle, at)
}

/// The tensors directly in the dictionary at `at`, if it is one and has any. Of several entries of one name the last
/// counts, as in Python.
fn tensors_of(pickle: &Pickle<'_>, at: Ref) -> Parsed<Option<Weights>> {
    let Some(entries) = pickle.entries(at) else { return Ok(None) };
    let (mut tensors, mut others) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for (key, value) in entries.iter().rev() {
        let Some(name) = pickle.text(*key).filter(|name| seen.insert(*name)) else { continue };
        match rebuild::tensor(pickle, *value).map_err(|error| format!("{}: {error}", shown(name)))? {
            Some(_) if name.len() > LONGEST_NAME => return Err(format!("a tensor's name has {} bytes", name.len())),
            Some(tensor) => tensors.push((name.to_string(), tensor)),
            None if others.len() < MOST_NOTES => others.push((shown(name), *value)),
            None => {}
        }
    }
    tensors.reverse();
    others.reverse();
    Ok((!tensors.is_empty()).then_some(Weights { tensors, others, wrapper: Vec::new() }))
}

fn without_prefixes(mut name: String) -> String {
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        name = rest.to_string();
    }
    name
}
