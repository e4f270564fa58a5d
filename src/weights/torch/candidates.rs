//! Where in a checkpoint weights are, and which of them are meant when nobody says so.

use super::{
    super::{
        choice::{Choice, Other, listed},
        pickle::{Object, Pickle, Ref},
    },
    one_line,
    tree::{self, Collector},
};

/// The keys under which people save the weights that a run goes on with: HIPTrack and OSTrack say `net`, MAE and DeiT
/// `model`.
const USUAL: [&str; 7] = ["net", "model", "state_dict", "model_state_dict", "network", "module", "weights"];

/// Words in the names of what belongs to the state of training, whose tensors are no weights.
const TRAINING: [&str; 9] = ["optim", "sched", "scaler", "loss", "criterion", "rng", "random", "metric", "meter"];

/// Words in the names of averaged weights.
const AVERAGED: [&str; 5] = ["ema", "swa", "averaged", "polyak", "momentum"];

/// Dictionaries within dictionaries that are searched, and members that are looked at.
const DEEPEST: usize = 6;
const MOST: usize = 400_000;

/// A dictionary with tensors, or a whole module.
#[derive(Clone, Debug)]
struct Candidate {
    path: Vec<String>,
    at: Ref,
    tensors: usize,
    scalars: usize,
}

impl Candidate {
    fn is_training(&self) -> bool {
        let training = |part: &String| {
            let part = part.to_lowercase();
            TRAINING.iter().any(|word| part.contains(word)) || part == "amp"
        };
        self.path.iter().any(training)
    }

    fn is_averaged(&self) -> bool {
        let words = |part: &String| part.to_lowercase().split(['_', '-', '.']).any(|word| AVERAGED.contains(&word));
        self.path.iter().any(words)
    }

    fn is_usual(&self) -> bool {
        !self.path.is_empty() && self.path.iter().all(|part| USUAL.contains(&part.as_str()))
    }

    fn key(&self) -> String {
        if self.path.is_empty() { ".".into() } else { self.path.join(".") }
    }

    fn other(&self) -> Other {
        Other { key: self.key(), tensors: self.tensors }
    }
}

/// What was chosen.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// The keys that lead there.
    pub path: Vec<String>,
    pub at: Ref,
    /// Only tensors whose names begin so are meant, without it.
    pub prefix: String,
    /// The other weights that there are.
    pub others: Vec<Other>,
}

/// The weights in `pickle` that `choice` means.
///
/// # Errors
/// There are none there, or several and nothing says which.
pub(super) fn choose(pickle: &Pickle<'_>, choice: Choice<'_>) -> Result<Chosen, String> {
    if let Some(key) = choice.key {
        return resolve(pickle, key).ok_or_else(|| {
            let all: Vec<Other> = search(pickle).iter().map(Candidate::other).collect();
            match all.is_empty() {
                true => format!("has no weights under {}; {}", one_line(key), nothing(pickle)),
                false => format!("has no weights under {}; there are {}", one_line(key), listed(&all)),
            }
        });
    }
    let all = search(pickle);
    let taken = automatic(&all).ok_or_else(|| match all.is_empty() {
        true => nothing(pickle),
        false => ambiguous(&all, choice),
    })?;
    let others = all.iter().filter(|one| one.path != taken.path && !one.is_training() && one.scalars < one.tensors);
    // What lies within the weights, such as buffers of their own, are no others.
    let others = others.filter(|one| !one.path.starts_with(&taken.path)).map(Candidate::other).collect();
    Ok(Chosen { path: taken.path.clone(), at: taken.at, prefix: String::new(), others })
}

/// Those of `all` that are meant when nobody says so, if that is beyond doubt.
fn automatic(all: &[Candidate]) -> Option<&Candidate> {
    let weights: Vec<&Candidate> = all.iter().filter(|one| !one.is_training()).collect();
    let tensors: Vec<&Candidate> = weights.iter().copied().filter(|one| one.scalars < one.tensors).collect();
    let pool = if tensors.is_empty() { weights } else { tensors };
    // A mean and a deviation beside a network are no rivals of it.
    let most = pool.iter().map(|one| one.tensors).max()?;
    let large: Vec<&Candidate> = pool.into_iter().filter(|one| one.tensors * 10 >= most).collect();
    let within = |one: &&&Candidate| {
        large.iter().any(|outer| {
            outer.path.len() < one.path.len() && one.path.starts_with(&outer.path) && outer.tensors >= one.tensors
        })
    };
    let rivals: Vec<&Candidate> = large.iter().filter(|one| !within(one)).copied().collect();
    let only = |found: Vec<&'_ Candidate>| if let [one] = found[..] { Some(one.path.clone()) } else { None };
    let path = only(rivals.clone())
        .or_else(|| only(rivals.iter().filter(|one| one.is_usual()).copied().collect()))
        .or_else(|| only(rivals.iter().filter(|one| !one.is_averaged()).copied().collect()))?;
    all.iter().find(|one| one.path == path)
}

fn ambiguous(all: &[Candidate], choice: Choice<'_>) -> String {
    let weights: Vec<&Candidate> = all.iter().filter(|one| !one.is_training()).collect();
    if weights.is_empty() {
        let all: Vec<Other> = all.iter().map(Candidate::other).collect();
        return format!("holds the state of training and no weights: {}", listed(&all));
    }
    // Who trains a student for its teacher wants the teacher.
    let proposed = weights.iter().find(|one| one.path.iter().any(|part| part == "teacher")).unwrap_or(&weights[0]);
    let others: Vec<Other> = weights.iter().map(|one| one.other()).collect();
    let mut text = format!("holds weights under several keys: {}; choose one: ", listed(&others));
    text += &choice.remedy(&proposed.key());
    // Those of a student and a teacher are two of the same, not parts of one.
    let twin = |part: &String| part == "teacher" || part == "student";
    let twins = weights.iter().any(|one| one.is_averaged() || one.path.iter().any(twin));
    let parent = proposed.path.split_last().map(|(_, parent)| parent).filter(|parent| {
        !twins && weights.iter().all(|one| one.path.len() > parent.len() && one.path.starts_with(parent))
    });
    if let Some(parent) = parent {
        let key = if parent.is_empty() { ".".to_string() } else { parent.join(".") };
        text += &format!(" (all of them together, their keys before their names: {})", choice.remedy(&key));
    }
    text
}

/// What a file without weights is.
fn nothing(pickle: &Pickle<'_>) -> String {
    let members: Vec<(String, Ref)> =
        pickle.entries(pickle.root).map(|_| tree::members(pickle, pickle.root)).unwrap_or_default();
    let described = members
        .iter()
        .take(8)
        .map(|(key, at)| format!("{}: {}", one_line(key), super::describe::describe(pickle, *at)));
    let described = described.collect::<Vec<_>>().join("; ");
    if members.iter().any(|(key, _)| key == "ds_version" || key == "ds_config") {
        return "is one part of a DeepSpeed checkpoint, without whole weights; join its parts with the zero_to_fp32.py \
                that lies beside them"
            .into();
    }
    if tree::is_tensor(pickle, pickle.root) {
        return "holds a single tensor without a name, so no model's weights; save a dictionary of them".into();
    }
    match pickle.made(pickle.root) {
        Some((_, module, name)) if members.is_empty() => format!(
            "holds a whole Python object ({}.{}); save its weights with torch.save(object.state_dict(), FILE)",
            one_line(module),
            one_line(name)
        ),
        _ if members.is_empty() => "holds no tensors".to_string(),
        _ => format!("holds no tensors under names, so no weights; what it has is {described}"),
    }
}

/// All places with tensors, from the outside to the inside.
fn search(pickle: &Pickle<'_>) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut open = std::collections::VecDeque::from([(Vec::new(), pickle.root)]);
    let mut looked_at = 0usize;
    while let Some((path, at)) = open.pop_front() {
        if tree::module(pickle, at).is_some() {
            let mut all = Collector::new(pickle);
            let tensors = all.collect(at).map_or(1, |()| all.tensors.len());
            looked_at += tensors;
            if tensors > 0 {
                found.push(Candidate { path, at, tensors, scalars: 0 });
            }
            if looked_at > MOST {
                break;
            }
            continue;
        }
        let members = tree::members(pickle, at);
        looked_at += members.len();
        if looked_at > MOST {
            break;
        }
        let (tensors, inner): (Vec<_>, Vec<_>) = members.into_iter().partition(|(_, at)| tree::is_tensor(pickle, *at));
        let list = pickle.items(at).is_some();
        if !tensors.is_empty() && !list {
            let scalars = tensors.iter().filter(|(_, at)| tree::is_scalar(pickle, *at)).count();
            found.push(Candidate { path: path.clone(), at, tensors: tensors.len(), scalars });
        }
        if path.len() < DEEPEST {
            let holds = |at: Ref| !matches!(pickle.get(at), Object::Text(_) | Object::Int(_) | Object::Float(_));
            let inner = inner.into_iter().filter(|(_, at)| holds(*at));
            open.extend(inner.map(|(name, at)| ([path.clone(), vec![name]].concat(), at)));
        }
    }
    found
}

/// What `key` names: keys of dictionaries within each other, joined by dots, then perhaps the beginning of names.
fn resolve(pickle: &Pickle<'_>, key: &str) -> Option<Chosen> {
    let mut chosen = Chosen { at: pickle.root, ..Chosen::default() };
    let mut rest = if key == "." { "" } else { key };
    while !rest.is_empty() {
        let members = match tree::module(pickle, chosen.at) {
            Some(_) => Vec::new(),
            None => tree::members(pickle, chosen.at),
        };
        let leads = |name: &str| rest == name || rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        let inner =
            members.iter().filter(|(name, at)| !name.is_empty() && leads(name) && !tree::is_tensor(pickle, *at));
        let Some((name, at)) = inner.max_by_key(|(name, _)| name.len()) else {
            chosen.prefix = format!("{rest}.");
            break;
        };
        chosen.at = *at;
        chosen.path.push(name.clone());
        rest = rest[name.len()..].trim_start_matches('.');
    }
    let mut all = Collector::new(pickle);
    // A tensor that cannot be read is told of when all are.
    let there = match all.collect(chosen.at) {
        Ok(()) => all.tensors.iter().any(|(name, _)| {
            super::contents::plain(name).starts_with(&chosen.prefix) || name.starts_with(&chosen.prefix)
        }),
        Err(_) => true,
    };
    there.then_some(chosen)
}
