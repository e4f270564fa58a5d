//! Reads one mapping of a settings file, key by key.

use super::{
    field::{Field, FieldType},
    from_node::FromNode,
    node::{Entry, Node, Origin, Value, one_of},
    problem::Reading,
};
use std::fmt::Display;

/// A mapping of a settings file. Keys that nobody asked for are problems, reported by [`Section::close`].
#[derive(Debug)]
pub struct Section<'a> {
    reading: &'a Reading,
    path: String,
    node: Option<&'a Node>,
    origin: Origin,
    known: Vec<&'static str>,
    /// What the next key that is read means.
    says: Option<&'static str>,
    /// Whether its values are checked only: they do not become part of the resolved file.
    idle: bool,
}

impl<'a> Section<'a> {
    /// The top of a file.
    pub fn root(reading: &'a Reading, node: &'a Node) -> Self {
        let section = Self {
            reading,
            path: String::new(),
            node: Some(node),
            origin: node.origin.clone(),
            known: Vec::new(),
            says: None,
            idle: false,
        };
        section.expect_mapping();
        section
    }

    /// A section below `path` whose mapping is `node` (absent: all defaults, reported at `origin`).
    pub fn at(reading: &'a Reading, path: &str, node: Option<&'a Node>, origin: &Origin) -> Self {
        let origin = node.map_or(origin, |node| &node.origin).clone();
        let section =
            Self { reading, path: path.to_string(), node, origin, known: Vec::new(), says: None, idle: false };
        section.expect_mapping();
        section
    }

    fn expect_mapping(&self) {
        if let Some(node) = self.node
            && !matches!(node.value, Value::Map(_) | Value::Null)
        {
            self.reading.report(
                &node.origin,
                &self.path,
                format!("expected a mapping of keys, found {}", node.describe()),
            );
        }
    }

    /// The pass this section belongs to.
    pub fn reading(&self) -> &'a Reading {
        self.reading
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
    pub fn says(&mut self, about: &'static str) -> &mut Self {
        self.says = Some(about);
        self
    }

    fn record(&mut self, key: &str, type_: FieldType, schema: serde_json::Value, default: Option<String>) {
        let about = self.says.take().unwrap_or_default();
        self.reading.record(Field { path: self.path_of(key), about, type_, schema, default });
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }

    /// The node under `key`; the key counts as known from now on.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.node.and_then(|node| node.get(key))
    }

    /// The entries of this mapping, for mappings whose keys are names that a user chooses; all count as known.
    pub fn entries(&self) -> &'a [Entry] {
        match self.node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The mapping under `key`; an absent one reads as all defaults.
    pub fn section(&mut self, key: &'static str) -> Section<'a> {
        self.record(key, FieldType::Section, serde_json::json!({"type": "object"}), None);
        let node = self.node(key);
        let section = Section::at(self.reading, &self.path_of(key), node, &self.origin);
        Section { idle: self.idle, ..section }
    }

    /// This section, in which everything is checked and nothing becomes part of the resolved file, when `idle`: its keys
    /// have no effect, or are refused as a whole.
    pub fn idle_if(mut self, idle: bool) -> Self {
        self.idle |= idle;
        self
    }

    /// Whether something is written under `key`.
    pub fn has(&self, key: &str) -> bool {
        self.node.and_then(|node| node.get(key)).is_some_and(|node| node.value != Value::Null)
    }

    /// A key without effect as things are: checked, left out of the resolved file, and answered with a warning that says
    /// `why` where it is written. `default` is what it is where it has an effect.
    pub fn idle<T: FromNode>(&mut self, key: &'static str, default: T, why: impl Display) {
        self.left_out(key, default);
        self.without_effect(key, why);
    }

    /// Adds something that a user should know about `key`, at its value when it is written down.
    pub fn warning(&self, key: &str, message: impl Into<String>) {
        let origin = self.node.and_then(|node| node.get(key)).map_or(&self.origin, |node| &node.origin);
        self.reading.warn(origin, &self.path_of(key), message);
    }

    /// Warns that `key` has no effect, and says `why`, where it is written.
    pub fn without_effect(&self, key: &str, why: impl Display) {
        if let Some(node) = self.node.and_then(|node| node.get(key)) {
            self.reading.warn(&node.origin, &self.path_of(key), format!("has no effect: {why}"));
        }
    }

    /// A key that cannot be here as things are: a problem that says `why` where it is written.
    pub fn refused<T: FromNode>(&mut self, key: &'static str, default: T, why: impl Display) {
        self.left_out(key, default);
        if self.has(key) {
            self.problem(key, why.to_string());
        }
    }

    fn left_out<T: FromNode>(&mut self, key: &'static str, default: T) {
        self.reading_idly(true, |section| section.value(key, default));
    }

    /// What `read` makes of this section; while `idle`, what is written must be of the right type, but all values are the
    /// defaults, and none becomes part of the resolved file.
    pub fn reading_idly<R>(&mut self, idle: bool, read: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.idle;
        self.idle = before || idle;
        let value = read(self);
        self.idle = before;
        value
    }

    /// Reports a problem with `key` of this section, at the key's value when it is written down.
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        let origin = self.node.and_then(|node| node.get(key)).map_or(&self.origin, |node| &node.origin);
        self.reading.report(origin, &self.path_of(key), message);
    }

    fn read<T: FromNode>(&mut self, key: &'static str) -> Option<T> {
        let node = self.node(key)?;
        let value = T::from_node(node);
        if value.is_none() {
            self.problem(key, format!("expected {}, found {}", T::expected(), node.describe()));
        }
        value
    }

    /// The value of `key`, or `default` when it is absent or wrong (which is reported).
    pub fn value<T: FromNode>(&mut self, key: &'static str, default: T) -> T {
        self.record(key, FieldType::Value(T::expected()), T::schema(), Some(default.render()));
        self.valued(key, default)
    }

    fn valued<T: FromNode>(&mut self, key: &'static str, default: T) -> T {
        let value = self.read(key);
        if self.idle {
            return default;
        }
        let value = value.unwrap_or(default);
        self.settle(key, &value);
        value
    }

    /// The value of `key`, checked: a `Some(message)` of `complaint` is reported.
    pub fn checked<T: FromNode>(
        &mut self,
        key: &'static str,
        default: T,
        complaint: impl Fn(&T) -> Option<String>,
    ) -> T {
        let value = self.value(key, default);
        if let Some(message) = complaint(&value) {
            self.problem(key, message);
        }
        value
    }

    /// The value of `key` when it is there.
    pub fn optional<T: FromNode>(&mut self, key: &'static str) -> Option<T> {
        self.record(key, FieldType::Value(T::expected()), T::schema(), None);
        self.given(key)
    }

    fn given<T: FromNode>(&mut self, key: &'static str) -> Option<T> {
        let value: Option<T> = self.read(key);
        if let Some(value) = &value {
            self.settle(key, value);
        }
        value
    }

    fn settle<T: FromNode>(&self, key: &str, value: &T) {
        if !self.idle {
            self.reading.settle(&self.path_of(key), value.render());
        }
    }

    /// Makes `value` part of the resolved file as `key`, where what an absent key means depends on other keys.
    pub fn resolve<T: FromNode>(&self, key: &str, value: &T) {
        self.settle(key, value);
    }

    /// The value of `key`, whose absence is a problem; then a default that is never used.
    pub fn required<T: FromNode + Default>(&mut self, key: &'static str) -> T {
        self.record(key, FieldType::Required(T::expected()), T::schema(), None);
        if self.node.and_then(|node| node.get(key)).is_none() {
            self.known.push(key);
            self.problem(key, format!("missing; give it {}", T::expected()));
            return T::default();
        }
        self.given(key).unwrap_or_default()
    }

    /// The value of `key` as one of the names in `known`.
    pub fn choice(&mut self, key: &'static str, default: &'static str, known: &[&'static str]) -> &'static str {
        self.chosen(key, default, known).unwrap_or(default)
    }

    /// The same; `None` for a value that is none of them (which is reported), so that nothing else is concluded from it.
    pub fn chosen(&mut self, key: &'static str, default: &'static str, known: &[&'static str]) -> Option<&'static str> {
        self.record(
            key,
            FieldType::Choice(known.join(", ")),
            serde_json::json!({"enum": known}),
            Some(default.to_string().render()),
        );
        let clean = self.node.and_then(|node| node.get(key)).is_none_or(|node| String::from_node(node).is_some());
        let text = self.valued(key, default.to_string());
        match one_of(&text, known) {
            Ok(name) => clean.then_some(name),
            Err(message) => {
                self.problem(key, message);
                None
            }
        }
    }

    /// Ends the reading of this section: keys that nobody asked for are reported with the key that was probably meant.
    pub fn close(self) {
        for entry in self.entries() {
            if !self.known.contains(&entry.key.as_str()) {
                self.reading.unknown(&self.path, entry, &self.known);
            }
        }
    }
}
