//! What can be set, as the code that reads settings tells it: that code is the only declaration of a key, and lists of
//! options and schemas are made by running it.

use super::{key::Resume, limits::Limits};
use serde_json::{Map, Value, json};

/// A key that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its dotted path.
    pub path: String,
    /// What it means; empty when the code does not say.
    pub description: &'static str,
    /// What it can hold.
    pub type_: FieldType,
    /// The JSON Schema of what it can hold.
    pub schema: Value,
    /// What it is when nobody says, as YAML.
    pub default: Option<String>,
    /// What its absence means, where one value does not say it.
    pub absent: Option<&'static str>,
    /// The range of its number, or of each number of its list.
    pub limits: Limits,
    /// What a change of it means for a run that goes on.
    pub resume: Resume,
    /// Whether its absence says something by itself.
    pub absent_acts: bool,
    /// The name that it had before.
    pub alias: Option<&'static str>,
    /// Whether it acts as things are.
    pub standing: Standing,
}

/// What became of a key, given the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It acts.
    #[default]
    Acts,
    /// It has no effect.
    Inactive,
    /// It cannot be there.
    Refused,
}

impl Field {
    /// What it means, and what its absence does where that is more than a value.
    pub fn description(&self) -> String {
        match (self.description, self.absent) {
            (description, None) => description.to_string(),
            (description, Some(absent)) => format!("{description} Absent: {absent}.").trim_start().to_string(),
        }
    }
}

/// What a key can hold, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// More keys.
    Section,
    /// One of these names.
    Choice(String),
    /// A value that may be left out.
    Value(String),
    /// A value that may not be left out.
    Required(String),
}

impl FieldType {
    /// As lists of options say it.
    pub fn words(&self) -> String {
        match self {
            Self::Section => "keys".into(),
            Self::Choice(known) => format!("one of {known}"),
            Self::Value(words) => words.clone(),
            Self::Required(words) => format!("{words}, required"),
        }
    }
}

/// The JSON Schema of an object that has `fields`, whose paths start below `root` (empty for a whole file). Keys that are
/// not among them are wrong, except in sections of which no key is known: their keys are names that a user chooses.
pub fn schema(fields: &[Field], root: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let below = match root {
            "" => Some(field.path.as_str()),
            root => field.path.strip_prefix(root).and_then(|rest| rest.strip_prefix('.')),
        };
        let Some(key) = below.filter(|key| !key.contains('.')) else { continue };
        let mut property = match &field.type_ {
            FieldType::Section => schema(fields, &field.path),
            _ => field.schema.clone(),
        };
        if let Value::Object(property) = &mut property {
            let description = field.description();
            if !description.is_empty() {
                property.insert("description".into(), description.into());
            }
            let default = field.default.as_deref().filter(|_| field.absent.is_none());
            let default = default.and_then(|text| serde_json::from_str::<Value>(text).ok());
            if let Some(default) = default {
                property.insert("default".into(), default);
            }
        }
        if matches!(field.type_, FieldType::Required(_)) {
            required.push(json!(key));
        }
        if let Some(old) = field.alias {
            let mut property = property.clone();
            property["description"] = format!("The old name of {key}.").into();
            property["deprecated"] = true.into();
            properties.insert(old.to_string(), property);
        }
        properties.insert(key.to_string(), property);
    }
    if properties.is_empty() {
        return json!({"type": "object"});
    }
    let mut object = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        object["required"] = Value::Array(required);
    }
    object
}
