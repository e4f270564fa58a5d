//! The pipeline file: a name and the stages, in order.
//!
//! ```yaml
//! name: count
//! description: Counts to a hundred.
//! stages:
//!   numbers: {kind: count, capacity: 8, options: {items: 100}}
//!   wait: {kind: sleep, workers: 4}
//!   end: {kind: collect, inputs: wait}
//! ```
//!
//! A stage takes the output of the one above it unless `inputs` says otherwise.

use super::graph::worker_complaint;
use super::kind::{Blueprint, Kind, Role};
use crate::settings::{Entry, FromNode, Node, Origin, Reading, Section, Value, did_you_mean};

/// The file as it was written, each stage with its kind where that is known.
pub(crate) struct Spec<C: 'static> {
    pub(crate) name: String,
    pub(crate) stages: Vec<Declared<C>>,
}

/// One stage as it was written.
pub(crate) struct Declared<C: 'static> {
    pub(crate) id: String,
    /// Where its name stands.
    pub(crate) origin: Origin,
    /// What the file says about `inputs`, and where.
    pub(crate) inputs: Option<(Vec<String>, Origin)>,
    /// Absent when the file names none that exists, which is reported.
    pub(crate) built: Option<Built<C>>,
}

/// What the kind makes of a stage.
pub(crate) struct Built<C: 'static> {
    pub(crate) kind: &'static Kind<C>,
    pub(crate) workers: usize,
    pub(crate) capacity: usize,
    pub(crate) blueprint: Box<dyn Blueprint<C>>,
}

/// One name or a list of names.
struct Names(Vec<String>);

impl FromNode for Names {
    fn expected() -> String {
        "the name of a stage".into()
    }

    fn from_node(node: &Node) -> Option<Self> {
        match &node.value {
            Value::Text(name) => Some(Self(vec![name.clone()])),
            _ => Vec::from_node(node).map(Self),
        }
    }

    fn render(&self) -> String {
        self.0.render()
    }
}

impl<C> Spec<C> {
    /// Reads the file; every problem goes to `reading`.
    pub(crate) fn read(reading: &Reading, node: &Node, kinds: &'static [Kind<C>]) -> Self {
        let mut root = Section::root(reading, node);
        let name = root.required("name");
        root.optional::<String>("description");
        let stages = root.section("stages");
        if stages.entries().is_empty() {
            root.problem("stages", "a pipeline needs at least a source and a sink");
        }
        let stages = stages.entries().iter().map(|entry| Declared::read(reading, entry, kinds)).collect();
        root.close();
        Self { name, stages }
    }
}

impl<C> Declared<C> {
    fn read(reading: &Reading, entry: &Entry, kinds: &'static [Kind<C>]) -> Self {
        let id = entry.key.clone();
        let path = format!("stages.{id}");
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c)) {
            reading.report(&entry.origin, &path, "a stage's name consists of a-z, 0-9, _ and -");
        }
        let mut section = Section::at(reading, &path, Some(&entry.node), &entry.origin);
        let named: String = section.required("kind");
        let kind = kinds.iter().find(|kind| kind.name == named);
        if kind.is_none() && !named.is_empty() {
            let known = did_you_mean(&named, kinds.iter().map(|kind| kind.name));
            section.problem("kind", format!("unknown kind `{named}`{known}"));
        }
        let inputs = section.optional::<Names>("inputs");
        let inputs = inputs.map(|names| {
            let origin = section.node("inputs").map_or(&entry.origin, |node| &node.origin);
            (names.0, origin.clone())
        });
        let built = kind.map(|kind| Built::read(&mut section, kind));
        if built.is_none() {
            // Nobody can say whether these are right; at least they are no unknown keys.
            ["workers", "capacity", "options"].into_iter().for_each(|key| {
                section.node(key);
            });
        }
        section.close();
        Self { id, origin: entry.origin.clone(), inputs, built }
    }
}

impl<C> Built<C> {
    fn read(section: &mut Section<'_>, kind: &'static Kind<C>) -> Self {
        let preferred = kind.workers.clamp(1, kind.worker_limit());
        let workers = section.checked("workers", preferred, |&workers| {
            (workers == 0 || workers > kind.worker_limit()).then(|| worker_complaint(kind, workers))
        });
        let capacity = match kind.role() {
            Role::Sink => 1,
            _ => section.checked("capacity", kind.capacity.max(1), |&capacity| {
                (capacity == 0).then(|| "must be at least 1".to_string())
            }),
        };
        let mut options = section.section("options");
        let blueprint = (kind.parse)(&mut options);
        options.close();
        Self { kind, workers, capacity, blueprint }
    }
}
