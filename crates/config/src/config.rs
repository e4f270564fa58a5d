//! Sections whose keys are declared on the fields of a struct.

use super::{from_node::FromNode, key::Key, node::Node, problem::Diagnostics, section::Section};
use std::fmt::Display;

/// What is read from a section; `#[derive(Config)]` writes the code. `C` is what reading depends on beside the section.
pub trait Config<C: ?Sized = ()>: Sized {
    /// Reads the keys of `section`. Problems are reported to it; what is returned then is never used.
    fn read(section: &mut Section<'_>, context: &C) -> Self;

    /// Reads a whole file.
    fn read_root(diagnostics: &Diagnostics, node: &Node, context: &C) -> Self {
        let mut section = Section::root(diagnostics, node);
        let read = Self::read(&mut section, context);
        section.close();
        read
    }
}

/// What becomes of a key as things are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// It acts.
    #[default]
    Active,
    /// It has no effect, and why: it is as when absent, and a warning where it is written.
    Inactive(String),
    /// It has no effect, and why: a warning where it is written.
    Unused(String),
    /// It cannot be there, and why.
    Refused(String),
}

impl Usage {
    /// Inactive where there is a reason.
    pub fn inactive(why: Option<impl Display>) -> Self {
        why.map_or(Self::Active, |why| Self::Inactive(why.to_string()))
    }

    /// Unused where there is a reason.
    pub fn unused(why: Option<impl Display>) -> Self {
        why.map_or(Self::Active, |why| Self::Unused(why.to_string()))
    }

    /// Refused where there is a reason.
    pub fn refused(why: Option<impl Display>) -> Self {
        why.map_or(Self::Active, |why| Self::Refused(why.to_string()))
    }

    /// This, or `other` where this is active.
    pub fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self == Self::Active { other() } else { self }
    }

    /// Whether the key's value counts.
    pub fn acts(&self) -> bool {
        matches!(self, Self::Active | Self::Unused(_))
    }
}

impl Section<'_> {
    /// The value of `key` in its range; `default` when it is absent, wrong or of no effect.
    pub fn read_value<T: FromNode>(&mut self, key: Key, default: T, usage: Usage) -> T {
        let value = self.reading_as(&usage, |section| section.value(key, default));
        self.answer(key, &usage);
        value
    }

    /// The value of `key` in its range, when it is there and acts.
    pub fn read_optional<T: FromNode>(&mut self, key: Key, usage: Usage) -> Option<T> {
        let value = self.reading_as(&usage, |section| section.optional(key));
        self.answer(key, &usage);
        value.filter(|_| usage.acts())
    }

    /// The value of `key` as one of the names in `known`; `None` for a value that is none of them (which is reported).
    pub fn read_choice(
        &mut self,
        key: Key,
        default: &'static str,
        known: &[&'static str],
        usage: Usage,
    ) -> Option<&'static str> {
        let value = self.reading_as(&usage, |section| section.chosen(key, default, known));
        self.answer(key, &usage);
        value
    }

    /// The section under `key`.
    pub fn nested<T: Config<C>, C: ?Sized>(&mut self, key: Key, usage: Usage, context: &C) -> T {
        self.expect(&usage);
        let mut section = self.section(key).idle_if(!usage.acts());
        let value = T::read(&mut section, context);
        section.close();
        self.answer(key, &usage);
        value
    }

    /// The section under `key`, where it is written.
    pub fn nested_optional<T: Config<C>, C: ?Sized>(&mut self, key: Key, usage: Usage, context: &C) -> Option<T> {
        self.node(key.name)?;
        Some(self.nested(key, usage, context))
    }

    /// Reports what `check` says against the value of `key`.
    pub fn complain<T>(&self, key: Key, value: &T, check: impl FnOnce(&T) -> Option<String>) {
        if let Some(message) = check(value) {
            self.problem(key.name, message);
        }
    }

    fn reading_as<R>(&mut self, usage: &Usage, read: impl FnOnce(&mut Self) -> R) -> R {
        self.expect(usage);
        self.reading_unused(!usage.acts(), read)
    }

    /// Warns of a key without effect where it is written, and refuses one that cannot be there.
    fn answer(&self, key: Key, usage: &Usage) {
        match usage {
            Usage::Active => {}
            Usage::Inactive(why) | Usage::Unused(why) => self.without_effect(key.name, why),
            Usage::Refused(why) if self.has(key.name) => self.problem(key.name, why.clone()),
            Usage::Refused(_) => {}
        }
    }
}

/// Helpers of the derived code.
pub mod derived {
    /// `map` of `value`; a function so that closures need no types.
    pub fn mapped<A, B>(value: A, map: impl FnOnce(A) -> B) -> B {
        map(value)
    }
}
