//! The pipeline file: a name and the stages, in order.
//!
//! ```yaml
//! name: count
//! description: Counts to a hundred.
//! stages:
//!   numbers: {kind: count, capacity: 8, options: {items: 100}}
//!   wait: {kind: sleep, workers: 4, max_failures: 2}
//!   end: {kind: collect, inputs: wait}
//! ```
//!
//! A stage takes the output of the one above it unless `inputs` says otherwise.

use super::graph::worker_complaint;
use super::links::can_be_supervised;
use crate::settings::{Diagnostics, FromNode, KeyValue, Node, Origin, Section, Value, did_you_mean};
use crate::stage::kind::{Kind, Role, StageConfig, StageContext};
use crate::stage::kinds::Kinds;
use crate::text::excerpt;

/// How often the workers of a stage may fail when the file does not say.
pub const MAX_FAILURES: u64 = 8;

/// More places than any flow has a use for; they are reserved when a run starts.
const MAX_CAPACITY: f64 = 1_000_000.0;

const CAPACITY: crate::settings::Key = crate::settings::Key::new("capacity")
    .description("how many items may wait in its output channel")
    .min(1.0)
    .max(MAX_CAPACITY);

/// The file as it was written, each stage with its kind where that is known.
pub(crate) struct Spec<C: StageContext> {
    pub(crate) name: String,
    pub(crate) stages: Vec<Declared<C>>,
}

/// One stage as it was written.
pub(crate) struct Declared<C: StageContext> {
    pub(crate) id: String,
    /// Where its name stands.
    pub(crate) origin: Origin,
    /// What the file says about `inputs`, and where.
    pub(crate) inputs: Option<(Vec<String>, Origin)>,
    /// Whether the file says anything about `inputs`, understood or not.
    pub(crate) wrote_inputs: bool,
    /// Absent when the file names none that exists, which is reported.
    pub(crate) built: Option<Built<C>>,
}

/// What the kind makes of a stage.
pub(crate) struct Built<C: StageContext> {
    pub(crate) kind: &'static Kind<C>,
    pub(crate) workers: usize,
    pub(crate) auto: bool,
    pub(crate) capacity: usize,
    pub(crate) max_failures: u64,
    pub(crate) stage_config: Box<dyn StageConfig<C>>,
    pub(crate) options: String,
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

    fn schema() -> serde_json::Value {
        serde_json::json!({"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
    }
}

/// A number of threads, or `auto`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Workers {
    Fixed(usize),
    Auto,
}

impl FromNode for Workers {
    fn expected() -> String {
        "a whole number from 1, or auto".into()
    }

    fn from_node(node: &Node) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "auto" => Some(Self::Auto),
            _ => usize::from_node(node).map(Self::Fixed),
        }
    }

    fn render(&self) -> String {
        match self {
            Self::Fixed(workers) => workers.render(),
            Self::Auto => "auto".into(),
        }
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({"oneOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]})
    }
}

impl<C: StageContext> Spec<C> {
    /// Reads the file; every problem goes to `diagnostics`.
    pub(crate) fn read(diagnostics: &Diagnostics, node: &Node, kinds: &Kinds<C>) -> Self {
        let mut root = Section::root(diagnostics, node);
        let name = root.describe("the pipeline's name").required("name");
        root.describe("what it is for, in a line").optional::<String>("description");
        let stages = root.describe("the stages by name, in the order of the flow").section("stages");
        if stages.entries().is_empty() {
            root.problem("stages", "a pipeline needs at least a source and a sink");
        }
        let stages = stages.entries().iter().map(|entry| Declared::read(diagnostics, entry, kinds)).collect();
        root.close();
        Self { name, stages }
    }
}

impl<C: StageContext> Declared<C> {
    fn read(diagnostics: &Diagnostics, entry: &KeyValue, kinds: &Kinds<C>) -> Self {
        let id = entry.key.clone();
        let path = format!("stages.{id}");
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c)) {
            diagnostics.report(&entry.origin, &path, "a stage's name consists of a-z, 0-9, _ and -");
        }
        let mut section = Section::at(diagnostics, &path, Some(&entry.node), &entry.origin);
        let named: String =
            section.describe("what the stage does; `trackflow stages` lists the kinds").required("kind");
        let kind = kinds.named(&named);
        if kind.is_none() && !named.is_empty() {
            let known = did_you_mean(&named, kinds.iter().map(|kind| kind.name));
            section.problem("kind", format!("unknown kind `{}`{known}", excerpt(&named)));
        }
        let inputs = section
            .describe("the stages whose output it takes (default: the stage above)")
            .optional::<Names>("inputs")
            .map(|names| {
                let origin = section.node("inputs").map_or(&entry.origin, |node| &node.origin);
                (names.0, origin.clone())
            });
        let wrote_inputs = section.node("inputs").is_some();
        let built = kind.map(|kind| Built::read(&mut section, kind));
        if built.is_none() {
            // Nobody can say whether these are right; at least they are no unknown keys.
            ["workers", "capacity", "max_failures", "options"].into_iter().for_each(|key| {
                section.node(key);
            });
        }
        section.close();
        Self { id, origin: entry.origin.clone(), inputs, wrote_inputs, built }
    }
}

impl<C: StageContext> Built<C> {
    pub(crate) fn read(section: &mut Section<'_>, kind: &'static Kind<C>) -> Self {
        let preferred = kind.workers.clamp(1, kind.worker_limit());
        let workers = section.describe("threads, or auto: as many as the flow turns out to need").checked(
            "workers",
            Workers::Fixed(preferred),
            |workers| match *workers {
                Workers::Fixed(workers) if workers == 0 || workers > kind.worker_limit() => {
                    Some(worker_complaint(kind, workers))
                }
                Workers::Auto if kind.worker_limit() == 1 => Some(format!("{} has 1 worker", kind.name)),
                _ => None,
            },
        );
        let capacity = match kind.role() {
            Role::Sink => 1,
            _ => section.value(CAPACITY, kind.capacity.max(1)),
        };
        let mut options =
            section.describe("the options of this kind; `trackflow stages KIND` lists them").section("options");
        let stage_config = (kind.parse)(&mut options);
        let written = options.diagnostics().recorded_below(options.path());
        options.close();
        let max_failures = match can_be_supervised(kind) && !stage_config.is_vital() {
            true => section
                .describe("how often its workers may fail; an item that fails twice is skipped")
                .value("max_failures", MAX_FAILURES),
            false => {
                if section.node("max_failures").is_some() {
                    section.problem(
                        "max_failures",
                        format!("a failure of {} always ends the run; leave it out", kind.name),
                    );
                }
                0
            }
        };
        let (workers, auto) = match workers {
            Workers::Fixed(workers) => (workers, false),
            Workers::Auto => (preferred, true),
        };
        Self { kind, workers, auto, capacity, max_failures, stage_config, options: written }
    }
}
