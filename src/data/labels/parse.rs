//! One line of a label file, in either schema.

use serde_json::{Map, Value};

use super::{ConditionSet, Soft};
use crate::data::condition::Condition;
use crate::text::shown;

/// The judged conditions by priority, under the names of both schemas. Glare is a matter of light, and the later
/// schema counts the object's changed appearance to the change of light.
pub const RANKED: [(&str, Condition); 9] = [
    ("occlusion", Condition::Occlusion),
    ("motion_blur", Condition::MotionBlur),
    ("illu_change", Condition::IlluminationChange),
    ("illumination_appearance_change", Condition::IlluminationChange),
    ("specular_glare", Condition::IlluminationChange),
    ("partial_visibility", Condition::PartialVisibility),
    ("out_of_frame", Condition::PartialVisibility),
    ("variance_appear", Condition::AppearanceVariation),
    ("background_clutter", Condition::BackgroundClutter),
];

/// The measured conditions, none before the others.
pub const MEASURED: [(&str, Condition); 4] = [
    ("scale_variation", Condition::ScaleVariation),
    ("low_res", Condition::LowResolution),
    ("low_resolution", Condition::LowResolution),
    ("low_contrast", Condition::LowContrast),
];

/// The probability from which a condition of the later schema is present.
const PRESENT: f32 = 0.5;

/// What one line says.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Counted from 0.
    pub frame: usize,
    /// All conditions that are present; normal where none is.
    pub present: ConditionSet,
    pub soft: Option<Soft>,
}

/// What a line says, or what is wrong with it.
pub(super) fn line(line: &str) -> Result<Line, String> {
    let record: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
        // The position of serde_json is within this line.
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        format!("not a JSON object: {} at column {}", shown(what), error.column())
    })?;
    let id = record.get("frame_id").ok_or("frame_id is missing; frames are counted from 1")?;
    let frame = id
        .as_u64()
        .filter(|&id| id > 0)
        .ok_or_else(|| format!("frame_id is {}; frames are counted from 1", shown(id.to_string())))?;

    let mut answers: Vec<(&str, f32)> = Vec::new();
    for group in ["vlm_response", "cv_response", "attributes"] {
        match record.get(group) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (name, value) in entries {
                    if RANKED.iter().chain(&MEASURED).any(|(known, _)| known == name) {
                        answers.push((name, probability(value).map_err(|what| format!("{group}.{name}: {what}"))?));
                    }
                }
            }
            Some(_) => return Err(format!("{group} is not an object")),
        }
    }
    if answers.is_empty() {
        return Err("names no condition in vlm_response, cv_response or attributes".into());
    }
    let severity = match record.get("severity") {
        None | Some(Value::Null) => None,
        Some(value) => Some(severity(value)?),
    };
    let later = record.get("attributes").is_some_and(Value::is_object);
    let probabilities = by_class(&answers);
    let soft = later.then_some(Soft { probabilities, severity });
    Ok(Line { frame: frame as usize - 1, present: present(&probabilities), soft })
}

/// A number, or one by attribute of which the largest counts.
fn severity(value: &Value) -> Result<f32, String> {
    let wrong =
        || format!("severity is {}; write a number from 0 on, or one for each attribute", shown(value.to_string()));
    let number = |value: &Value| value.as_f64().filter(|v| *v >= 0.0).map(|v| v as f32).ok_or_else(wrong);
    match value {
        Value::Object(entries) => entries.values().try_fold(0.0f32, |most, value| Ok(most.max(number(value)?))),
        value => number(value),
    }
}

fn by_class(answers: &[(&str, f32)]) -> [f32; Condition::COUNT] {
    let mut all = [0.0f32; Condition::COUNT];
    for (name, probability) in answers {
        if let Some((_, condition)) = RANKED.iter().chain(&MEASURED).find(|(known, _)| known == name) {
            let slot = &mut all[condition.index()];
            *slot = slot.max(*probability);
        }
    }
    all[Condition::Normal.index()] = 1.0 - all.iter().fold(0.0, |most: f32, p| most.max(*p));
    all
}

fn present(probabilities: &[f32; Condition::COUNT]) -> ConditionSet {
    let mut present = ConditionSet::default();
    let disturbs = |condition: &Condition| *condition != Condition::Normal;
    let is_present = |condition: &Condition| probabilities[condition.index()] >= PRESENT;
    Condition::ALL.into_iter().filter(disturbs).filter(is_present).for_each(|condition| present.insert(condition));
    if present.is_empty() { ConditionSet::only(Condition::Normal) } else { present }
}

/// The classes of a frame in which these conditions are present: the first of the judged ones, or else all there are.
pub(super) fn classes(present: ConditionSet) -> ConditionSet {
    let judged = RANKED.iter().map(|(_, condition)| *condition).find(|condition| present.contains(*condition));
    judged.map_or(present, ConditionSet::only)
}

/// How probable a value makes its condition: `0`/`1`, `{"flag": 0/1}` or `{"prob": 0…1}`.
fn probability(value: &Value) -> Result<f32, String> {
    let flag = |value: &Value| match value {
        Value::Bool(flag) => Ok(f32::from(u8::from(*flag))),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(0.0),
        Value::Number(number) if number.as_f64() == Some(1.0) => Ok(1.0),
        other => Err(format!("{} is not 0 or 1", shown(other.to_string()))),
    };
    let Value::Object(entry) = value else { return flag(value) };
    if let Some(value) = entry.get("flag") {
        return flag(value);
    }
    let prob = entry.get("prob").ok_or("holds neither flag nor prob")?;
    match prob.as_f64() {
        Some(p) if (0.0..=1.0).contains(&p) => Ok(p as f32),
        _ => Err(format!("{} is not a probability", shown(prob.to_string()))),
    }
}
