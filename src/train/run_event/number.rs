//! Numbers of events, which may be anything that floating point knows.
//!
//! JSON has no NaN and no infinity. On a line such a number is null, as it always was, and `not_finite` of the line says
//! which it is: see [`lift`] and [`lower`].

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeMap};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap};

/// A number. NaN unless something else is said; NaN equals NaN.
#[derive(Clone, Copy)]
pub struct Number(pub f64);

impl Default for Number {
    fn default() -> Self {
        Self(f64::NAN)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0.is_nan() && other.0.is_nan())
    }
}

impl std::fmt::Debug for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self(value)
    }
}

/// In a value that is no line yet, a number that is not finite is an object with this key alone. No field of an event has
/// that name, and in maps of numbers its value would be a number, not a text.
const MARK: &str = "$number";

const NAMES: [(&str, f64); 3] = [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match NAMES.into_iter().find(|(_, value)| *self == Self(*value)) {
            None => serializer.serialize_f64(self.0),
            Some((name, _)) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(MARK, name)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let named = || {
            let text = value.get(MARK)?.as_str()?;
            NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, value)| value)
        };
        match value.as_f64().or_else(named) {
            Some(number) => Ok(Self(number)),
            None if value.is_null() => Ok(Self::default()),
            None => Err(D::Error::custom(format_args!("{value} is no number"))),
        }
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["number", "null"]})
    }
}

/// Makes every number of `value` that is not finite null, and gives which it was by its place in `value` (a JSON pointer,
/// RFC 6901).
pub(super) fn lower(value: &mut Value) -> BTreeMap<String, String> {
    fn walk(value: &mut Value, place: &str, found: &mut BTreeMap<String, String>) {
        let marked = value.as_object().filter(|map| map.len() == 1).and_then(|map| map.get(MARK)?.as_str());
        if let Some(name) = marked {
            found.insert(place.to_string(), name.to_string());
            *value = Value::Null;
            return;
        }
        match value {
            Value::Object(map) => map.iter_mut().for_each(|(key, value)| {
                let key = key.replace('~', "~0").replace('/', "~1");
                walk(value, &format!("{place}/{key}"), found);
            }),
            Value::Array(all) => {
                all.iter_mut().enumerate().for_each(|(at, value)| walk(value, &format!("{place}/{at}"), found));
            }
            _ => {}
        }
    }
    let mut found = BTreeMap::new();
    walk(value, "", &mut found);
    found
}

/// The reverse of [`lower`]. Places that `value` does not have, or where it is not null, are given back.
pub(super) fn lift(value: &mut Value, not_finite: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, name) in not_finite {
        match value.pointer_mut(place) {
            Some(number) if number.is_null() => *number = serde_json::json!({MARK: name}),
            _ => wrong.push(format!("not_finite{place}")),
        }
    }
    wrong
}
