//! A line of `run.jsonl`: an event with its time, as JSON.

use super::{
    RunEvent, Timestamp,
    number::{lift, lower},
    schema,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// An event with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLine {
    /// When it happened; `None` in logs of earlier versions.
    pub time: Option<Timestamp>,
    /// What happened.
    pub event: RunEvent,
}

/// One line of `run.jsonl`. Readers pass over events and fields that they do not know: later versions may add some.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Wire {
    /// When it happened, in UTC; absent in logs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    /// Which numbers of the line are not finite: null stands in their places, as JSON has nothing else, and here `NaN`,
    /// `Infinity` or `-Infinity` by the place (a JSON pointer, RFC 6901: `/Loss~1total`). Absent where all are finite. In
    /// logs of earlier versions null alone says it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    not_finite: BTreeMap<String, String>,
    #[serde(flatten)]
    event: RunEvent,
}

/// Why a line is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is an event that this version does not know.
    Unknown {
        /// Its name.
        event: String,
        /// What it says of its position in the run.
        position: Option<u64>,
    },
    /// It is damaged: why.
    Damaged(String),
}

impl RunLine {
    /// The line, with its end.
    ///
    /// # Errors
    /// None that an event can cause.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let Self { time, event } = self.clone();
        let mut value = serde_json::to_value(Wire { time, not_finite: BTreeMap::new(), event })?;
        let not_finite = lower(&mut value);
        if let (false, Some(fields)) = (not_finite.is_empty(), value.as_object_mut()) {
            fields.insert("not_finite".into(), serde_json::to_value(not_finite)?);
        }
        Ok(value.to_string() + "\n")
    }

    /// The event of a line, and the places of fields in it that this version does not know.
    ///
    /// # Errors
    /// It is an event that this version does not know, or is damaged.
    pub fn parse(text: &[u8]) -> Result<(Self, Vec<String>), Unread> {
        let damaged = |error: serde_json::Error| Unread::Damaged(error.to_string());
        let mut value: Value = serde_json::from_slice(text).map_err(damaged)?;
        let Some(name) = value.get("event").and_then(Value::as_str) else {
            return Err(Unread::Damaged("it does not name its event".into()));
        };
        let Some(schema) = schema::of_event(name) else {
            return Err(Unread::Unknown {
                event: name.into(),
                position: value.get("position").and_then(Value::as_u64),
            });
        };
        let mut unknown = Vec::new();
        schema::unknown_fields(&value, schema, "", &mut unknown);
        let marks = value.as_object_mut().and_then(|fields| fields.remove("not_finite"));
        if let Some(marks) = marks {
            let marks = serde_json::from_value(marks).map_err(damaged)?;
            unknown.extend(lift(&mut value, &marks));
        }
        let Wire { time, event, .. } = serde_json::from_value(value).map_err(damaged)?;
        Ok((Self { time, event }, unknown))
    }
}
