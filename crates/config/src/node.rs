//! The parsed tree of a settings file, in which each value knows where it was written.

use super::suggest::did_you_mean;
use crate::failure::{Failure, FailureKind, Result};
use crate::text::{self, TextError, excerpt};
use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};
use std::{fmt, path::Path, sync::Arc};

/// Where a value was written: a file with line and column (both from 1), or an argument of the command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file's name as the user gave it, or `--set KEY=VALUE`.
    pub source: Arc<str>,
    /// Line, from 1; 0 for a command line argument.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Origin {
    fn at(source: &Arc<str>, marker: Marker) -> Self {
        Self { source: source.clone(), line: marker.line(), column: marker.col() + 1 }
    }

    /// An origin without a line: a whole file or an argument.
    pub fn whole(source: &str) -> Self {
        Self { source: source.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.source),
            line => write!(f, "{}:{line}:{}", self.source, self.column),
        }
    }
}

/// A value of a settings file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing (`null`, `~` or an empty value).
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Text.
    Text(String),
    /// `[a, b]` or `- a`.
    List(Vec<Node>),
    /// `key: value` pairs in the order of the file.
    Map(Vec<KeyValue>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub origin: Origin,
    /// Its value.
    pub node: Node,
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it starts.
    pub origin: Origin,
}

impl Node {
    /// Reads and parses the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read (a missing input) or is not YAML (a wrong configuration, with line and column).
    pub fn read(path: &Path) -> Result<Self> {
        let text = text::read(path).map_err(|error| match &error {
            // `cannot be read` says nothing that the system does not.
            TextError::Io(io) => Failure::input(format!("{}: {io}", text::path(path))),
            error => Failure { kind: FailureKind::Config, ..error.of(path) },
        })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Parses `text`; `name` stands in front of every message. An empty text is an empty mapping.
    ///
    /// # Errors
    /// The text is not YAML, holds several documents, or repeats a key.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let source: Arc<str> = name.into();
        let documents = MarkedYaml::load_from_str(text).map_err(|error| {
            Failure::config(format!("{}: not valid YAML: {}", Origin::at(&source, *error.marker()), error.info()))
        })?;
        match documents.as_slice() {
            [] => Ok(Self { value: Value::Map(Vec::new()), origin: Origin::whole(name) }),
            [document] => Self::convert(&source, document),
            [_, second, ..] => Err(Failure::config(format!(
                "{}: a second YAML document starts here; keep one document in a file",
                Origin::at(&source, second.span.start)
            ))),
        }
    }

    fn convert(source: &Arc<str>, yaml: &MarkedYaml<'_>) -> Result<Self> {
        let origin = Origin::at(source, yaml.span.start);
        let value = match &yaml.data {
            YamlData::Value(Scalar::Null) => Value::Null,
            YamlData::Value(Scalar::Boolean(value)) => Value::Bool(*value),
            YamlData::Value(Scalar::Integer(value)) => Value::Int(*value),
            YamlData::Value(Scalar::FloatingPoint(value)) => Value::Float(value.into_inner()),
            YamlData::Value(Scalar::String(value)) => Value::Text(value.to_string()),
            YamlData::Sequence(items) => {
                Value::List(items.iter().map(|item| Self::convert(source, item)).collect::<Result<_>>()?)
            }
            YamlData::Mapping(pairs) => Value::Map(
                pairs
                    .iter()
                    .map(|(key, node)| {
                        let origin = Origin::at(source, key.span.start);
                        let key = match &key.data {
                            YamlData::Value(Scalar::String(text)) => text.to_string(),
                            YamlData::Value(Scalar::Integer(number)) => number.to_string(),
                            _ => return Err(Failure::config(format!("{origin}: a key must be a plain word"))),
                        };
                        Ok(KeyValue { key, origin, node: Self::convert(source, node)? })
                    })
                    .collect::<Result<_>>()?,
            ),
            _ => return Err(Failure::config(format!("{origin}: aliases and tags are not supported here"))),
        };
        Ok(Self { value, origin })
    }

    /// The value under `key`, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// Applies one `KEY.PATH=VALUE` of the command line: the value is parsed as YAML and replaces or adds the key.
    ///
    /// # Errors
    /// The argument has no `=`, an empty key, a value that is not YAML, or leads through something that is no mapping.
    pub fn set(&mut self, argument: &str) -> Result<()> {
        self.set_as(&format!("--set {argument}"), argument)
    }

    /// The same for what another argument says, under whose name (`source`) messages then speak of the value.
    ///
    /// # Errors
    /// As for [`Node::set`].
    pub fn set_as(&mut self, source: &str, argument: &str) -> Result<()> {
        let (path, text) = argument
            .split_once('=')
            .filter(|(path, _)| !path.is_empty() && path.split('.').all(|part| !part.is_empty()))
            .ok_or_else(|| Failure::usage(format!("{source}: expected KEY.PATH=VALUE, for example TRAIN.LR=0.0001")))?;
        let mut node = Self::parse(source, text).map_err(|failure| Failure::usage(failure.message))?;
        node.relocate(&Origin::whole(source));
        let mut here = self;
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            if here.value == Value::Null {
                here.value = Value::Map(Vec::new());
            }
            let Value::Map(entries) = &mut here.value else {
                return Err(Failure::config(format!(
                    "{source}: the part before `{}` holds a value, not keys",
                    excerpt(part)
                )));
            };
            let index = entries.iter().position(|entry| entry.key == part).unwrap_or_else(|| {
                let origin = Origin::whole(source);
                let node = Node { value: Value::Null, origin: origin.clone() };
                entries.push(KeyValue { key: part.to_string(), origin, node });
                entries.len() - 1
            });
            let entry = &mut entries[index];
            if parts.peek().is_none() {
                entry.origin = Origin::whole(source);
            }
            here = &mut entry.node;
        }
        if let Value::Map(entries) = &here.value
            && !entries.is_empty()
        {
            return Err(Failure::usage(format!(
                "{source}: {} holds {} keys, which this would replace; set its keys one by one (--set {0}.{}=…)",
                excerpt(path),
                entries.len(),
                excerpt(&entries[0].key)
            )));
        }
        *here = node;
        Ok(())
    }

    fn relocate(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.relocate(origin)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.origin = origin.clone();
                entry.node.relocate(origin);
            }),
            _ => {}
        }
    }

    /// What stands here, in words, for messages.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Bool(value) => format!("{value}"),
            Value::Int(value) => format!("{value}"),
            Value::Float(value) => format!("{value}"),
            Value::Text(value) => format!("the text `{}`", excerpt(value)),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a mapping of keys".into(),
        }
    }
}

/// The one of `known` that `text` names, or a message that suggests the nearest.
///
/// # Errors
/// When `text` names none of them.
pub(super) fn one_of<'a>(text: &str, known: &[&'a str]) -> std::result::Result<&'a str, String> {
    known
        .iter()
        .find(|candidate| **candidate == text)
        .copied()
        .ok_or_else(|| format!("unknown value `{}`{}", excerpt(text), did_you_mean(text, known.iter().copied())))
}
