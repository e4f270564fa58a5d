//! Reads one mapping of a settings file, key by key.

use super::{
    field::{Field, FieldType},
    node::{Entry, Node, Origin, Value, one_of},
    problem::Reading,
    suggest::did_you_mean,
};
use crate::text::shown;
use std::path::PathBuf;

/// A type that a setting can have.
pub trait FromNode: Sized {
    /// What is expected, in words: `a number`.
    fn expected() -> String;
    /// The value, when the node holds one of this type.
    fn from_node(node: &Node) -> Option<Self>;
    /// The value as YAML, on one line.
    fn render(&self) -> String;
    /// The JSON Schema of such values.
    fn schema() -> serde_json::Value {
        serde_json::json!({})
    }
}

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
        };
        section.expect_mapping();
        section
    }

    /// A section below `path` whose mapping is `node` (absent: all defaults, reported at `origin`).
    pub fn at(reading: &'a Reading, path: &str, node: Option<&'a Node>, origin: &Origin) -> Self {
        let origin = node.map_or(origin, |node| &node.origin).clone();
        let section = Self { reading, path: path.to_string(), node, origin, known: Vec::new(), says: None };
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
        Section::at(self.reading, &self.path_of(key), node, &self.origin)
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
        let value = self.read(key).unwrap_or(default);
        self.reading.settle(&self.path_of(key), value.render());
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
            self.reading.settle(&self.path_of(key), value.render());
        }
        value
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
        self.record(
            key,
            FieldType::Choice(known.join(", ")),
            serde_json::json!({"enum": known}),
            Some(default.to_string().render()),
        );
        let text = self.valued(key, default.to_string());
        one_of(&text, known).unwrap_or_else(|message| {
            self.problem(key, message);
            default
        })
    }

    /// Ends the reading of this section: keys that nobody asked for are reported with the nearest known one.
    pub fn close(self) {
        for entry in self.entries() {
            if !self.known.contains(&entry.key.as_str()) {
                let unused =
                    self.known.iter().copied().filter(|known| self.node.is_none_or(|n| n.get(known).is_none()));
                let hint = did_you_mean(&entry.key, unused);
                self.reading.report(&entry.origin, &self.path_of(&shown(&entry.key)), format!("unknown key{hint}"));
            }
        }
    }
}

impl FromNode for bool {
    fn expected() -> String {
        "true or false".into()
    }
    fn from_node(node: &Node) -> Option<Self> {
        if let Value::Bool(value) = node.value { Some(value) } else { None }
    }
    fn render(&self) -> String {
        self.to_string()
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "boolean"})
    }
}

impl FromNode for f64 {
    fn expected() -> String {
        "a number".into()
    }
    fn from_node(node: &Node) -> Option<Self> {
        match node.value {
            Value::Int(value) => Some(value as f64),
            Value::Float(value) if value.is_finite() => Some(value),
            _ => None,
        }
    }
    fn render(&self) -> String {
        // Readers of YAML 1.1, such as PyYAML, take `1e-5` for text: they want a point and a sign.
        match format!("{self:?}").split_once('e') {
            None => format!("{self:?}"),
            Some((digits, exponent)) => {
                let point = if digits.contains('.') { "" } else { ".0" };
                let sign = if exponent.starts_with('-') { "" } else { "+" };
                format!("{digits}{point}e{sign}{exponent}")
            }
        }
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "number"})
    }
}

macro_rules! whole_number {
    ($type:ty, $words:literal, $schema:tt) => {
        impl FromNode for $type {
            fn expected() -> String {
                $words.into()
            }
            fn from_node(node: &Node) -> Option<Self> {
                if let Value::Int(value) = node.value { Self::try_from(value).ok() } else { None }
            }
            fn render(&self) -> String {
                self.to_string()
            }
            fn schema() -> serde_json::Value {
                serde_json::json!($schema)
            }
        }
    };
}

whole_number!(i64, "a whole number", {"type": "integer"});
whole_number!(u64, "a whole number from 0", {"type": "integer", "minimum": 0});
whole_number!(usize, "a whole number from 0", {"type": "integer", "minimum": 0});

impl FromNode for String {
    fn expected() -> String {
        "text".into()
    }
    fn from_node(node: &Node) -> Option<Self> {
        if let Value::Text(value) = &node.value { Some(value.clone()) } else { None }
    }
    fn render(&self) -> String {
        serde_json::Value::from(self.as_str()).to_string()
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string"})
    }
}

impl FromNode for PathBuf {
    fn expected() -> String {
        "a path".into()
    }
    fn from_node(node: &Node) -> Option<Self> {
        String::from_node(node).map(Self::from)
    }
    fn render(&self) -> String {
        self.display().to_string().render()
    }
    fn schema() -> serde_json::Value {
        String::schema()
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn expected() -> String {
        format!("a list, each {}", T::expected())
    }
    fn from_node(node: &Node) -> Option<Self> {
        if let Value::List(items) = &node.value { items.iter().map(T::from_node).collect() } else { None }
    }
    fn render(&self) -> String {
        format!("[{}]", self.iter().map(T::render).collect::<Vec<_>>().join(", "))
    }
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "array", "items": T::schema()})
    }
}
