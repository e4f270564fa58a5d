//! Label files: what is there already, and writing them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::rules::{Answer, RULES, VERSION};
use super::{LabelOptions, threshold};
use crate::atomic_file::write_atomic;
use crate::data::dataset::Sequence;
use crate::data::labels;
use crate::failure::{Failure, Result};
use crate::reads;

/// Who wrote a file, in its first line.
const LABELLER: &str = "trackflow data label";

/// What is there of a sequence's labels.
pub(super) enum State {
    /// Nothing.
    Missing,
    /// What would be written, or what a user made of that by hand.
    Same,
    /// Something else: what, and what to do.
    Other(String),
}

/// Looks for the labels of `sequence` in `out`.
pub(super) fn state(out: &Path, sequence: &Sequence, options: &LabelOptions) -> State {
    let path = labels::file(out, &sequence.name);
    let _read = reads::begin(&path);
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return State::Missing,
        Err(error) => return State::Other(format!("{}: cannot be read: {error}", path.display())),
    };
    let mut first = String::new();
    // A file that is no text is not ours.
    let _ = BufReader::new(file).read_line(&mut first);
    let line: Value = serde_json::from_str(&first).unwrap_or(Value::Null);
    match &line["labeller"] {
        own if own["name"] != LABELLER => State::Other(format!("{}: holds labels of another origin", path.display())),
        own if own["input"] == digest(sequence, options) => State::Same,
        _ => State::Other(format!("{}: was labelled by other rules or from other boxes", path.display())),
    }
}

/// Nothing, or one failure (74) that names what would be overwritten.
pub(super) fn refuse(others: &[String]) -> Result<()> {
    if others.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = others.iter().take(super::LISTED).cloned().collect();
    if others.len() > super::LISTED {
        lines.push(format!("and {} more files like these", others.len() - super::LISTED));
    }
    lines.push("nothing was written: name another --out, or replace them with --force".into());
    Err(Failure::output(lines.join("\n")))
}

/// What labels follow from: the rules, the boxes, and how many frames there are.
fn digest(sequence: &Sequence, options: &LabelOptions) -> String {
    use threshold::{AREA, BORDER, CONTRAST, FIRST_FRAMES, RING, SCALE, SHARPNESS, SIDE};
    let mut hasher = Xxh3::new();
    let only_found = options.only_found;
    let rules = format!("{SCALE:?} {FIRST_FRAMES} {SIDE} {AREA} {CONTRAST} {RING} {SHARPNESS} {BORDER} {only_found}");
    hasher.update(rules.as_bytes());
    hasher.update(&(sequence.frames.len() as u64).to_le_bytes());
    for (values, visible) in sequence.boxes().iter().zip(sequence.visible()) {
        values.iter().for_each(|value| hasher.update(&value.to_bits().to_le_bytes()));
        hasher.update(&[u8::from(*visible)]);
    }
    format!("{VERSION}-{:016x}", hasher.digest())
}

/// Writes the labels of the frames in `lines` (counted from 0).
///
/// # Errors
/// 74 when the file cannot be written.
pub(super) fn write(
    out: &Path,
    sequence: &Sequence,
    options: &LabelOptions,
    lines: &[(usize, [Option<Answer>; RULES.len()])],
) -> Result<()> {
    let path = labels::file(out, &sequence.name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::output(format!("{}: cannot be made: {error}; name another --out", folder.display()))
        })?;
    }
    let mut text = String::new();
    for (at, (frame, answers)) in lines.iter().enumerate() {
        let mut line = line(sequence, *frame, answers);
        if at == 0 {
            line["labeller"] = json!({"name": LABELLER, "version": VERSION, "input": digest(sequence, options)});
        }
        text += &line.to_string();
        text.push('\n');
    }
    write_atomic(&path, |file| file.write_all(text.as_bytes()).map_err(|error| Failure::output(error.to_string())))?;
    Ok(())
}

fn line(sequence: &Sequence, frame: usize, answers: &[Option<Answer>; RULES.len()]) -> Value {
    let mut attributes = Map::new();
    for (rule, answer) in RULES.iter().zip(answers) {
        if let Some(Answer { value, present, .. }) = answer {
            let prob = f64::from(u8::from(*present));
            let entry = json!({"prob": prob, "source": rule.source, "value": (value * 1e3).round() / 1e3});
            attributes.insert(rule.name.into(), entry);
        }
    }
    let severity = answers.iter().flatten().map(|answer| answer.severity).fold(0.0, f64::max);
    json!({
        "sequence_name": &*sequence.name,
        "frame_id": frame + 1,
        "attributes": attributes,
        "severity": (severity * 1e3).round() / 1e3,
    })
}
