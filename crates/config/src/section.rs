//! Reads one mapping of a settings file, key by key.

use super::{
    config::Usage,
    field::{Field, FieldType, Standing},
    from_node::FromNode,
    key::{Key, Resume},
    node::{KeyValue, Node, Origin, Value, one_of},
    problem::Diagnostics,
};
use std::fmt::Display;

/// A mapping of a settings file. Keys that nobody asked for are problems, reported by [`Section::close`].
#[derive(Debug)]
pub struct Section<'a> {
    diagnostics: &'a Diagnostics,
    path: String,
    node: Option<&'a Node>,
    origin: Origin,
    known: Vec<&'static str>,
    /// Keys that are written under the name that they had before, with that name.
    renamed: Vec<(&'static str, &'static str)>,
    /// What the next key that is read means.
    describe: Option<&'static str>,
    /// What becomes of the next key that is read.
    standing: Standing,
    /// What a change of its keys means for a run that goes on, unless they say it themselves.
    resume: Resume,
    /// Whether the absence of its keys says something by itself.
    absent_acts: bool,
    /// Whether its values are checked only: they do not become part of the resolved file.
    idle: bool,
}

impl<'a> Section<'a> {
    /// The top of a file.
    pub fn root(diagnostics: &'a Diagnostics, node: &'a Node) -> Self {
        Self::at(diagnostics, "", Some(node), &node.origin)
    }

    /// A section below `path` whose mapping is `node` (absent: all defaults, reported at `origin`).
    pub fn at(diagnostics: &'a Diagnostics, path: &str, node: Option<&'a Node>, origin: &Origin) -> Self {
        let origin = node.map_or(origin, |node| &node.origin).clone();
        let section = Self {
            diagnostics,
            path: path.to_string(),
            node,
            origin,
            known: Vec::new(),
            renamed: Vec::new(),
            describe: None,
            standing: Standing::Acts,
            resume: Resume::Fixed,
            absent_acts: false,
            idle: false,
        };
        section.expect_mapping();
        section
    }

    fn expect_mapping(&self) {
        if let Some(node) = self.node
            && !matches!(node.value, Value::Map(_) | Value::Null)
        {
            self.diagnostics.report(
                &node.origin,
                &self.path,
                format!("expected a mapping of keys, found {}", node.describe()),
            );
        }
    }

    /// The pass this section belongs to.
    pub fn diagnostics(&self) -> &'a Diagnostics {
        self.diagnostics
    }

    /// The dotted path of this section.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where this section is written.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Says what the next key that is read means, for the lists of options and the schemas.
    pub fn describe(&mut self, description: &'static str) -> &mut Self {
        self.describe = Some(description);
        self
    }

    /// Says what becomes of the next key that is read, for the lists of options and the docs.
    pub(super) fn expect(&mut self, usage: &Usage) {
        self.standing = match usage {
            Usage::Active | Usage::Unused(_) => Standing::Acts,
            Usage::Inactive(_) => Standing::Inactive,
            Usage::Refused(_) => Standing::Refused,
        };
    }

    fn record(&mut self, key: Key, type_: FieldType, schema: serde_json::Value, default: Option<String>) {
        let said = self.describe.take().unwrap_or_default();
        let standing = std::mem::take(&mut self.standing);
        self.diagnostics.record(Field {
            path: self.path_of(key.name),
            description: if key.description.is_empty() { said } else { key.description },
            type_,
            schema,
            default,
            absent: key.absent,
            limits: key.limits,
            resume: key.resume.unwrap_or(self.resume),
            absent_acts: self.absent_acts || key.absent_acts,
            alias: key.alias,
            standing: if self.idle && standing == Standing::Acts { Standing::Inactive } else { standing },
        });
    }

    /// Counts `key` as known, under the name that it had before too where that is written.
    fn declare(&mut self, key: Key) {
        if !self.known.contains(&key.name) {
            self.known.push(key.name);
        }
        let Some(old) = key.alias.filter(|old| !self.known.contains(old)) else { return };
        let Some(node) = self.node.and_then(|node| node.get(old)) else { return };
        self.known.push(old);
        let (new, path) = (key.name, self.path_of(old));
        if self.find(new).is_some() {
            let message = format!("is the old name of {new}, which is written too; keep {new} and leave {old} out");
            self.diagnostics.report(&node.origin, &path, message);
        } else {
            self.diagnostics.warn(&node.origin, &path, format!("is the old name of {new}; it is read as that"));
            self.renamed.push((new, old));
        }
    }

    /// What is written under `key`, or under the name that it had before.
    pub(super) fn find(&self, key: &str) -> Option<&'a Node> {
        self.node.and_then(|node| node.get(self.written(key)))
    }

    /// The name under which `key` is written.
    pub(super) fn written<'k>(&self, key: &'k str) -> &'k str {
        self.renamed.iter().find(|(new, _)| *new == key).map_or(key, |(_, old)| old)
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }

    /// The node under `key`; the key counts as known from now on.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.declare(key.into());
        self.find(key)
    }

    /// The entries of this mapping, for mappings whose keys are names that a user chooses; all count as known.
    pub fn entries(&self) -> &'a [KeyValue] {
        match self.node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The mapping under `key`; an absent one reads as all defaults.
    pub fn section(&mut self, key: impl Into<Key>) -> Section<'a> {
        let key = key.into();
        self.declare(key);
        self.record(key, FieldType::Section, serde_json::json!({"type": "object"}), None);
        let section = Section::at(self.diagnostics, &self.path_of(key.name), self.find(key.name), &self.origin);
        let resume = key.resume.unwrap_or(self.resume);
        Section { idle: self.idle, resume, absent_acts: self.absent_acts || key.absent_acts, ..section }
    }

    /// The section under the name of `entry`, one of [`Section::entries`].
    pub fn named(&self, entry: &'a KeyValue) -> Section<'a> {
        let section = Section::at(self.diagnostics, &self.path_of(&entry.key), Some(&entry.node), &entry.origin);
        Section { idle: self.idle, resume: self.resume, absent_acts: self.absent_acts, ..section }
    }

    /// This section, in which everything is checked and nothing becomes part of the resolved file, when `idle`: its keys
    /// have no effect, or are refused as a whole.
    pub fn idle_if(mut self, idle: bool) -> Self {
        self.idle |= idle;
        self
    }

    /// Whether something is written under `key`.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some_and(|node| node.value != Value::Null)
    }

    /// A key without effect as things are: checked, left out of the resolved file, and answered with a warning that says
    /// `why` where it is written. `default` is what it is where it has an effect.
    pub fn idle<T: FromNode>(&mut self, key: impl Into<Key>, default: T, why: impl Display) {
        self.read_value(key.into(), default, Usage::Inactive(why.to_string()));
    }

    /// A key that cannot be here as things are: a problem that says `why` where it is written.
    pub fn refused<T: FromNode>(&mut self, key: impl Into<Key>, default: T, why: impl Display) {
        self.read_value(key.into(), default, Usage::Refused(why.to_string()));
    }

    /// What `read` makes of this section; while `idle`, what is written must be of the right type, but all values are the
    /// defaults, and none becomes part of the resolved file.
    pub fn reading_unused<R>(&mut self, idle: bool, read: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.idle;
        self.idle = before || idle;
        let value = read(self);
        self.idle = before;
        value
    }

    fn read<T: FromNode>(&mut self, key: Key) -> Option<T> {
        let node = self.find(key.name)?;
        let value = T::from_node(node);
        if value.is_none() {
            self.problem(key.name, format!("expected {}, found {}", T::expected(), node.describe()));
        }
        if !self.idle
            && let Some(message) = value.as_ref().and_then(|value| value.complaint(&key.limits))
        {
            self.problem(key.name, message);
        }
        value
    }

    /// The value of `key`, or `default` when it is absent or wrong (which is reported).
    pub fn value<T: FromNode>(&mut self, key: impl Into<Key>, default: T) -> T {
        let key = key.into();
        self.declare(key);
        self.record(key, FieldType::Value(T::expected()), T::narrowed(&key.limits), Some(default.render()));
        self.valued(key, default)
    }

    fn valued<T: FromNode>(&mut self, key: Key, default: T) -> T {
        let value = self.read(key);
        if self.idle {
            return default;
        }
        let value = value.unwrap_or(default);
        self.record_default(key.name, &value);
        value
    }

    /// The value of `key`, checked: a `Some(message)` of `complaint` is reported.
    pub fn checked<T: FromNode>(
        &mut self,
        key: impl Into<Key>,
        default: T,
        complaint: impl Fn(&T) -> Option<String>,
    ) -> T {
        let key = key.into();
        let value = self.value(key, default);
        self.complain(key, &value, complaint);
        value
    }

    /// The value of `key` when it is there.
    pub fn optional<T: FromNode>(&mut self, key: impl Into<Key>) -> Option<T> {
        let key = key.into();
        self.declare(key);
        self.record(key, FieldType::Value(T::expected()), T::narrowed(&key.limits), None);
        self.given(key)
    }

    fn given<T: FromNode>(&mut self, key: Key) -> Option<T> {
        let value: Option<T> = self.read(key);
        if let Some(value) = &value {
            self.record_default(key.name, value);
        }
        value
    }

    fn record_default<T: FromNode>(&self, key: &str, value: &T) {
        if !self.idle {
            self.diagnostics.record_default(&self.path_of(key), value.render());
        }
    }

    /// Makes `value` part of the resolved file as `key`, where what an absent key means depends on other keys.
    pub fn resolve<T: FromNode>(&self, key: &str, value: &T) {
        self.record_default(key, value);
    }

    /// The value of `key`, whose absence is a problem; then a default that is never used.
    pub fn required<T: FromNode + Default>(&mut self, key: impl Into<Key>) -> T {
        let key = key.into();
        self.declare(key);
        self.record(key, FieldType::Required(T::expected()), T::narrowed(&key.limits), None);
        if self.find(key.name).is_none() {
            self.problem(key.name, format!("missing; give it {}", T::expected()));
            return T::default();
        }
        self.given(key).unwrap_or_default()
    }

    /// The value of `key` as one of the names in `known`.
    pub fn choice(&mut self, key: impl Into<Key>, default: &'static str, known: &[&'static str]) -> &'static str {
        self.chosen(key, default, known).unwrap_or(default)
    }

    /// The same; `None` for a value that is none of them (which is reported), so that nothing else is concluded from it.
    pub fn chosen(
        &mut self,
        key: impl Into<Key>,
        default: &'static str,
        known: &[&'static str],
    ) -> Option<&'static str> {
        let key = key.into();
        self.declare(key);
        let names = FieldType::Choice(known.join(", "));
        self.record(key, names, serde_json::json!({"enum": known}), Some(default.to_string().render()));
        let clean = self.find(key.name).is_none_or(|node| String::from_node(node).is_some());
        let text = self.valued(key, default.to_string());
        match one_of(&text, known) {
            Ok(name) => clean.then_some(name),
            Err(message) => {
                self.problem(key.name, message);
                None
            }
        }
    }

    /// Ends the reading of this section: keys that nobody asked for are reported with the key that was probably meant.
    pub fn close(self) {
        for entry in self.entries() {
            if !self.known.contains(&entry.key.as_str()) {
                self.diagnostics.unknown(&self.path, entry, &self.known);
            }
        }
    }
}
