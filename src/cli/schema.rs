//! `trackflow schema`: JSON Schemas of the files that users write, for editors that complete and check them, and of the log
//! that runs write, for programs that read it.

use crate::{
    failure::{Failure, Result},
    flow::pipeline_schema,
    settings::{Node, Reading, schema as of_fields},
    stages::KINDS,
    train::{experiment::Experiment, run_event},
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
    };
    let text = serde_json::to_string_pretty(&value);
    Ok(text.map_err(|error| Failure::output(format!("the schema: {error}")))? + "\n")
}

/// Sections that are read only where they are written; `phase` stands for any name. Defaults are a HIPTrack's.
const OPTIONAL: &str = "DATA: {SYNTH: {}}\nMODEL: {NEW_HIP: True, CLS_HEAD: {}}\nTRAIN: {PHASES: {phase: {}}}\n";

fn experiment() -> Result<Value> {
    let reading = Reading::new();
    Experiment::draft(&reading, &Node::parse("", OPTIONAL)?);
    let mut fields = reading.fields();
    // Its default is the number of cores, and the schema is not of one machine.
    fields.iter_mut().filter(|field| field.path == "TRAIN.THREADS").for_each(|field| field.default = None);
    // Phases are read one by one, so their own section is not asked for by name.
    let phase = json!({"type": "object"});
    let place = fields.iter().position(|field| field.path == "TRAIN.PHASES");
    if let Some(place) = place {
        let field = crate::settings::Field {
            path: "TRAIN.PHASES.phase".into(),
            about: "a phase of training, under a name of your choice",
            type_: crate::settings::FieldType::Section,
            schema: phase,
            default: None,
        };
        fields.insert(place + 1, field);
    }
    let mut all = of_fields(&fields, "");
    let phases = &mut all["properties"]["TRAIN"]["properties"]["PHASES"];
    let one = phases["properties"]["phase"].take();
    *phases = json!({"type": "object", "additionalProperties": one});
    all["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    all["title"] = "trackflow experiment".into();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files that editors use are what the program would print. `TRACKFLOW_BLESS=1` writes them.
    #[test]
    fn the_schemas_in_the_repository_are_current() {
        for (of, name) in [(Of::Experiment, "experiment"), (Of::Pipeline, "pipeline"), (Of::RunLog, "run-log")] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
            let current = text(of).unwrap();
            if std::env::var_os("TRACKFLOW_BLESS").is_some() {
                std::fs::write(&path, &current).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(kept == current, "{name}: run `trackflow schema {name} > schemas/{name}.schema.json`");
        }
    }
}
