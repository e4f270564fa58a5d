//! `trackflow schema`: JSON Schemas of the files that users write, for editors that complete and check them, and of the log
//! that runs write, for programs that read it; and the reference of all keys.

mod docs;

use crate::{
    failure::{Failure, Result},
    flow::pipeline_schema,
    settings::schema as of_fields,
    stages::KINDS,
    train::{experiment::Keys, run_event},
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

/// `trackflow schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which file
    #[arg(value_enum)]
    of: Of,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    /// configs/<script>/<config>.yaml
    Experiment,
    /// pipelines/<name>.yaml
    Pipeline,
    /// A line of run.jsonl
    RunLog,
    /// The reference of all keys of both, as Markdown (docs/configuration.md)
    Docs,
}

/// Prints the schema.
///
/// # Errors
/// None that a user can cause.
pub fn schema(args: &SchemaArgs) -> Result<()> {
    print!("{}", text(args.of)?);
    Ok(())
}

fn text(of: Of) -> Result<String> {
    let value = match of {
        Of::Pipeline => pipeline_schema(&KINDS),
        Of::Experiment => experiment()?,
        Of::RunLog => run_event::schema::json_schema(),
        Of::Docs => return docs::text(),
    };
    let text = serde_json::to_string_pretty(&value);
    Ok(text.map_err(|error| Failure::output(format!("the schema: {error}")))? + "\n")
}

fn experiment() -> Result<Value> {
    let keys = Keys::all()?;
    let fields = keys.fields();
    let mut all = of_fields(fields, "");
    let phases = &mut all["properties"]["TRAIN"]["properties"]["PHASES"];
    let one = phases["properties"]["phase"].take();
    phases["additionalProperties"] = one;
    phases["properties"] = json!({});
    all["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    all["title"] = "trackflow experiment".into();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files of the repository are what the program would print. `TRACKFLOW_BLESS=1` writes them.
    #[test]
    fn schemas_and_reference_in_the_repository_are_current() {
        for (of, name, file) in [
            (Of::Experiment, "experiment", "schemas/experiment.schema.json"),
            (Of::Pipeline, "pipeline", "schemas/pipeline.schema.json"),
            (Of::RunLog, "run-log", "schemas/run-log.schema.json"),
            (Of::Docs, "docs", "docs/configuration.md"),
        ] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let current = text(of).unwrap();
            if std::env::var_os("TRACKFLOW_BLESS").is_some() {
                std::fs::write(&path, &current).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(kept == current, "{name}: run `trackflow schema {name} > {file}`");
        }
    }

    /// Paths of the properties below `schema` that do not say what they mean.
    fn mute(schema: &Value, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            if property["description"].as_str().is_none_or(str::is_empty) {
                found.push(path.clone());
            }
            found.extend(mute(property, &path));
        }
        for below in schema["oneOf"].as_array().into_iter().flatten().chain([&schema["additionalProperties"]]) {
            if below.is_object() {
                found.extend(mute(below, path));
            }
        }
        found
    }

    #[test]
    fn every_key_says_what_it_means() {
        assert_eq!(mute(&experiment().unwrap(), ""), Vec::<String>::new());
        let pipeline = pipeline_schema(&KINDS);
        let stages = &pipeline["properties"]["stages"]["additionalProperties"];
        assert!(stages["oneOf"].as_array().is_some_and(|kinds| kinds.len() == KINDS.len()));
        assert_eq!(mute(&pipeline, ""), Vec::<String>::new());
    }

    #[test]
    fn ranges_in_the_schema_are_those_that_are_enforced() {
        let schema = experiment().unwrap();
        let train = &schema["properties"]["TRAIN"]["properties"];
        assert_eq!(train["BATCH_SIZE"]["minimum"], 1);
        assert_eq!(train["SCHEDULER"]["properties"]["DECAY_RATE"]["maximum"], 1);
        assert_eq!(train["PHASES"]["additionalProperties"]["properties"]["KEEP_RATE"]["exclusiveMinimum"], 0);
    }
}
