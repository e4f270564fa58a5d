//! Whose experiment a file is: what its absent keys mean follows from that.

use crate::settings::{Node, Origin, Value, nearest};

/// The tracker that a file describes, as far as it decides what absent keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Backbone and box head alone.
    OsTrack,
    /// With historical prompts.
    HipTrack,
    /// With a condition head, with or without historical prompts.
    MultiTask,
}

impl Family {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::OsTrack => "OSTrack",
            Self::HipTrack => "HIPTrack",
            Self::MultiTask => "multi-task",
        }
    }
}

/// What a file says about its family, before any key of it is read.
pub(super) struct Kind {
    /// Whether there are historical prompts (`MODEL.NEW_HIP`).
    pub new_hip: bool,
    /// The key that says so, as messages name it.
    pub hip_key: String,
    /// Whether nobody said `MODEL.NEW_HIP`.
    pub unsaid: bool,
    /// Whether there is a condition head, unless `MODEL.CLS_HEAD.NUM_CLASSES` says 0.
    pub class_head: bool,
    /// `MODEL.CLS_HEAD.NUM_CLASSES: 0`.
    pub no_classes: bool,
}

/// Where an argument `--script` stands for a key of the file.
pub const BY_SCRIPT: &str = "--script";

impl Kind {
    pub fn of(file: &Node) -> Self {
        let at = |path: &[&str]| path.iter().try_fold(file, |node, key| node.get(key));
        let has = |path: &[&str]| at(path).is_some_and(|node| node.value != Value::Null && node.value != empty());
        let written = at(&["MODEL", "NEW_HIP"]);
        let (new_hip, hip_key) = match written.map(|node| (&node.value, &node.origin)) {
            Some((Value::Bool(new_hip), origin)) => (*new_hip, by(origin, *new_hip)),
            Some(_) => (true, "MODEL.NEW_HIP".into()),
            None if has(&["MODEL", "HIP"]) => (true, "MODEL.HIP".into()),
            None => (false, "MODEL.NEW_HIP absent".into()),
        };
        let keys = |path: &[&str]| match at(path).map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
            _ => Vec::new(),
        };
        let misspelt = |key: &str| !MODEL_KEYS.contains(&key) && nearest(key, MODEL_KEYS) == Some("NEW_HIP");
        let unsaid = written.is_none();
        // Where the key is misspelt or holds something else, nothing further is concluded from its absence.
        let unclear = match written {
            Some(node) => !matches!(node.value, Value::Bool(_)),
            None => !has(&["MODEL", "HIP"]) && keys(&["MODEL"]).into_iter().any(misspelt),
        };
        let class_keys = || keys(&["TRAIN"]).into_iter().any(|key| key.starts_with("CLS_"));
        let labels = |set| has(&["DATA", set, "CLS_ANN_DIR"]);
        let no_classes = at(&["MODEL", "CLS_HEAD", "NUM_CLASSES"]).is_some_and(|node| node.value == Value::Int(0));
        let said = at(&["MODEL", "CLS_HEAD"]).is_some_and(|node| node.value != Value::Null)
            || class_keys()
            || labels("TRAIN")
            || labels("VAL");
        Self { new_hip: new_hip || unclear, hip_key, unsaid, class_head: said && !no_classes, no_classes }
    }

    pub fn family(&self) -> Family {
        match (self.class_head, self.new_hip) {
            (true, _) => Family::MultiTask,
            (false, true) => Family::HipTrack,
            (false, false) => Family::OsTrack,
        }
    }

    /// What a user should know who did not say it.
    pub fn note(&self) -> Option<String> {
        let by_script = self.hip_key.starts_with(BY_SCRIPT);
        match (self.unsaid || by_script, self.new_hip) {
            (false, _) => None,
            (true, true) => Some(format!(
                "model: HIPTrack, with historical prompts, as there is {} (MODEL.NEW_HIP: True states it)",
                self.hip_key
            )),
            (true, false) => Some(format!(
                "model: plain OSTrack, without historical prompts ({}); for HIPTrack set MODEL.NEW_HIP: True",
                self.hip_key
            )),
        }
    }

    /// Why a key that only a HIPTrack reads cannot be here, and what to do.
    pub fn only_hiptrack(&self) -> String {
        let way = match self.hip_key.starts_with(BY_SCRIPT) {
            true => "leave it out, or use --script hiptrack and set MODEL.NEW_HIP: True",
            false => "leave it out, or set MODEL.NEW_HIP: True",
        };
        format!("only a HIPTrack reads it, and this is plain OSTrack ({}); {way}", self.hip_key)
    }
}

/// The keys among which a misspelt one is looked for.
const MODEL_KEYS: [&str; 13] = [
    "PRETRAIN_FILE",
    "EXTRA_MERGER",
    "RETURN_INTER",
    "RETURN_STAGES",
    "NEW_HIP",
    "MAX_MEM",
    "BACKBONE",
    "HIP",
    "HEAD",
    "CLS_HEAD",
    "HIDDEN_DIM",
    "BOTTLENECK_DIM",
    "NUM_CHANNELS",
];

fn empty() -> Value {
    Value::Text(String::new())
}

fn by(origin: &Origin, new_hip: bool) -> String {
    match origin.source.starts_with(BY_SCRIPT) {
        true => origin.source.to_string(),
        false => format!("MODEL.NEW_HIP: {}", if new_hip { "True" } else { "False" }),
    }
}
