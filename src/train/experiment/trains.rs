//! What a run trains, in one line.

use super::{
    Experiment, Phase,
    family::{Family, Kind},
    phases::Freezing,
};

/// The parts of a tracker by the beginnings of their parameters' names; the first is the backbone.
const PARTS: [(&str, &str); 8] = [
    ("backbone.", "backbone"),
    ("HIP.", "prompts"),
    ("key_proj.", "prompts"),
    ("key_comp.", "prompts"),
    ("searchRegionFusion.", "fusion"),
    ("box_head.", "box head"),
    ("cls_head.", "condition head"),
    ("film.", "modulation by conditions"),
];

/// `trains: …`: what trains in each phase, how fast, and which key decided where the file's own family would differ.
pub(super) fn line(experiment: &Experiment, kind: &Kind, freezing: Freezing) -> String {
    let model = match experiment.model.new_hip {
        true => "HIPTrack",
        false => "OSTrack",
    };
    let phases = &experiment.training.phases;
    let parts: Vec<String> = phases
        .iter()
        .map(|phase| {
            let what = one(experiment, phase);
            if phases.len() > 1 { format!("{} ({}): {what}", phase.name, epochs(phase.epochs)) } else { what }
        })
        .collect();
    let mut line = format!("trains: {model}: {}", parts.join("; then "));
    // Where phases say what they train, they decide.
    if phases.iter().any(|phase| !phase.touches_backbone()) && freezing.frozen || freezing.always {
        line += &format!("; backbone frozen ({})", because(experiment, kind, freezing));
    } else if freezing.written && !freezing.frozen && kind.family() == Family::HipTrack {
        line += " (TRAIN.FREEZE_BACKBONE: False decides; a HIPTrack without condition head would freeze the backbone)";
    }
    if let Some(epoch) = experiment.training.freeze_class_epoch {
        line += &format!("; condition head frozen from epoch {epoch} on (TRAIN.FREEZE_CLS_EPOCH)");
    }
    if experiment.model.classes == 0 {
        let said = if kind.no_classes { "MODEL.CLS_HEAD.NUM_CLASSES: 0" } else { "MODEL.CLS_HEAD absent" };
        line += &format!("; no condition head ({said})");
    }
    line
}

fn because(experiment: &Experiment, kind: &Kind, freezing: Freezing) -> String {
    let frozen = if freezing.frozen { "True" } else { "False" };
    match (freezing.frozen, freezing.written, kind.family()) {
        (false, ..) => "phases train other parts".into(),
        (true, true, Family::OsTrack) => {
            format!("TRAIN.FREEZE_BACKBONE: {frozen} decides; an OSTrack would train it too")
        }
        (true, true, Family::MultiTask) if !experiment.compat => {
            format!("TRAIN.FREEZE_BACKBONE: {frozen} decides; a multi-task tracker would train it too")
        }
        (true, true, _) => format!("TRAIN.FREEZE_BACKBONE: {frozen}"),
        (true, false, Family::MultiTask) => "COMPAT: reference, TRAIN.FREEZE_BACKBONE absent".into(),
        (true, false, family) => format!("TRAIN.FREEZE_BACKBONE absent, {}", family.name()),
    }
}

/// What one phase trains.
fn one(experiment: &Experiment, phase: &Phase) -> String {
    let (lr, multiplier) = (phase.lr, experiment.training.backbone_multiplier);
    let is_known = |pattern: &String| pattern.is_empty() || PARTS.iter().any(|(prefix, _)| pattern == prefix);
    if !phase.trains.iter().all(is_known) {
        let own = if phase.touches_backbone() {
            format!(", of the backbone {}", rate(lr * multiplier))
        } else {
            String::new()
        };
        return format!("what matches [{}] (lr {}{own})", phase.trains.join(", "), rate(lr));
    }
    let exists = |prefix: &str| match prefix {
        "HIP." | "key_proj." | "key_comp." | "searchRegionFusion." => experiment.model.new_hip,
        "cls_head." => experiment.model.classes > 0,
        "film." => experiment.training.mtl.film,
        _ => true,
    };
    let mut heads: Vec<&str> =
        PARTS[1..].iter().filter(|(prefix, _)| exists(prefix) && phase.trains(prefix)).map(|(_, name)| *name).collect();
    heads.dedup();
    let mut parts = Vec::new();
    if !heads.is_empty() {
        parts.push(format!("{} (lr {})", heads.join(", "), rate(lr)));
    }
    if phase.trains(PARTS[0].0) {
        parts.push(format!("backbone (lr {})", rate(lr * multiplier)));
    }
    let lambda = if phase.trains("cls_head.") && exists("cls_head.") {
        format!(", λ {}", phase.class_weight)
    } else {
        String::new()
    };
    match parts.is_empty() {
        true => "nothing".into(),
        false => parts.join(", ") + &lambda,
    }
}

fn epochs(count: usize) -> String {
    format!("{count} epoch{}", if count == 1 { "" } else { "s" })
}

/// `1e-4`, `4e-5`, `0.025`: short, and without the last digits of a product.
fn rate(lr: f64) -> String {
    let rounded: f64 = format!("{lr:.6e}").parse().unwrap_or(lr);
    if rounded != 0.0 && rounded < 0.01 { format!("{rounded:e}") } else { format!("{rounded}") }
}
