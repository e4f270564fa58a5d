//! The report as one page of HTML.

use super::{
    blocks::blocks,
    conditions::conditions,
    curves::curves,
    features::features,
    groups::Group,
    messages::{message_section, speed},
    origin::origin,
    previews::previews,
    results::results,
    svg::escape,
};
use crate::failure::Result;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// The beginning of a page: its title, and a line about it. It ends with [`END`].
pub(super) fn beginning(title: &str, caption: &str) -> String {
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{}</title><style>{STYLE}</style></head><body>\n",
        escape(title)
    );
    let _ = write!(html, "<h1>{}</h1><p class=\"about\">{}</p>", escape(title), escape(caption));
    html
}

/// The end of a page.
pub(super) const END: &str = "</body></html>\n";

/// The whole page.
///
/// # Errors
/// 66 when what a run has kept of its features is damaged.
pub fn page(groups: &[Group]) -> Result<String> {
    let names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
    let title = names.join(" and ");
    let mut html = beginning(&title, &caption(groups));
    html += &section("Results", &results(groups));
    html += &section("Curves", &curves(groups));
    html += &section("Conditions", &conditions(groups));
    html += &section("Feature space", &features(groups)?);
    html += &section("Gradients of the two tasks", &blocks(groups));
    html += &section("Example tracks", &previews(groups));
    html += &section("Where the time went", &speed(groups));
    html += &section("Advice, warnings, checkpoints", &message_section(groups));
    html += &section("How the runs were made", &origin(groups));
    Ok(html + END)
}

/// What was run, where, by which program.
fn caption(groups: &[Group]) -> String {
    let runs = || groups.iter().flat_map(|group| &group.runs);
    let mut parts: Vec<String> = Vec::new();
    for run in runs().filter(|run| !run.experiment.is_empty()) {
        let text = format!("{} on {}", run.experiment, run.device);
        if !parts.contains(&text) {
            parts.push(text);
        }
    }
    let count = runs().count();
    parts.push(if count == 1 { "1 run".into() } else { format!("{count} runs") });
    parts.push(format!("trackflow {}", env!("CARGO_PKG_VERSION")));
    parts.join(" · ")
}

pub(super) fn section(title: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("<h2>{title}</h2>{body}\n") }
}

/// Figures in a grid.
pub(super) fn charts(charts: impl IntoIterator<Item = String>) -> String {
    let all: String = charts.into_iter().collect();
    if all.is_empty() { all } else { format!("<div class=\"charts\">{all}</div>") }
}

/// Parts of the page beside each other where there is room.
pub(super) fn columns(parts: impl IntoIterator<Item = String>) -> String {
    let all: String =
        parts.into_iter().filter(|part| !part.is_empty()).map(|part| format!("<div>{part}</div>")).collect();
    if all.is_empty() { all } else { format!("<div class=\"columns\">{all}</div>") }
}

/// A table; the first column is to the left.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: String = head.iter().map(|name| format!("<th>{}</th>", escape(name))).collect();
    let cells = |row: &Vec<String>| row.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect::<String>();
    let rows: String = rows
        .iter()
        .map(|row| match row.first() {
            Some(name) if name.starts_with(SUMMARY) => format!("<tr class=\"summary\">{}</tr>", cells(row)),
            _ => format!("<tr>{}</tr>", cells(row)),
        })
        .collect();
    format!("<table><tr>{head}</tr>{rows}</table>")
}

/// How the first cell of a row begins that sums up those above it.
pub(super) const SUMMARY: &str = "mean of ";
