//! What pipeline files can say, told by the code that reads them.

use serde_json::{Value, json};

use super::spec::Spec;
use crate::settings::{Diagnostics, Field, Node, schema};
use crate::stage::kind::{Kind, StageContext};

/// The keys of a stage of `kind`, with paths below [`STAGE`].
pub(crate) fn fields<C: StageContext>(kind: &'static Kind<C>) -> Vec<Field> {
    let diagnostics = Diagnostics::new();
    // The text is ours and is YAML; without it there would be nothing to tell.
    if let Ok(node) = Node::parse("", &format!("stages:\n  x: {{kind: {}}}\n", kind.name)) {
        Spec::read(&diagnostics, &node, &std::slice::from_ref(kind).into());
    }
    diagnostics.fields()
}

/// Where the fields of a stage are.
pub(crate) const STAGE: &str = "stages.x";

impl<C: StageContext> Kind<C> {
    /// The keys of a stage of this kind; those of its options are below `options`.
    pub fn keys(&'static self) -> Vec<Field> {
        let root = format!("{STAGE}.");
        let mut fields = fields(self);
        fields.retain(|field| field.path.starts_with(&root));
        fields.iter_mut().for_each(|field| field.path = field.path[root.len()..].to_string());
        fields
    }

    /// The options of this kind.
    pub fn options(&'static self) -> Vec<Field> {
        let root = format!("{STAGE}.options.");
        let mut fields = fields(self);
        fields.retain(|field| field.path.starts_with(&root));
        fields.iter_mut().for_each(|field| field.path = field.path[root.len()..].to_string());
        fields
    }
}

/// The JSON Schema of pipeline files with the stages that `kinds` offer.
pub fn pipeline_schema<C: StageContext>(kinds: &'static [Kind<C>]) -> Value {
    let stages: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            let mut stage = schema(&fields(kind), STAGE);
            stage["title"] = kind.name.into();
            stage["description"] = kind.description.into();
            stage["properties"]["kind"] = json!({"const": kind.name, "description": kind.description});
            if let Value::Object(properties) = &mut stage["properties"]
                && kind.worker_limit() > 1
                && let Some(Value::Object(workers)) = properties.get_mut("workers")
            {
                workers.insert(
                    "oneOf".into(),
                    json!([
                        {"type": "integer", "minimum": 1, "maximum": kind.worker_limit()},
                        {"const": "auto"}
                    ]),
                );
            }
            stage
        })
        .collect();
    let mut all = kinds.first().map_or(json!({}), |kind| schema(&fields(kind), ""));
    all["properties"]["stages"] = json!({
        "description": "the stages by name, in the order of the flow",
        "type": "object",
        "propertyNames": {"pattern": "^[a-z0-9_-]+$"},
        "additionalProperties": {"oneOf": stages},
    });
    all["required"] = json!(["name", "stages"]);
    all["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    all["title"] = "trackflow pipeline".into();
    all
}
