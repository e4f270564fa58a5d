//! `TRAIN.SCHEDULER`: how the learning rate changes.

use super::{at_least_one, fraction, not_negative, positive};
use crate::settings::Section;

/// `TRAIN.SCHEDULER` and what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// The curve after the warm-up.
    pub kind: ScheduleKind,
    /// Epochs of linear warm-up at the start of a phase; a fraction is fine.
    pub warmup_epochs: f64,
}

/// How the learning rate falls within a phase; epochs count from the phase's start.
#[derive(Clone, Debug, PartialEq)]
pub enum ScheduleKind {
    /// Multiplied by `rate` every `every` epochs.
    Step {
        /// Epochs between two drops.
        every: usize,
        /// Factor of a drop.
        rate: f64,
    },
    /// Multiplied by `rate` at each of the epochs.
    MultiStep {
        /// Epochs of the drops.
        milestones: Vec<usize>,
        /// Factor of a drop.
        rate: f64,
    },
    /// Half a cosine over the phase, down to `floor` × the first rate (Loshchilov and Hutter, 2017).
    Cosine {
        /// The last rate as a share of the first.
        floor: f64,
    },
}

impl Schedule {
    pub(super) fn read(train: &mut Section<'_>, compat: bool) -> Self {
        let mut section = train.section("SCHEDULER");
        let name = section.chosen("TYPE", "step", &["step", "Mstep", "cosine"]);
        let mut no_drop_epoch = None;
        let kind = match name {
            Some("step") => {
                let rate = step_rate(&mut section, compat);
                for key in ["MILESTONES", "GAMMA"] {
                    belongs(&mut section, key, "step", "Mstep", "step falls by DECAY_RATE every LR_DROP_EPOCH epochs");
                }
                belongs(&mut section, "MIN_LR_RATIO", "step", "cosine", "step falls by DECAY_RATE");
                ScheduleKind::Step { every: 0, rate }
            }
            Some("Mstep") => {
                belongs(&mut section, "MIN_LR_RATIO", "Mstep", "cosine", "Mstep falls by GAMMA");
                no_drop_epoch = Some("TRAIN.SCHEDULER.TYPE Mstep drops at its MILESTONES");
                milestones(&mut section)
            }
            Some(_) => {
                for key in ["MILESTONES", "GAMMA"] {
                    belongs(&mut section, key, "cosine", "Mstep", "cosine falls evenly to MIN_LR_RATIO");
                }
                let why = "TRAIN.SCHEDULER.TYPE cosine has no drops; MIN_LR_RATIO says where it ends";
                section.idle("DECAY_RATE", 0.1, why);
                no_drop_epoch = Some(why);
                ScheduleKind::Cosine { floor: section.checked("MIN_LR_RATIO", 0.0, fraction) }
            }
            // Of a type that does not exist nothing else is concluded.
            None => {
                section.value("DECAY_RATE", 0.1);
                section.value("MILESTONES", Vec::<usize>::new());
                section.value("GAMMA", 0.1);
                section.value("MIN_LR_RATIO", 0.0);
                ScheduleKind::Step { every: 0, rate: 0.1 }
            }
        };
        let warmup_epochs = section.checked("WARMUP_EPOCHS", 0.0, not_negative);
        section.close();
        // The resolved file has a section in one piece, so this key of the one around it comes after it.
        let kind = match (kind, no_drop_epoch) {
            (ScheduleKind::Step { rate, .. }, _) => {
                ScheduleKind::Step { every: train.checked("LR_DROP_EPOCH", 400, at_least_one), rate }
            }
            (kind, why) => {
                train.idle("LR_DROP_EPOCH", 400usize, why.unwrap_or_default());
                kind
            }
        };
        Self { kind, warmup_epochs }
    }

    /// The learning rate as a share of the phase's, at `progress` epochs (with fraction) into a phase of `epochs`.
    pub fn factor(&self, progress: f64, epochs: usize) -> f64 {
        if progress < self.warmup_epochs {
            return progress / self.warmup_epochs;
        }
        match &self.kind {
            ScheduleKind::Step { every, rate } => rate.powi((progress as usize / every) as i32),
            ScheduleKind::MultiStep { milestones, rate } => {
                rate.powi(milestones.iter().filter(|milestone| progress >= **milestone as f64).count() as i32)
            }
            ScheduleKind::Cosine { floor } => {
                let span = (epochs as f64 - self.warmup_epochs).max(f64::MIN_POSITIVE);
                let share = ((progress - self.warmup_epochs) / span).min(1.0);
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
        }
    }
}

/// The factor of a drop. The reference reads no `DECAY_RATE` and drops by 0.1.
fn step_rate(section: &mut Section<'_>, compat: bool) -> f64 {
    if compat {
        section.idle("DECAY_RATE", 0.1, "COMPAT: reference drops by 0.1, as the reference reads no DECAY_RATE");
        return 0.1;
    }
    section.checked("DECAY_RATE", 0.1, positive)
}

/// `Mstep`: where it drops, and by how much: by `GAMMA`, or without one by `DECAY_RATE`.
fn milestones(section: &mut Section<'_>) -> ScheduleKind {
    let milestones = section.says("Mstep: the epochs of the drops").value("MILESTONES", Vec::<usize>::new());
    if milestones.is_empty() {
        section.problem("MILESTONES", "Mstep drops at the epochs that it lists; give some, for example [60, 80]");
    }
    section.says("Mstep: the factor of a drop");
    let rate = match section.has("GAMMA") {
        true => {
            let rate = section.checked("GAMMA", 0.1, positive);
            section.idle("DECAY_RATE", 0.1, "GAMMA is the factor of Mstep's drops");
            rate
        }
        false => {
            section.idle("GAMMA", 0.1, "");
            section.checked("DECAY_RATE", 0.1, positive)
        }
    };
    ScheduleKind::MultiStep { milestones, rate }
}

/// A key that only another type reads.
fn belongs(section: &mut Section<'_>, key: &'static str, kind: &str, of: &str, instead: &str) {
    let why = format!("belongs to TYPE {of}, and this is {kind}: {instead}; leave it out");
    match key {
        "MILESTONES" => section.refused(key, Vec::<usize>::new(), why),
        "GAMMA" => section.refused(key, 0.1, why),
        _ => section.refused(key, 0.0, why),
    }
}
