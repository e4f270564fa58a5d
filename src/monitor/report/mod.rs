//! The report of finished or running runs, from what they wrote down: `trackflow report`.

mod blocks;
mod comparable;
mod conditions;
mod curves;
pub mod export;
mod features;
mod gradients;
mod groups;
mod history;
pub mod markers;
mod messages;
mod origin;
mod page;
mod previews;
mod results;
pub mod scores;
mod svg;

pub use gradients::{gradients_table, gradients_text};
pub use groups::{Group, mean_and_deviation, paired_test};
pub use history::{Call, Gradients, History, Pass, Step};
pub use page::page;

use std::fmt::Write;

/// The means of all passes as comma-separated values, a line each.
pub fn table(groups: &[Group]) -> String {
    let all = || groups.iter().flat_map(|group| group.runs.iter().map(move |run| (group, run)));
    let mut keys: Vec<&str> = Vec::new();
    for pass in all().flat_map(|(_, run)| &run.passes) {
        let new = pass.values.keys().map(String::as_str);
        let new: Vec<&str> = new.filter(|key| !keys.contains(key)).collect();
        keys.extend(new);
    }
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut csv = format!("group,run,split,epoch,{}\n", keys.join(","));
    for (group, run) in all() {
        for pass in &run.passes {
            let split = if pass.is_val { "val" } else { "train" };
            let _ = write!(csv, "{},{},{split},{}", quoted(&group.name), quoted(&run.name), pass.epoch);
            for key in &keys {
                let value = pass.values.get(*key).map_or(String::new(), f64::to_string);
                let _ = write!(csv, ",{value}");
            }
            csv.push('\n');
        }
    }
    csv
}
