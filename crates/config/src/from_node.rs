//! The types that a setting can have, and how they are read and written.

use super::{
    limits::Limits,
    node::{Node, Value},
};
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
    /// Why the value is not within `limits`, which are those of its numbers.
    fn complaint(&self, _limits: &Limits) -> Option<String> {
        None
    }
    /// The JSON Schema of such values within `limits`.
    fn narrowed(limits: &Limits) -> serde_json::Value {
        let mut schema = Self::schema();
        if let serde_json::Value::Object(schema) = &mut schema {
            limits.narrow(schema);
        }
        schema
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
    fn complaint(&self, limits: &Limits) -> Option<String> {
        limits.complaint(*self)
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
            fn complaint(&self, limits: &Limits) -> Option<String> {
                limits.complaint(*self as f64)
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
    fn complaint(&self, limits: &Limits) -> Option<String> {
        self.iter().find_map(|item| item.complaint(limits))
    }
    fn narrowed(limits: &Limits) -> serde_json::Value {
        serde_json::json!({"type": "array", "items": T::narrowed(limits)})
    }
}
