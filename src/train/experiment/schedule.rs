//! `TRAIN.SCHEDULER`: how the learning rate changes.

use super::training::Context;
use crate::settings::{Config, Section};

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

/// What `TRAIN` says about the learning rate's way.
#[derive(Config)]
#[config(context = Context<'_>)]
pub(super) struct ScheduleKeys {
    /// How the learning rate falls within a phase.
    #[config(key = "SCHEDULER", nested)]
    scheduler: SchedulerKeys,
    /// step: epochs between two drops.
    #[config(key = "LR_DROP_EPOCH", default = 400, min = 1, inactive = scheduler.no_drop_epoch())]
    every: usize,
}

/// `TRAIN.SCHEDULER`.
#[derive(Config)]
#[config(context = Context<'_>, check = SchedulerKeys::check)]
struct SchedulerKeys {
    /// step: it falls by DECAY_RATE every LR_DROP_EPOCH epochs; Mstep: by GAMMA at each of MILESTONES; cosine: evenly, in
    /// half a cosine, to MIN_LR_RATIO.
    #[config(key = "TYPE", choices = ["step", "Mstep", "cosine"], default = "step")]
    name: Option<&'static str>,
    #[config(value = section.has("GAMMA"))]
    has_gamma: bool,
    /// step: the factor of a drop (COMPAT: reference: always 0.1); Mstep: the same, where there is no GAMMA.
    #[config(key = "DECAY_RATE", default = 0.1, above = 0, max = 1, inactive = no_decay(name, has_gamma, context.compat))]
    decay: f64,
    /// Mstep: the epochs of the drops, in ascending order.
    #[config(key = "MILESTONES", default = Vec::new(), refused = belongs(name, "Mstep"), check = |list| ascending(list))]
    milestones: Vec<usize>,
    /// Mstep: the factor of a drop.
    #[config(
        key = "GAMMA", default = 0.1, absent = "DECAY_RATE", above = 0, max = 1, refused = belongs(name, "Mstep"),
        inactive = (name == Some("Mstep") && !has_gamma).then_some("it is absent")
    )]
    gamma: f64,
    /// cosine: the last learning rate as a share of the first.
    #[config(key = "MIN_LR_RATIO", default = 0.0, min = 0, max = 1, refused = belongs(name, "cosine"))]
    floor: f64,
    /// Epochs of linear warm-up at the start of a phase; a fraction is fine.
    #[config(key = "WARMUP_EPOCHS", default = 0.0, min = 0)]
    warmup: f64,
}

impl SchedulerKeys {
    fn check(&self, section: &mut Section<'_>, _: &Context<'_>) {
        if self.name == Some("Mstep") && self.milestones.is_empty() {
            let message = "Mstep drops at the epochs that it lists; give some, for example [60, 80]";
            section.conflict("MILESTONES", &["TYPE"], message);
        }
        let mut twice = self.milestones.windows(2).filter(|pair| pair[0] == pair[1]);
        if let Some(epoch) = twice.next() {
            section.warning("MILESTONES", format!("epoch {} is listed more than once: each is a drop", epoch[0]));
        }
    }

    /// Why `LR_DROP_EPOCH` says nothing.
    fn no_drop_epoch(&self) -> Option<&'static str> {
        match self.name {
            Some("Mstep") => Some("TRAIN.SCHEDULER.TYPE Mstep drops at its MILESTONES"),
            Some("cosine") => Some(COSINE),
            _ => None,
        }
    }
}

impl From<ScheduleKeys> for Schedule {
    fn from(keys: ScheduleKeys) -> Self {
        let ScheduleKeys { scheduler, every } = keys;
        let rate = scheduler.decay;
        let kind = match scheduler.name {
            Some("Mstep") => ScheduleKind::MultiStep {
                milestones: scheduler.milestones,
                rate: if scheduler.has_gamma { scheduler.gamma } else { rate },
            },
            Some("cosine") => ScheduleKind::Cosine { floor: scheduler.floor },
            _ => ScheduleKind::Step { every, rate },
        };
        Self { kind, warmup_epochs: scheduler.warmup }
    }
}

const COSINE: &str = "TRAIN.SCHEDULER.TYPE cosine has no drops; MIN_LR_RATIO sets where it ends";

/// Why `DECAY_RATE` says nothing. The reference reads none and drops by 0.1.
fn no_decay(name: Option<&str>, has_gamma: bool, compat: bool) -> Option<&'static str> {
    match name {
        Some("step") if compat => Some("COMPAT: reference drops by 0.1, as the reference reads no DECAY_RATE"),
        Some("Mstep") if has_gamma => Some("GAMMA is the factor of Mstep's drops"),
        Some("cosine") => Some(COSINE),
        _ => None,
    }
}

/// Why a key that only the type `of` reads cannot be there. Of a type that does not exist nothing else is concluded.
fn belongs(name: Option<&str>, of: &str) -> Option<String> {
    let name = name.filter(|name| *name != of)?;
    let instead = match name {
        "step" => "step falls by DECAY_RATE every LR_DROP_EPOCH epochs",
        "Mstep" => "Mstep falls by GAMMA",
        _ => "cosine falls evenly to MIN_LR_RATIO",
    };
    Some(format!("belongs to TYPE {of}, and this is {name}: {instead}; leave it out"))
}

fn ascending(epochs: &[usize]) -> Option<String> {
    let falls = epochs.windows(2).find(|pair| pair[1] < pair[0])?;
    Some(format!("the epochs must be in ascending order, and {} follows {}", falls[1], falls[0]))
}
