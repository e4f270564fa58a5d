//! What the engine says while a run goes on: items that were left out, stalls, workers that were added.

use std::io::Write;
use std::sync::Arc;

use crate::text::printable;

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The engine has changed something by itself, and says why.
    Note(String),
    /// Something that a user should look at.
    Warning(String),
}

impl Notice {
    /// What it says.
    pub fn text(&self) -> &str {
        match self {
            Self::Note(text) | Self::Warning(text) => text,
        }
    }
}

/// Hears the engine's notices. It must not block for long.
pub type Notify = Arc<dyn Fn(Notice) + Send + Sync>;

/// Prints to standard error.
pub fn to_stderr() -> Notify {
    Arc::new(|notice| {
        let (word, text) = match &notice {
            Notice::Note(text) => ("note", text),
            Notice::Warning(text) => ("warning", text),
        };
        // Nobody may read that any more.
        let _ = writeln!(std::io::stderr(), "{word}: {}", printable(text));
    })
}

/// Says nothing.
pub fn to_nobody() -> Notify {
    Arc::new(|_| {})
}
