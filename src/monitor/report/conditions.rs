//! IoU and accuracy by condition, and what conditions were taken for.

use super::{
    groups::Group,
    history::History,
    markers::{Series, bars, words},
    page::charts,
    svg::heat,
};
use crate::{data::condition::Condition, train::confusion::Confusion};

/// The section of the page.
pub(super) fn conditions(groups: &[Group]) -> String {
    let names: Vec<String> = Condition::ALL.into_iter().map(words).collect();
    let mut tables = Vec::new();
    for group in groups {
        let mut sum = Confusion::default();
        let newest = |run: &History| run.passes.iter().rev().find(|pass| !pass.confusion.rows().is_empty()).cloned();
        group.runs.iter().filter_map(newest).for_each(|pass| sum.add(&pass.confusion));
        if sum.rows().iter().flatten().any(|count| *count > 0) {
            let title = format!("{}: confusion matrix, % of each true condition's frames", group.name);
            tables.push(heat(&title, &names, sum.rows()));
        }
    }
    by_condition(groups) + &charts(tables)
}

/// The last validation's IoU and accuracy by condition, as means over each group's runs; the frames are those of the
/// first run.
fn by_condition(groups: &[Group]) -> String {
    let frames = |condition: &Condition| {
        groups.iter().flat_map(|group| group.last(&format!("frames/{condition}"))).next().filter(|n| *n > 0.0)
    };
    let occurring: Vec<(Condition, f64)> =
        Condition::ALL.into_iter().filter_map(|condition| Some((condition, frames(&condition)?))).collect();
    let rows: Vec<String> =
        occurring.iter().map(|(condition, count)| format!("{} ({count})", words(*condition))).collect();
    let chart = |title: &str, across: &str, key: &str, scale: f64, most: f64, digits: usize| {
        let series = |(colour, group): (usize, &Group)| {
            let value = |(condition, _): &(Condition, f64)| {
                let values = group.last(&format!("{key}/{condition}"));
                Series::value(&values.into_iter().map(|value| scale * value).collect::<Vec<_>>())
            };
            Series { name: group.name.clone(), colour, values: occurring.iter().map(value).collect() }
        };
        let all: Vec<Series> = groups.iter().enumerate().map(series).collect();
        bars(title, across, &rows, &all, Some(most), |value| format!("{value:.digits$}"))
    };
    let body = charts([
        chart("Tracking by condition", "mean IoU of the last validation", "IoU", 1.0, 1.0, 2),
        chart("Accuracy by condition", "accuracy of the last validation, %", "Accuracy", 100.0, 100.0, 0),
    ]);
    if body.is_empty() {
        return body;
    }
    let range = match groups.iter().any(|group| group.runs.len() > 1) {
        true => " Bars are means over runs, the thin lines reach from the lowest to the highest run.",
        false => "",
    };
    format!("{body}<p class=\"about\">In brackets: the labelled frames of a validation.{range}</p>")
}
