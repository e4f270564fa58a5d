//! All keys that an experiment can have, as the code that reads them declares them.

use super::{Experiment, Family};
use crate::{
    failure::Result,
    settings::{Diagnostics, Field, FieldType, Limits, Node, Resume, Standing},
};

/// Sections that are read only where they are written; `phase` stands for any name.
const OPTIONAL: &str = "DATA: {SYNTH: {}}\nMODEL: {NEW_HIP: True, CLS_HEAD: {}}\nTRAIN: {PHASES: {phase: {}}}\n";

/// Where phases are listed, and the name that stands for any.
const PHASES: &str = "TRAIN.PHASES.";
const ANY: &str = "phase";

/// The declarations of all keys.
#[derive(Clone, Debug)]
pub struct Keys(Vec<Field>);

impl Keys {
    /// All keys of a multi-task HIPTrack, which has every section.
    ///
    /// # Errors
    /// None that a user can cause.
    pub fn all() -> Result<Self> {
        Ok(Self(fields(OPTIONAL)?))
    }

    /// Their declarations in the order of reading; those of a phase are below `TRAIN.PHASES.phase`.
    pub fn fields(&self) -> &[Field] {
        &self.0
    }

    /// The declaration of the key at `path`, whatever the name of its phase; also under the name that it had before.
    pub fn get(&self, path: &str) -> Option<&Field> {
        let path = match path.strip_prefix(PHASES).and_then(|rest| rest.split_once('.')) {
            Some((_, key)) => format!("{PHASES}{ANY}.{key}"),
            None => path.to_string(),
        };
        let had = |field: &&Field| field.alias.is_some_and(|old| renamed(&field.path, old) == path);
        self.0.iter().find(|field| field.path == path).or_else(|| self.0.iter().find(had))
    }

    /// `path` under the key's present name.
    pub fn current(&self, path: &str) -> String {
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_string();
        self.get(path).map_or_else(|| path.to_string(), |field| renamed(path, &last(&field.path)))
    }
}

fn renamed(path: &str, name: &str) -> String {
    path.rsplit_once('.').map_or_else(|| name.to_string(), |(section, _)| format!("{section}.{name}"))
}

fn fields(file: &str) -> Result<Vec<Field>> {
    let diagnostics = Diagnostics::new();
    Experiment::draft(&diagnostics, &Node::parse("", file)?);
    let mut fields = diagnostics.fields();
    // Phases are read one by one, so their own section is not asked for by name.
    if let Some(place) = fields.iter().position(|field| field.path == "TRAIN.PHASES") {
        let field = Field {
            path: format!("{PHASES}{ANY}"),
            description: "A phase of training, under a name of your choice.",
            type_: FieldType::Section,
            schema: serde_json::json!({"type": "object"}),
            default: None,
            absent: None,
            limits: Limits::NONE,
            resume: Resume::Fixed,
            absent_acts: true,
            alias: None,
            standing: Standing::Acts,
        };
        fields.insert(place + 1, field);
    }
    Ok(fields)
}

/// What the keys of each family are by default.
///
/// # Errors
/// None that a user can cause.
pub fn by_family() -> Result<[(Family, Keys); 3]> {
    // With blocks that eliminate, so that their keys act.
    let eliminating = "BACKBONE: {TYPE: vit_base_patch16_224_ce, CE_LOC: [3], CE_KEEP_RATIO: [0.7]}";
    let of = |model: &str| {
        fields(&format!("DATA: {{SYNTH: {{}}}}\nMODEL: {{{eliminating}{model}}}\nTRAIN: {{PHASES: {{phase: {{}}}}}}\n"))
            .map(Keys)
    };
    Ok([
        (Family::OsTrack, of("")?),
        (Family::HipTrack, of(", NEW_HIP: True")?),
        (Family::MultiTask, of(", NEW_HIP: True, CLS_HEAD: {}")?),
    ])
}
