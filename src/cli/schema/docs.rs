//! `trackflow schema docs`: the reference of all keys, from their declarations.

use crate::{
    failure::Result,
    flow::{Kind, StageContext},
    settings::{Field, FieldType, Standing},
    stages::KINDS,
    train::experiment::{Family, Keys, by_family},
};

const HEAD: &str = "# Configuration

Every key of an experiment (`configs/<script>/<config>.yaml`) and of a pipeline (`pipelines/<name>.yaml`). This page is
made by `trackflow schema docs` from the declarations that the program reads files by, so ranges and defaults are those
that hold. `--set TRAIN.LR=0.0002` sets a key for one run. Editors complete and check the files with the schemas in
`schemas/`.

";

const EXPERIMENT: &str = "## Experiment

What an absent key means may depend on the family: *OSTrack* (backbone and box head), *HIPTrack* (`MODEL.NEW_HIP`: with
historical prompts), *multi-task* (`MODEL.CLS_HEAD` or any `TRAIN.CLS_*`: with a condition head; below beside prompts). *Resume* says whether the
key may change when a run goes on; otherwise the change is refused unless `--allow_changes` is given.

";

const PIPELINE: &str = "## Pipeline

A pipeline has a `name`, a `description` and `stages`: each a name of your choice with these keys, in the order of the flow.

";

/// The page.
///
/// # Errors
/// None that a user can cause.
pub fn text() -> Result<String> {
    let mut text = HEAD.to_string() + EXPERIMENT;
    let (all, families) = (Keys::all()?, by_family()?);
    text += "| key | type | absent | range | resume | |\n|---|---|---|---|---|---|\n";
    for field in top(all.fields(), "").filter(|field| field.type_ != FieldType::Section) {
        text += &experiment_row(field, &families);
    }
    for section in all.fields().iter().filter(|field| field.type_ == FieldType::Section) {
        let keys: Vec<&Field> =
            top(all.fields(), &section.path).filter(|field| field.type_ != FieldType::Section).collect();
        text +=
            &format!("\n### {}\n\n{}\n", section.path.replace(".phase", ".*name*"), escaped(&section.description()));
        if !keys.is_empty() {
            text += "\n| key | type | absent | range | resume | |\n|---|---|---|---|---|---|\n";
        }
        keys.into_iter().for_each(|field| text += &experiment_row(field, &families));
    }
    text += "\n";
    text += PIPELINE;
    text += &stages(&KINDS);
    Ok(text)
}

/// The fields right below `section`.
fn top<'a>(fields: &'a [Field], section: &'a str) -> impl Iterator<Item = &'a Field> {
    fields.iter().filter(move |field| field.path.rsplit_once('.').map_or("", |(parent, _)| parent) == section)
}

fn experiment_row(field: &Field, families: &[(Family, Keys); 3]) -> String {
    let mut known: Vec<(&str, &Field)> =
        families.iter().filter_map(|(family, keys)| Some((family.name(), keys.get(&field.path)?))).collect();
    known.retain(|(_, field)| field.standing != Standing::Refused);
    if known.iter().any(|(_, field)| field.standing == Standing::Acts) {
        known.retain(|(_, field)| field.standing == Standing::Acts);
    }
    let value = |field: &Field| field.default.as_ref().map_or("none".to_string(), |default| format!("`{default}`"));
    let is_same = known.windows(2).all(|pair| pair[0].1.default == pair[1].1.default);
    let absent = match (field.absent, &field.type_) {
        (Some(absent), _) => absent.to_string(),
        (None, FieldType::Required(_)) => "refused".into(),
        (None, _) if is_same => known.first().map_or_else(|| value(field), |(_, field)| value(field)),
        (None, _) => {
            known.iter().map(|(name, field)| format!("{} ({name})", value(field))).collect::<Vec<_>>().join(", ")
        }
    };
    let only = match known.len() {
        0 | 3 => String::new(),
        _ => format!(" Only {}.", known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" and ")),
    };
    let old = field.alias.map_or(String::new(), |old| format!(" Old name: {old}."));
    let metadata = format!("{}{only}{old}", field.description);
    row(field, &absent, Some(field.resume.describe()), &metadata)
}

fn row(field: &Field, absent: &str, resume: Option<&str>, metadata: &str) -> String {
    let key = field.path.rsplit('.').next().unwrap_or_default();
    let (type_, range) = (words(&field.type_), field.limits.words());
    let resume = resume.map_or(String::new(), |resume| format!(" {} |", escaped(resume)));
    format!("| `{key}` | {} | {} | {range} |{resume} {} |\n", escaped(&type_), escaped(absent), escaped(metadata))
}

fn words(type_: &FieldType) -> String {
    match type_ {
        FieldType::Choice(names) => names.split(", ").map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        other => other.words(),
    }
}

fn stages<C: StageContext>(kinds: &'static [Kind<C>]) -> String {
    let mut text = String::new();
    let head = "| key | type | absent | range | |\n|---|---|---|---|---|\n";
    let default = |field: &Field| field.default.as_ref().map_or("none".to_string(), |value| format!("`{value}`"));
    if let Some(kind) = kinds.iter().find(|kind| kind.worker_limit() > 1) {
        text += head;
        for field in kind.keys().iter().filter(|field| !field.path.contains('.')) {
            let absent = match (&field.type_, field.path.as_str()) {
                (FieldType::Required(_), _) => "refused".into(),
                (_, "workers" | "capacity") => "as its kind says".into(),
                _ => default(field),
            };
            text += &row(field, &absent, None, field.description);
        }
    }
    for kind in kinds {
        text += &format!("\n### {}\n\n{}.\n", kind.name, escaped(kind.description));
        let options: Vec<Field> =
            kind.options().into_iter().filter(|option| option.type_ != FieldType::Section).collect();
        if options.is_empty() {
            continue;
        }
        text += "\n| option | type | absent | range | |\n|---|---|---|---|---|\n";
        for option in options {
            let absent = option.absent.map_or_else(|| default(&option), str::to_string);
            // Options of options keep their path.
            let path = option.path.replace('.', ": ");
            text += &row(&Field { path, ..option.clone() }, &absent, None, option.description);
        }
    }
    text
}

/// As a cell of a table.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;")
}
