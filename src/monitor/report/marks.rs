//! Charts of conditions: points in the plane by condition, and bars. A condition has a colour and a shape of its own.

use super::svg::escape;
use crate::data::condition::Condition;
use std::fmt::Write;

/// A point of a condition, or of none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Class index of the condition.
    pub class: Option<usize>,
}

const SIDE: f64 = 460.0;
const HEIGHT: f64 = 360.0;

/// The shape of a condition around a place.
fn shape(class: Option<usize>, x: f64, y: f64) -> String {
    let Some(class) = class else { return format!("<circle class=\"none\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.5\"/>") };
    let look = format!("class=\"mark c{}{}\"", class % 6, if class >= 5 { " hollow" } else { "" });
    let path = |points: &[(f64, f64)]| {
        let points: Vec<String> = points.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
        format!("<polygon {look} points=\"{}\"/>", points.join(" "))
    };
    match class % 5 {
        0 => format!("<circle {look} cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.4\"/>"),
        1 => path(&[(-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0)]),
        2 => path(&[(0.0, -4.0), (3.8, 3.0), (-3.8, 3.0)]),
        3 => path(&[(0.0, -4.4), (4.4, 0.0), (0.0, 4.4), (-4.4, 0.0)]),
        _ => path(&[(-3.8, -3.0), (3.8, -3.0), (0.0, 4.0)]),
    }
}

/// Marks in a frame; what the axes mean stands below and beside them. Their scale is common to neither.
pub fn scatter(title: &str, axes: [&str; 2], marks: &[Mark]) -> String {
    let finite = || marks.iter().filter(|mark| mark.x.is_finite() && mark.y.is_finite());
    let range = |of: fn(&Mark) -> f64| {
        let (low, high) = finite().map(of).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        if high - low > 1e-12 { (low, high) } else { (low - 0.5, low + 0.5) }
    };
    let (across, up) = (range(|mark| mark.x), range(|mark| mark.y));
    let (left, right, top, foot) = (26.0, SIDE - 6.0, 6.0, HEIGHT - 24.0);
    let place =
        |value: f64, (low, high): (f64, f64), from: f64, to: f64| from + (value - low) / (high - low) * (to - from);
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {SIDE} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\
         <rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{}\"/>",
        escape(title),
        escape(title),
        right - left,
        foot - top
    );
    for mark in finite() {
        let (x, y) = (place(mark.x, across, left + 8.0, right - 8.0), place(mark.y, up, foot - 8.0, top + 8.0));
        svg += &shape(mark.class, x, y);
    }
    let (middle, beside, half) = (0.5 * (left + right), 16.0, 0.5 * (top + foot));
    let _ = write!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
         <text transform=\"translate({beside} {half}) rotate(-90)\" text-anchor=\"middle\">{}</text></svg></figure>",
        HEIGHT - 7.0,
        escape(axes[0]),
        escape(axes[1])
    );
    svg
}

/// What the marks mean.
pub fn legend() -> String {
    let mut html = "<p class=\"legend marks\">".to_string();
    for condition in Condition::ALL {
        let mark = shape(Some(condition.index()), 6.0, 6.0);
        let _ = write!(html, "<span><svg viewBox=\"0 0 12 12\">{mark}</svg>{}</span> ", condition.name());
    }
    html + "<span><svg viewBox=\"0 0 12 12\"><circle class=\"none\" cx=\"6\" cy=\"6\" r=\"1.5\"/></svg>no label</span></p>"
}

/// Horizontal bars from 0 to 1 for each row, one for each series beside each other, with their values.
pub fn bars(title: &str, across: &str, rows: &[String], series: &[(String, Vec<Option<f64>>)]) -> String {
    let (left, right, top, bar) = (150.0, SIDE - 40.0, 6.0, 11.0);
    let each = bar * series.len() as f64 + 7.0;
    let foot = top + each * rows.len() as f64;
    let height = foot + 32.0;
    let x = |value: f64| left + value.clamp(0.0, 1.0) * (right - left);
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {SIDE} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(title),
        escape(title)
    );
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (at, under) = (x(tick), foot + 13.0);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top}\" y2=\"{foot:.1}\"/>");
        let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{under:.1}\" text-anchor=\"middle\">{tick}</text>");
    }
    for (index, row) in rows.iter().enumerate() {
        let from = top + each * index as f64 + 2.0;
        let (beside, middle) = (left - 6.0, from + 0.5 * bar * series.len() as f64 + 3.5);
        let _ = write!(svg, "<text x=\"{beside}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>", escape(row));
        for (which, (_, values)) in series.iter().enumerate() {
            let Some(value) = values.get(index).copied().flatten().filter(|value| value.is_finite()) else { continue };
            let (y, width) = (from + bar * which as f64, x(value) - left);
            let (beside, base, bar) = (x(value) + 4.0, y + bar - 2.0, bar - 1.0);
            let _ = write!(
                svg,
                "<rect class=\"bar c{}\" x=\"{left}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{bar}\"/>\
                 <text x=\"{beside:.1}\" y=\"{base:.1}\">{value:.2}</text>",
                which % 6
            );
        }
    }
    let (middle, under) = (0.5 * (left + right), height - 4.0);
    let _ = write!(svg, "<text x=\"{middle}\" y=\"{under:.1}\" text-anchor=\"middle\">{}</text></svg>", escape(across));
    if series.len() > 1 {
        svg += "<p class=\"legend\">";
        for (which, (name, _)) in series.iter().enumerate() {
            let square = format!("<rect class=\"bar c{}\" width=\"28\" height=\"8\"/>", which % 6);
            let _ = write!(svg, "<span><svg viewBox=\"0 0 28 8\">{square}</svg>{}</span> ", escape(name));
        }
        svg += "</p>";
    }
    svg + "</figure>"
}
