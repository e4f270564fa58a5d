//! Objects of a pickle in words, on one short line, whatever a file claims.

use super::super::pickle::{Object, Pickle, Ref};

/// Longest text that is shown, in characters.
const LONGEST: usize = 300;
/// Objects that one description looks at.
const BUDGET: usize = 200_000;

/// `text` on one line, cut where it is long, without characters that move a terminal's cursor.
pub fn one_line(text: &str) -> String {
    let mut one_line: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '·' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        one_line.push('…');
    }
    one_line
}

/// The object at `at`: numbers and texts as they are, classes by name, collections by what they hold.
pub(super) fn describe(pickle: &Pickle<'_>, at: Ref) -> String {
    let mut what = brief(pickle, at, 0);
    let tensors = tensors(pickle, at);
    if tensors > 0 {
        what += &format!(", {tensors} tensors");
    }
    one_line(&what)
}

fn brief(pickle: &Pickle<'_>, at: Ref, depth: usize) -> String {
    let many = |items: usize, noun: &str| format!("{noun} of {items}");
    match pickle.get(at) {
        Object::None => "None".into(),
        Object::Bool(true) => "True".into(),
        Object::Bool(false) => "False".into(),
        Object::Int(value) => value.to_string(),
        Object::Float(value) => value.to_string(),
        Object::Text(text) => one_line(text),
        Object::Bytes(bytes) => many(bytes.len(), "bytes"),
        Object::List(items) => many(items.len(), "list"),
        Object::Tuple(items) => many(items.len(), "tuple"),
        Object::Set(items) => many(items.len(), "set"),
        Object::Dict(entries) => with_members(pickle, many(entries.len(), "dict"), entries, depth),
        Object::Global { .. } => {
            pickle.global(at).map_or("a class".into(), |(module, name)| format!("{module}.{name}"))
        }
        Object::Persistent(_) => "a storage".into(),
        Object::Made(made) => {
            let class = brief(pickle, made.callable, DEEP);
            let state = made.state.and_then(|state| pickle.entries(state)).unwrap_or_default();
            match made.entries.is_empty() {
                true => with_members(pickle, class, &state, depth),
                false => with_members(pickle, many(made.entries.len(), &class), &made.entries, depth),
            }
        }
    }
}

/// The depth at which members are no longer shown.
const DEEP: usize = 1;

/// `what (key=value, …)` with the members that are numbers or short texts.
fn with_members(pickle: &Pickle<'_>, what: String, entries: &[(Ref, Ref)], depth: usize) -> String {
    if depth >= DEEP {
        return what;
    }
    let scalar =
        |at: Ref| matches!(pickle.get(at), Object::Bool(_) | Object::Int(_) | Object::Float(_) | Object::Text(_));
    let members: Vec<String> = entries
        .iter()
        .filter(|(key, value)| scalar(*key) && scalar(*value))
        .take(8)
        .map(|(key, value)| format!("{}={}", brief(pickle, *key, DEEP), brief(pickle, *value, DEEP)))
        .collect();
    if members.is_empty() { what } else { format!("{what} ({})", members.join(", ")) }
}

/// How many tensors can be reached from `at`, each once.
fn tensors(pickle: &Pickle<'_>, at: Ref) -> usize {
    let mut seen = std::collections::HashSet::from([at]);
    let mut open = vec![at];
    let mut tensors = 0;
    while let Some(at) = open.pop() {
        if seen.len() > BUDGET {
            break;
        }
        let mut info = |at: Ref| {
            if seen.insert(at) {
                open.push(at);
            }
        };
        match pickle.get(at) {
            Object::List(items) | Object::Tuple(items) | Object::Set(items) => {
                items.iter().take(BUDGET).for_each(|item| info(*item));
            }
            Object::Dict(entries) => entries.iter().take(BUDGET).for_each(|(_, value)| info(*value)),
            Object::Made(made) => {
                if pickle.made(at).is_some_and(|(_, _, name)| name.starts_with("_rebuild_tensor")) {
                    tensors += 1;
                    continue;
                }
                info(made.arguments);
                made.state.into_iter().for_each(&mut info);
                made.entries.iter().take(BUDGET).for_each(|(_, value)| info(*value));
                made.items.iter().take(BUDGET).for_each(|item| info(*item));
            }
            _ => {}
        }
    }
    tensors
}
