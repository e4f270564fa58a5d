//! Tensors in what was saved, however deep: dictionaries, lists, and objects such as whole modules, whose parameters
//! stand in the state that they would be given. Nothing is called for that.

use super::{
    super::{
        file::LONGEST_NAME,
        pickle::{Object, Pickle, Ref},
    },
    numpy, one_line,
    rebuild::{self, Described},
};
use std::collections::{HashMap, HashSet};

type Parsed<T> = Result<T, String>;

/// Modules within modules that are followed.
const DEEPEST: usize = 64;
/// Items of a list that are looked into.
const FIRST_ITEMS: usize = 16;
/// Objects that one file makes the reader look at, and bytes of the names that it makes: what is named twice counts
/// twice.
const MOST: usize = 4 << 20;

/// A tensor as the file describes it.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Its numbers lie beside the pickle.
    Stored(Described),
    /// It is a NumPy array, whose numbers stand in the pickle.
    Inline(Ref),
}

/// The tensor at `at`; `None` when there is something else.
///
/// # Errors
/// It is one that cannot be read.
pub(super) fn value(pickle: &Pickle<'_>, at: Ref) -> Parsed<Option<Value>> {
    if numpy::is_array(pickle, at) {
        return Ok(Some(Value::Inline(at)));
    }
    Ok(rebuild::tensor(pickle, at)?.map(Value::Stored))
}

/// Whether there is a tensor at `at`, be it one that cannot be read.
pub(super) fn is_tensor(pickle: &Pickle<'_>, at: Ref) -> bool {
    !matches!(value(pickle, at), Ok(None))
}

/// Whether it has no dimensions, as numbers among results have none.
pub(super) fn is_scalar(pickle: &Pickle<'_>, at: Ref) -> bool {
    match value(pickle, at) {
        Ok(Some(Value::Stored(tensor))) => tensor.is_scalar(),
        Ok(Some(Value::Inline(at))) => numpy::array(pickle, at).is_ok_and(|array| array.shape.is_empty()),
        _ => false,
    }
}

/// The state of the module at `at`.
pub(super) fn module(pickle: &Pickle<'_>, at: Ref) -> Option<Ref> {
    let Object::Made(made) = pickle.get(at) else { return None };
    let state = made.state?;
    (pickle.value(state, "_modules").is_some() && pickle.value(state, "_parameters").is_some()).then_some(state)
}

/// What the dictionary, list or object at `at` holds, by name; of several entries of one name the last.
pub(super) fn members(pickle: &Pickle<'_>, at: Ref) -> Vec<(String, Ref)> {
    if let Some(items) = pickle.items(at) {
        return items.iter().take(FIRST_ITEMS).enumerate().map(|(index, item)| (index.to_string(), *item)).collect();
    }
    let state = match pickle.get(at) {
        Object::Made(made) if made.entries.is_empty() => made.state,
        _ => None,
    };
    let entries = pickle.entries(at).filter(|entries| !entries.is_empty());
    let Some(entries) = entries.or_else(|| state.and_then(|state| pickle.entries(state))) else { return Vec::new() };
    let mut last = HashMap::new();
    for (index, (key, _)) in entries.iter().enumerate() {
        if let Some(name) = pickle.text(*key) {
            last.insert(name, index);
        }
    }
    let kept = |(index, (key, value)): (usize, &(Ref, Ref))| {
        let name = pickle.text(*key).filter(|name| last.get(name) == Some(&index))?;
        Some((name.to_string(), *value))
    };
    entries.iter().enumerate().filter_map(kept).collect()
}

/// Collects tensors by name.
pub(super) struct Collector<'a, 'b> {
    pickle: &'a Pickle<'b>,
    pub tensors: Vec<(String, Value)>,
    /// What is no tensor and was not looked into.
    pub others: Vec<(String, Ref)>,
    visited: usize,
    named: usize,
}

impl<'a, 'b> Collector<'a, 'b> {
    pub fn new(pickle: &'a Pickle<'b>) -> Self {
        Self { pickle, tensors: Vec::new(), others: Vec::new(), visited: 0, named: 0 }
    }

    /// The tensors at `at`: of a module all of them, of a dictionary those directly in it, or when it has none, those of
    /// what is in it.
    ///
    /// # Errors
    /// One of them cannot be read, or there are more than in any checkpoint.
    pub fn collect(&mut self, at: Ref) -> Parsed<()> {
        if let Some(state) = module(self.pickle, at) {
            return self.module(state, "", 0);
        }
        let members = members(self.pickle, at);
        let deep = !members.iter().any(|(_, value)| is_tensor(self.pickle, *value));
        self.dictionary(members, "", deep, 0)
    }

    fn add(&mut self, prefix: &str, name: &str, at: Ref) -> Parsed<bool> {
        self.visited += 1;
        self.named += prefix.len() + name.len();
        if self.visited > MOST || self.named > 16 * MOST {
            return Err("names more tensors than any checkpoint".into());
        }
        let found =
            value(self.pickle, at).map_err(|error| format!("{}{}: {error}", one_line(prefix), one_line(name)))?;
        let Some(found) = found else { return Ok(false) };
        if prefix.len() + name.len() > LONGEST_NAME {
            return Err(format!("a tensor's name has {} bytes", prefix.len() + name.len()));
        }
        self.tensors.push((format!("{prefix}{name}"), found));
        Ok(true)
    }

    fn module(&mut self, state: Ref, prefix: &str, depth: usize) -> Parsed<()> {
        let part = |name: &str| pickle_part(self.pickle, state, name);
        let (parameters, buffers, modules) = (part("_parameters"), part("_buffers"), part("_modules"));
        let passing = self.passing_buffers(state);
        for (name, at) in parameters.into_iter().chain(buffers).filter(|(name, _)| !passing.contains(name)) {
            self.add(prefix, &name, at)?;
        }
        for (name, at) in modules {
            self.inner(&name, at, prefix, depth)?;
        }
        Ok(())
    }

    /// Names of the buffers of a module that `state_dict()` leaves out.
    fn passing_buffers(&self, state: Ref) -> HashSet<String> {
        let Some(at) = self.pickle.value(state, "_non_persistent_buffers_set") else { return HashSet::new() };
        let items = match self.pickle.get(at) {
            Object::Set(items) => Some(items.as_slice()),
            Object::Made(made) => self.pickle.items(made.arguments).and_then(|a| self.pickle.items(*a.first()?)),
            _ => None,
        };
        items.unwrap_or_default().iter().filter_map(|item| Some(self.pickle.text(*item)?.to_string())).collect()
    }

    fn dictionary(&mut self, members: Vec<(String, Ref)>, prefix: &str, deep: bool, depth: usize) -> Parsed<()> {
        for (name, at) in members {
            if self.add(prefix, &name, at)? {
                continue;
            }
            match deep {
                true => self.inner(&name, at, prefix, depth)?,
                false => self.others.push((name, at)),
            }
        }
        Ok(())
    }

    fn inner(&mut self, name: &str, at: Ref, prefix: &str, depth: usize) -> Parsed<()> {
        if depth >= DEEPEST || prefix.len() + name.len() > LONGEST_NAME {
            return Err("modules lie within modules deeper than in any checkpoint".into());
        }
        self.visited += 1;
        if self.visited > MOST {
            return Err("names more tensors than any checkpoint".into());
        }
        let prefix = format!("{prefix}{name}.");
        if let Some(state) = module(self.pickle, at) {
            return self.module(state, &prefix, depth + 1);
        }
        // Lists are left alone here: those of a module's own are modules.
        if self.pickle.items(at).is_some() {
            return Ok(());
        }
        let members = members(self.pickle, at);
        self.dictionary(members, &prefix, true, depth + 1)
    }
}

fn pickle_part(pickle: &Pickle<'_>, state: Ref, name: &str) -> Vec<(String, Ref)> {
    pickle.value(state, name).map(|at| members(pickle, at)).unwrap_or_default()
}
