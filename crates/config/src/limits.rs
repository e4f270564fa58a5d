//! Ranges of numbers: what is refused, and how messages, schemas and documentation say it.

use serde_json::{Map, Value, json};

/// A range of numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// The least that is allowed.
    pub min: Option<f64>,
    /// The most that is allowed.
    pub max: Option<f64>,
    /// All that is allowed is above.
    pub above: Option<f64>,
    /// All that is allowed is below.
    pub below: Option<f64>,
    /// All that is allowed is a multiple of it.
    pub multiple_of: Option<u64>,
}

impl Limits {
    /// No limits.
    pub const NONE: Self = Self { min: None, max: None, above: None, below: None, multiple_of: None };

    /// Why `value` is not allowed; nothing where it is.
    pub fn complaint(&self, value: f64) -> Option<String> {
        let multiple = self.multiple_of.filter(|unit| *unit > 0 && value % *unit as f64 != 0.0);
        let inside = self.min.is_none_or(|min| value >= min)
            && self.max.is_none_or(|max| value <= max)
            && self.above.is_none_or(|bound| value > bound)
            && self.below.is_none_or(|bound| value < bound);
        if inside && multiple.is_none() {
            return None;
        }
        Some(format!("must be {}, found {value}", self.words()))
    }

    /// The range in words, as after `must be`; empty where there are no limits.
    pub fn words(&self) -> String {
        let range = match (self.min, self.above, self.max, self.below) {
            (Some(min), _, Some(max), _) => format!("from {min} to {max}"),
            (Some(min), _, None, Some(below)) => format!("from {min} to below {below}"),
            (None, Some(above), Some(max), _) => format!("above {above} and at most {max}"),
            (None, Some(above), None, Some(below)) => format!("above {above} and below {below}"),
            (Some(min), ..) => format!("at least {min}"),
            (None, Some(above), ..) => format!("above {above}"),
            (None, None, Some(max), _) => format!("at most {max}"),
            (None, None, None, Some(below)) => format!("below {below}"),
            (None, None, None, None) => String::new(),
        };
        match (self.multiple_of, range.is_empty()) {
            (None, _) => range,
            (Some(unit), true) => format!("a multiple of {unit}"),
            (Some(unit), false) => format!("a multiple of {unit}, {range}"),
        }
    }

    /// Adds the range to the JSON Schema of a number.
    pub fn narrow(&self, schema: &mut Map<String, Value>) {
        let number = |value: f64| if value.fract() == 0.0 { json!(value as i64) } else { json!(value) };
        for (keyword, limit) in [
            ("minimum", self.min),
            ("maximum", self.max),
            ("exclusiveMinimum", self.above),
            ("exclusiveMaximum", self.below),
            ("multipleOf", self.multiple_of.map(|unit| unit as f64)),
        ] {
            if let Some(limit) = limit {
                schema.insert(keyword.into(), number(limit));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    #[test]
    fn what_is_refused_is_what_the_words_and_the_schema_say() {
        let share = Key::new("A").min(0.0).max(1.0).limits;
        assert_eq!([0.0, 0.5, 1.0].map(|value| share.complaint(value)), [None, None, None]);
        assert_eq!(share.complaint(1.5).unwrap(), "must be from 0 to 1, found 1.5");
        let rate = Key::new("A").above(0.0).limits;
        assert_eq!(rate.complaint(0.0).unwrap(), "must be above 0, found 0");
        assert_eq!(rate.complaint(f64::NAN).unwrap(), "must be above 0, found NaN");
        let eights = Key::new("A").min(8.0).multiple_of(8).limits;
        assert_eq!(eights.complaint(16.0), None);
        assert_eq!(eights.complaint(0.0).unwrap(), "must be a multiple of 8, at least 8, found 0");
        assert_eq!(eights.complaint(12.0).unwrap(), "must be a multiple of 8, at least 8, found 12");
        let mut schema = Map::new();
        Key::new("A").above(0.0).max(0.5).limits.narrow(&mut schema);
        assert_eq!(Value::Object(schema), json!({"exclusiveMinimum": 0, "maximum": 0.5}));
        assert_eq!(Limits::NONE.words(), "");
    }
}
