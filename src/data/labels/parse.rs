//! One line of a label file, in either schema.

use serde_json::{Map, Value};

use super::{ConditionSet, Soft};
use crate::data::condition::Condition;
use crate::settings::nearest;
use crate::text::excerpt;

/// The judged conditions by priority, under the names of both schemas and of this program. Glare is a matter of light,
/// and the later schema counts the object's changed appearance to the change of light.
pub const RANKED: [(&str, Condition); 12] = [
    ("occlusion", Condition::Occlusion),
    ("motion_blur", Condition::MotionBlur),
    ("illumination_change", Condition::IlluminationChange),
    ("illu_change", Condition::IlluminationChange),
    ("illumination_appearance_change", Condition::IlluminationChange),
    ("specular_glare", Condition::IlluminationChange),
    ("partial_visibility", Condition::PartialVisibility),
    ("out_of_frame", Condition::PartialVisibility),
    ("appearance_variation", Condition::AppearanceVariation),
    ("variance_appear", Condition::AppearanceVariation),
    ("variance_in_appearance", Condition::AppearanceVariation),
    ("background_clutter", Condition::BackgroundClutter),
];

/// The measured conditions, none before the others.
pub const MEASURED: [(&str, Condition); 5] = [
    ("scale_variation", Condition::ScaleVariation),
    ("low_resolution", Condition::LowResolution),
    ("low_res", Condition::LowResolution),
    ("low_contrast", Condition::LowContrast),
    ("low_contrast_object", Condition::LowContrast),
];

/// The condition that a name in a label file stands for, in either schema.
pub fn condition(name: &str) -> Option<Condition> {
    let all = RANKED.iter().chain(&MEASURED);
    let normal = (name == Condition::Normal.name()).then_some(Condition::Normal);
    all.copied().find(|(known, _)| *known == name).map(|(_, condition)| condition).or(normal)
}

/// Every name that a label file may use.
pub fn names() -> impl Iterator<Item = &'static str> {
    RANKED.iter().chain(&MEASURED).map(|(name, _)| *name).chain([Condition::Normal.name()])
}

/// What is wrong with a name that is not one of them: what was meant, and what there is.
pub fn unknown(name: &str) -> String {
    let meant = nearest(name, names()).map_or(String::new(), |near| format!("did you mean {near}? "));
    let own: Vec<&str> = Condition::ALL.iter().map(|condition| condition.name()).collect();
    let others: Vec<&str> = names().filter(|name| !own.contains(name)).collect();
    format!("unknown condition; {meant}valid are {} (or {})", own.join(", "), others.join(", "))
}

/// Whether a name that is not known looks like one that is.
pub(super) fn is_misspelt(name: &str) -> bool {
    nearest(name, names()).is_some()
}

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
    /// Names that no condition has, with the group in which they stand.
    pub unknown: Vec<(&'static str, String)>,
    /// Whether it names any condition that there is.
    pub answers: bool,
}

/// What a line says, or what is wrong with it.
pub(super) fn line(line: &str) -> Result<Line, String> {
    let record: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
        // The position of serde_json is within this line.
        let text = error.to_string();
        let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        format!("not a JSON object: {} at column {}", excerpt(what), error.column())
    })?;
    let id = record.get("frame_id").ok_or("frame_id is missing; frames are counted from 1")?;
    let frame = id
        .as_u64()
        .filter(|&id| id > 0)
        .ok_or_else(|| format!("frame_id is {}; frames are counted from 1", excerpt(id.to_string())))?;

    let mut answers: Vec<(Condition, f32)> = Vec::new();
    let mut unknown = Vec::new();
    for group in ["vlm_response", "cv_response", "attributes"] {
        match record.get(group) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (name, value) in entries {
                    match condition(name) {
                        Some(condition) => {
                            let value = probability(value).map_err(|what| format!("{group}.{name}: {what}"))?;
                            answers.push((condition, value));
                        }
                        None => unknown.push((group, name.clone())),
                    }
                }
            }
            Some(_) => return Err(format!("{group} is not an object")),
        }
    }
    if answers.is_empty() && unknown.is_empty() {
        return Err("names no condition in vlm_response, cv_response or attributes".into());
    }
    let severity = match record.get("severity") {
        None | Some(Value::Null) => None,
        Some(value) => Some(severity(value)?),
    };
    let later = record.get("attributes").is_some_and(Value::is_object);
    let probabilities = by_class(&answers);
    let present = present(&probabilities);
    check_normal(&answers, present)?;
    let soft = later.then_some(Soft { probabilities, severity });
    Ok(Line { frame: frame as usize - 1, present, soft, unknown, answers: !answers.is_empty() })
}

/// A number, or one by attribute of which the largest counts.
fn severity(value: &Value) -> Result<f32, String> {
    let wrong =
        || format!("severity is {}; write a number from 0 on, or one for each attribute", excerpt(value.to_string()));
    let number = |value: &Value| value.as_f64().filter(|v| *v >= 0.0).map(|v| v as f32).ok_or_else(wrong);
    match value {
        Value::Object(entries) => entries.values().try_fold(0.0f32, |most, value| Ok(most.max(number(value)?))),
        value => number(value),
    }
}

/// A frame is normal, or there is a condition: not both, and not neither.
fn check_normal(answers: &[(Condition, f32)], present: ConditionSet) -> Result<(), String> {
    let stated = answers.iter().filter(|(condition, _)| *condition == Condition::Normal).map(|(_, value)| *value);
    let Some(normal) = stated.reduce(f32::max) else { return Ok(()) };
    let is_normal = present.contains(Condition::Normal);
    match present.iter().find(|condition| *condition != Condition::Normal) {
        Some(other) if normal >= PRESENT => Err(format!("names both normal and {other}; keep one of them")),
        None if is_normal && normal == 0.0 => {
            Err("the frame is not normal, but no condition is given; name one".into())
        }
        _ => Ok(()),
    }
}

/// The largest of the answers for each class; what they leave to 1 is normal, unless that is stated.
fn by_class(answers: &[(Condition, f32)]) -> [f32; Condition::COUNT] {
    let mut all = [0.0f32; Condition::COUNT];
    for (condition, probability) in answers {
        let slot = &mut all[condition.index()];
        *slot = slot.max(*probability);
    }
    if !answers.iter().any(|(condition, _)| *condition == Condition::Normal) {
        all[Condition::Normal.index()] = 1.0 - all.iter().fold(0.0, |most: f32, p| most.max(*p));
    }
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
        other => Err(format!("{} is not 0 or 1", excerpt(other.to_string()))),
    };
    let Value::Object(entry) = value else { return flag(value) };
    if let Some(value) = entry.get("flag") {
        return flag(value);
    }
    let prob = entry.get("prob").ok_or("holds neither flag nor prob")?;
    match prob.as_f64() {
        Some(p) if (0.0..=1.0).contains(&p) => Ok(p as f32),
        _ => Err(format!("{} is not a probability", excerpt(prob.to_string()))),
    }
}
