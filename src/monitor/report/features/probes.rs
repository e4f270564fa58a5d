//! Linear probes of every run, as means over the runs of a group.

use super::{
    super::{
        groups::{Group, mean_and_deviation},
        page::table,
        svg::{escape, fixed},
    },
    Table,
    probe::{self, BoxProbe, ConditionProbe},
};
use crate::{failure::Result, monitor::artifacts::read_features};
use std::fmt::Write;

/// What the probes of a group's runs found at one time.
#[derive(Debug, Default)]
struct ProbeResults {
    conditions: Vec<ConditionProbe>,
    boxes: Vec<BoxProbe>,
    /// Frames and sequences of the first run, and how many runs.
    frames: usize,
    sequences: usize,
    runs: usize,
    /// Epochs after which the features were taken: the least and the most.
    epochs: Option<(usize, usize)>,
}

impl ProbeResults {
    fn of(group: &Group, which: &str) -> Result<Self> {
        let mut found = Self::default();
        for run in &group.runs {
            let Some(kept) = read_features(&run.folder, which)? else { continue };
            let table = Table::new(&kept)?;
            if found.runs == 0 {
                (found.frames, found.sequences) = (table.len(), probe::sequences(&table.groups));
            }
            found.runs += 1;
            let (least, most) = found.epochs.unwrap_or((kept.epoch, kept.epoch));
            found.epochs = Some((least.min(kept.epoch), most.max(kept.epoch)));
            found.conditions.extend(probe::condition(&table)?);
            found.boxes.extend(probe::boxes(&table)?);
        }
        Ok(found)
    }

    fn when(&self) -> String {
        match self.epochs {
            None | Some((0, 0)) => "before training".into(),
            Some((least, most)) if least == most => format!("after epoch {most}"),
            Some((least, most)) => format!("after epochs {least} to {most}"),
        }
    }

    fn row(&self, group: &Group) -> Vec<String> {
        let spread = |values: Vec<f64>, digits: usize, unit: &str| match mean_and_deviation(&values) {
            None => "–".into(),
            Some((mean, deviation)) if values.len() > 1 => {
                format!("{} ± {}{unit}", fixed(mean, digits), fixed(deviation, digits))
            }
            Some((mean, _)) => fixed(mean, digits) + unit,
        };
        let conditions = |of: fn(&ConditionProbe) -> f64| self.conditions.iter().map(of).collect::<Vec<_>>();
        let boxes = |of: fn(&BoxProbe) -> f64| self.boxes.iter().map(of).collect::<Vec<_>>();
        let chance = mean_and_deviation(&conditions(|probe| 100.0 * probe.chance)).map(|(mean, _)| mean);
        let mean_box = mean_and_deviation(&boxes(|probe| probe.l1_mean)).map(|(mean, _)| mean);
        vec![
            group.name.clone(),
            self.when(),
            self.runs.to_string(),
            self.frames.to_string(),
            self.sequences.to_string(),
            spread(conditions(|probe| 100.0 * probe.accuracy), 1, " %"),
            chance.map_or("–".into(), |chance| fixed(chance, 1) + " %"),
            spread(boxes(|probe| probe.r2), 2, ""),
            spread(boxes(|probe| probe.l1), 3, ""),
            mean_box.map_or("–".into(), |mean| fixed(mean, 3)),
        ]
    }

    /// Is the semantic and the spatial information there?
    fn sentence(&self) -> String {
        let mean = |values: Vec<f64>| mean_and_deviation(&values).map(|(mean, _)| mean);
        let accuracy = mean(self.conditions.iter().map(|probe| probe.accuracy).collect());
        let chance = mean(self.conditions.iter().map(|probe| probe.chance).collect());
        let margin = self.conditions.first().map_or(0.0, |probe| probe.margin);
        let semantic = accuracy.zip(chance).map_or_else(
            || "too few labelled frames, sequences or conditions to probe the condition".to_string(),
            |(accuracy, chance)| semantic(accuracy, chance, margin, self.sequences),
        );
        let spatial = mean(self.boxes.iter().map(|probe| probe.r2).collect())
            .map_or_else(|| "too few frames or sequences to probe the box".to_string(), spatial);
        format!("{}: {semantic}; {spatial}", self.when())
    }
}

/// What is "nearly all" of what could be found, and what is "most" of it: below one half more is missing than there.
const NEARLY_ALL: f64 = 0.8;
const MOST: f64 = 0.5;
/// Below a tenth, what was found may as well be nothing.
const ANYTHING: f64 = 0.1;

/// What an accuracy says of the condition, by how much of the way from chance to always right it goes.
fn semantic(accuracy: f64, chance: f64, margin: f64, sequences: usize) -> String {
    let numbers = format!("{} % right, chance {} %", fixed(100.0 * accuracy, 1), fixed(100.0 * chance, 1));
    let over = accuracy - chance;
    if over <= margin {
        return format!("no condition beyond chance can be shown with {sequences} sequences ({numbers})");
    }
    let share = over / (1.0 - chance).max(1e-9);
    match share {
        share if share >= NEARLY_ALL => format!("the condition can be read off linearly ({numbers})"),
        share if share >= MOST => format!("the condition can mostly be read off linearly ({numbers})"),
        share => format!(
            "of the condition a linear probe finds a part: {} % of the way from chance to always right ({numbers})",
            fixed(100.0 * share, 0)
        ),
    }
}

/// What the explained share of the boxes' variance says of them.
fn spatial(r2: f64) -> String {
    let number = format!("R² {}", fixed(r2, 2));
    match r2 {
        r2 if r2 >= NEARLY_ALL => format!("the box can be read off linearly ({number})"),
        r2 if r2 >= MOST => format!("the box can mostly be read off linearly ({number})"),
        r2 if r2 >= ANYTHING => {
            format!("of the box a linear probe finds a part: {} % of its variance ({number})", fixed(100.0 * r2, 0))
        }
        _ => format!("the box cannot be read off linearly, hardly better than the mean box is guessed ({number})"),
    }
}

/// The table and what it says; empty when no run has kept features.
///
/// # Errors
/// 66 when a file of features is damaged.
pub(super) fn probes(groups: &[Group]) -> Result<String> {
    let (mut rows, mut message_section) = (Vec::new(), String::new());
    for group in groups {
        for which in ["first", "latest"] {
            let found = ProbeResults::of(group, which)?;
            if found.runs > 0 {
                rows.push(found.row(group));
                let _ = write!(message_section, "<li>{}, {}.</li>", escape(&group.name), escape(&found.sentence()));
            }
        }
    }
    if rows.is_empty() {
        return Ok(String::new());
    }
    let head = [
        "features of",
        "when",
        "runs",
        "frames",
        "sequences",
        "condition accuracy",
        "chance",
        "box R²",
        "box L1",
        "L1 of the mean box",
    ];
    Ok(format!(
        "<h3>Linear probes of the frozen features</h3>{}<ul>{message_section}</ul><p class=\"about\">Ridge regression, five-fold by \
         sequence: each probe is tested on sequences that it was not fitted to. Several runs: mean ± standard deviation. Chance \
         is the most frequent condition. Box as shares of the search crop.</p>",
        table(&head, &rows)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_claims_what_its_number_supports() {
        assert_eq!(spatial(0.91), "the box can be read off linearly (R² 0.91)");
        assert_eq!(spatial(0.6), "the box can mostly be read off linearly (R² 0.60)");
        assert_eq!(spatial(0.11), "of the box a linear probe finds a part: 11 % of its variance (R² 0.11)");
        assert!(spatial(-0.3).starts_with("the box cannot be read off linearly"));
        let of = |accuracy| semantic(accuracy, 0.2, 0.1, 100);
        assert_eq!(of(0.9), "the condition can be read off linearly (90.0 % right, chance 20.0 %)");
        assert!(of(0.65).starts_with("the condition can mostly be read off linearly"));
        assert!(of(0.36).contains("20 % of the way from chance to always right (36.0 % right, chance 20.0 %)"));
        assert!(of(0.29).starts_with("no condition beyond chance can be shown with 100 sequences"));
    }
}
