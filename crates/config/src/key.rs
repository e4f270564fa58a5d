//! What is declared about a key, once: its name, what it means, its range, and what a change of it means for a run that
//! goes on.

use super::limits::Limits;

/// The declaration of a key. Its type is that of the value which is read from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// Its name in its section.
    pub name: &'static str,
    /// What it means.
    pub description: &'static str,
    /// What an absent key means, where one value does not say it.
    pub absent: Option<&'static str>,
    /// The range of its number, or of each number of its list.
    pub limits: Limits,
    /// What a change means for a run that goes on; `None`: as its section says.
    pub resume: Option<Resume>,
    /// Whether its absence says something by itself; other keys are absent from a resolved file where they have no effect.
    pub absent_acts: bool,
    /// The name that it had before.
    pub alias: Option<&'static str>,
}

/// What it means for a run that goes on that a key has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// It is another run.
    #[default]
    Fixed,
    /// Nothing: the key decides neither batches nor updates.
    Free,
    /// It is the same run, and the user should know why.
    Noted(&'static str),
    /// The key is the length of a phase: it may change while the phase is not over.
    Length,
}

impl Resume {
    /// As documentation says it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Fixed => "no",
            Self::Free => "yes",
            Self::Noted(why) => why,
            Self::Length => "while the phase is not over",
        }
    }
}

impl Key {
    /// The key `name`, of which nothing else is said yet.
    pub const fn new(name: &'static str) -> Self {
        let limits = Limits::NONE;
        Self { name, description: "", absent: None, limits, resume: None, absent_acts: false, alias: None }
    }

    /// The same, with what it means.
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// The same, with what its absence means.
    pub const fn absent(mut self, absent: &'static str) -> Self {
        self.absent = Some(absent);
        self
    }

    /// Numbers from `least` on.
    pub const fn min(mut self, least: f64) -> Self {
        self.limits.min = Some(least);
        self
    }

    /// Numbers up to `most`.
    pub const fn max(mut self, most: f64) -> Self {
        self.limits.max = Some(most);
        self
    }

    /// Numbers above `bound`.
    pub const fn above(mut self, bound: f64) -> Self {
        self.limits.above = Some(bound);
        self
    }

    /// Numbers below `bound`.
    pub const fn below(mut self, bound: f64) -> Self {
        self.limits.below = Some(bound);
        self
    }

    /// Whole multiples of `unit`, which is above 0.
    pub const fn multiple_of(mut self, unit: u64) -> Self {
        self.limits.multiple_of = Some(unit);
        self
    }

    /// The same, with what a change means for a run that goes on.
    pub const fn resume(mut self, rule: Resume) -> Self {
        self.resume = Some(rule);
        self
    }

    /// The same, where an absent key says something by itself.
    pub const fn absent_acts(mut self) -> Self {
        self.absent_acts = true;
        self
    }

    /// The same, with the name that it had before.
    pub const fn alias(mut self, old: &'static str) -> Self {
        self.alias = Some(old);
        self
    }
}

impl From<&'static str> for Key {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}
