//! What can be set, as the code that reads settings tells it: that code is the only declaration of a key, and lists of
//! options and schemas are made by running it.

use serde_json::{Map, Value, json};

/// A key that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its dotted path.
    pub path: String,
    /// What it means; empty when the code does not say.
    pub about: &'static str,
    /// What it can hold.
    pub type_: FieldType,
    /// The JSON Schema of what it can hold.
    pub schema: Value,
    /// What it is when nobody says, as YAML.
    pub default: Option<String>,
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
            if !field.about.is_empty() {
                property.insert("description".into(), field.about.into());
            }
            let default = field.default.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
            if let Some(default) = default {
                property.insert("default".into(), default);
            }
        }
        if matches!(field.type_, FieldType::Required(_)) {
            required.push(json!(key));
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
