//! What other programs need to know of `run.jsonl`, made from the types: a JSON Schema, and a page of documentation.

use super::line::Wire;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write, sync::LazyLock};

/// The JSON Schema of a line.
pub fn json_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Wire>().to_value();
    without_defaults(&mut schema);
    schema["title"] = "trackflow run.jsonl".into();
    schema
}

/// A field that is missing means nothing but that it is not known.
fn without_defaults(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("default");
            map.values_mut().for_each(without_defaults);
        }
        Value::Array(all) => all.iter_mut().for_each(without_defaults),
        _ => {}
    }
}

/// The schema of each event, by its name.
static EVENTS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let schema = json_schema();
    let mut events = BTreeMap::new();
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        let Some(name) = one["properties"]["event"]["const"].as_str() else { continue };
        let mut one = one.clone();
        if let (Some(own), Some(all)) = (one["properties"].as_object_mut(), schema["properties"].as_object()) {
            own.extend(all.clone());
        }
        events.insert(name.to_string(), one);
    }
    events
});

/// The schema of the event called `name`, if there is such an event.
pub(super) fn of_event(name: &str) -> Option<&'static Value> {
    EVENTS.get(name)
}

/// Adds the places of fields in `value` that its `schema` does not have, as `blocks[].cosine`.
pub(super) fn unknown_fields(value: &Value, schema: &Value, place: &str, unknown: &mut Vec<String>) {
    // Of a type or null, the type.
    let choice = schema["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
    let schema = choice.unwrap_or(schema);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let own = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                match (&schema["properties"][key.as_str()], &schema["additionalProperties"]) {
                    (Value::Null, Value::Null) => unknown.push(own),
                    (Value::Null, inner) => unknown_fields(value, inner, &own, unknown),
                    (inner, _) => unknown_fields(value, inner, &own, unknown),
                }
            }
        }
        Value::Array(all) => {
            let place = format!("{place}[]");
            all.iter().for_each(|value| unknown_fields(value, &schema["items"], &place, unknown));
        }
        _ => {}
    }
}

const INTRO: &str = r#"# run.jsonl

`run.jsonl` in a run's `--save_dir` is the log of a run: one event a line, as JSON. `event` is its name, `time`
when it happened. The first line of each call of the program is `run`, the last one `end`; a call that was killed has no
`end`. A run that goes on appends to its log, and first takes out the lines of batches that it does again.

Three lines of pandas read it:

```python
import pandas as pd
log = pd.read_json("output/run.jsonl", lines=True)
log[(log.event == "pass") & (log.split == "val")].plot(x="epoch", y=["IoU", "Accuracy"])
```

JSON has neither NaN nor infinity: in the place of such a number stands null, and `not_finite` of the line says which it
was. Later versions may add events and fields: ignore what you do not know, as trackflow does, with a note. Names and
meanings stay. `trackflow schema run-log` prints the JSON Schema that this page is made from.
"#;

/// The page about `run.jsonl`, in Markdown.
pub fn documentation() -> String {
    let schema = json_schema();
    let mut page = format!("{INTRO}\n## Every line\n\n{HEAD}");
    rows(&mut page, &schema, "");
    page += "| `event` | text | Which event it is. |\n";
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        let name = one["properties"]["event"]["const"].as_str().unwrap_or_default();
        let _ = write!(page, "\n## {name}\n\n{}\n\n{HEAD}", describe(one));
        rows(&mut page, one, "");
    }
    page
}

const HEAD: &str = "| field | type | meaning |\n|---|---|---|\n";

/// A row for every field of the object that `schema` describes, and for those within.
fn rows(page: &mut String, schema: &Value, place: &str) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if field["const"].is_string() {
            continue;
        }
        let name = format!("{place}{name}");
        let _ = writeln!(page, "| `{name}` | {} | {} |", type_of(field), describe(field));
        let choice = field["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
        let field = choice.unwrap_or(field);
        rows(page, field, &format!("{name}."));
        rows(page, &field["items"], &format!("{name}[]."));
        rows(page, &field["additionalProperties"], &format!("{name}.*."));
    }
}

/// What a schema says of itself, on one line of a table.
fn describe(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// The type in words.
fn type_of(schema: &Value) -> String {
    let word = |name: &Value| {
        match name.as_str().unwrap_or_default() {
            "string" => "text",
            "integer" => "whole number",
            "boolean" => "true or false",
            "array" => "list",
            other => other,
        }
        .to_string()
    };
    let values = |key: &str| -> Vec<String> {
        let all = schema[key].as_array().into_iter().flatten();
        all.map(|one| one["const"].as_str().or(one.as_str()).map_or_else(|| type_of(one), |text| format!("`{text}`")))
            .collect()
    };
    let own = [values("enum"), values("oneOf"), values("anyOf")].concat();
    match &schema["type"] {
        _ if !own.is_empty() => own.join(" or "),
        Value::Array(all) => all.iter().map(word).collect::<Vec<_>>().join(" or "),
        Value::String(name) if name == "array" => format!("list of {}", type_of(&schema["items"])),
        Value::String(name) if name == "object" && !schema["additionalProperties"].is_null() => {
            format!("{} by name", type_of(&schema["additionalProperties"]))
        }
        name => word(name),
    }
}
