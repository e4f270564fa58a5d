//! Charts of conditions: points in the plane by condition, and bars. A condition has a colour and a shape of its own.

use super::svg::{LETTER, cut, escape, label, opening, step, titles, within};
use crate::data::condition::Condition;
use std::{collections::BTreeSet, fmt::Write};

/// A point of a condition, or of none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marker {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Class index of the condition.
    pub class: Option<usize>,
}

const SIDE: f64 = 340.0;
const HEIGHT: f64 = 310.0;
const BARS: f64 = 420.0;

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
pub fn scatter(title: &str, axes: [&str; 2], markers: &[Marker]) -> String {
    let finite = || markers.iter().filter(|marker| marker.x.is_finite() && marker.y.is_finite());
    let range = |of: fn(&Marker) -> f64| {
        let (low, high) = finite().map(of).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        if high - low > 1e-12 { (low, high) } else { (low - 0.5, low + 0.5) }
    };
    let (across, up) = (range(|marker| marker.x), range(|marker| marker.y));
    let (left, right, top, foot) = (22.0, SIDE - 4.0, 4.0, HEIGHT - 22.0);
    let place =
        |value: f64, (low, high): (f64, f64), from: f64, to: f64| from + (value - low) / (high - low) * (to - from);
    let mut svg = opening(title, SIDE, HEIGHT);
    let (wide, high) = (right - left, foot - top);
    let _ = write!(svg, "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{wide}\" height=\"{high}\"/>");
    for marker in finite() {
        let (x, y) = (place(marker.x, across, left + 8.0, right - 8.0), place(marker.y, up, foot - 8.0, top + 8.0));
        svg += &shape(marker.class, x, y);
    }
    titles(&mut svg, [left, right, top, foot], axes, HEIGHT);
    svg + "</svg></figure>"
}

/// What the marks mean, of the conditions that `there` are (`None`: frames without a label).
pub fn legend(there: &BTreeSet<Option<usize>>) -> String {
    let mut html = "<p class=\"legend marks\">".to_string();
    for condition in Condition::ALL.into_iter().filter(|condition| there.contains(&Some(condition.index()))) {
        let marker = shape(Some(condition.index()), 6.0, 6.0);
        let _ = write!(html, "<span><svg viewBox=\"0 0 12 12\">{marker}</svg>{}</span> ", words(condition));
    }
    if there.contains(&None) {
        let marker = shape(None, 6.0, 6.0);
        let _ = write!(html, "<span><svg viewBox=\"0 0 12 12\">{marker}</svg>no label</span>");
    }
    html + "</p>"
}

/// The name of a condition, for people.
pub fn words(condition: Condition) -> String {
    condition.name().replace('_', " ")
}

/// Bars of one colour, one for each row.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Number of its colour.
    pub colour: usize,
    /// Mean, lowest and highest for each row that has any.
    pub values: Vec<Option<[f64; 3]>>,
}

impl Series {
    /// What several runs say of a row; `None` for no run.
    pub fn value(of: &[f64]) -> Option<[f64; 3]> {
        let (low, high) =
            of.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        (!of.is_empty()).then(|| [of.iter().sum::<f64>() / of.len() as f64, low, high])
    }
}

/// Horizontal bars from 0 to `most` (or what it takes) for each row, those of the series beside each other, with their
/// values as `number` writes them and a line from lowest to highest. Series without any value are left out.
pub fn bars(
    title: &str,
    across: &str,
    rows: &[String],
    series: &[Series],
    most: Option<f64>,
    number: impl Fn(f64) -> String,
) -> String {
    let finite = |value: &Option<[f64; 3]>| value.filter(|all| all.iter().all(|one| one.is_finite()));
    let series: Vec<&Series> =
        series.iter().filter(|one| one.values.iter().any(|value| finite(value).is_some())).collect();
    if series.is_empty() {
        return String::new();
    }
    let highest = series.iter().flat_map(|one| one.values.iter().filter_map(finite)).map(|[.., high]| high);
    let most = most.unwrap_or_else(|| highest.fold(f64::MIN_POSITIVE, f64::max));
    let tick = step(most, 4.0);
    let most = (most / tick - 1e-9).ceil() * tick;
    let longest = |texts: &mut dyn Iterator<Item = usize>| LETTER * texts.max().unwrap_or(0) as f64;
    // Names get what they need, up to half of the picture; values stand to the right of their bars.
    let left = (12.0 + longest(&mut rows.iter().map(|row| row.chars().count()))).clamp(60.0, 0.5 * BARS);
    let values = series.iter().flat_map(|one| one.values.iter().filter_map(finite));
    let beside = 10.0 + longest(&mut values.map(|[mean, ..]| number(mean).chars().count()));
    let (right, top, bar) = (BARS - beside.max(46.0), 6.0, 12.0);
    let each = bar * series.len() as f64 + 7.0;
    let foot = top + each * rows.len() as f64;
    let height = foot + 34.0;
    let x = |value: f64| left + (value / most).clamp(0.0, 1.0) * (right - left);
    let mut svg = opening(title, BARS, height);
    for index in 0..=(most / tick).round() as usize {
        let value = index as f64 * tick;
        let (at, under, text) = (x(value), foot + 13.0, label(value));
        let _ = write!(svg, "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top}\" y2=\"{foot:.1}\"/>");
        let at = within(at, &text, BARS);
        let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{under:.1}\" text-anchor=\"middle\">{text}</text>");
    }
    for (index, row) in rows.iter().enumerate() {
        let from = top + each * index as f64 + 2.0;
        let (beside, middle) = (left - 6.0, from + 0.5 * bar * series.len() as f64 + 3.5);
        let _ = write!(
            svg,
            "<g><title>{}</title><text x=\"{beside:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text></g>",
            escape(row),
            escape(&cut(row, left - 8.0))
        );
        for (which, one) in series.iter().enumerate() {
            let Some([mean, low, high]) = one.values.get(index).and_then(finite) else { continue };
            let (y, width, colour) = (from + bar * which as f64, x(mean) - left, one.colour % 6);
            let (middle, thick) = (y + 0.5 * (bar - 1.0), bar - 1.0);
            let _ = write!(
                svg,
                "<rect class=\"bar c{colour}\" x=\"{left}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{thick}\"/>"
            );
            let (from, to) = (x(low), x(high));
            if to - from > 0.5 {
                let _ = write!(
                    svg,
                    "<line class=\"range\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>"
                );
            }
            let (beside, base, text) = (x(mean).max(to) + 4.0, y + bar - 2.0, number(mean));
            let _ = write!(svg, "<text x=\"{beside:.1}\" y=\"{base:.1}\">{}</text>", escape(&text));
        }
    }
    titles(&mut svg, [left, right, top, foot], [across, ""], height);
    svg += "</svg>";
    if series.len() > 1 {
        svg += "<p class=\"legend\">";
        for one in series {
            let square = format!("<rect class=\"bar c{}\" width=\"28\" height=\"8\"/>", one.colour % 6);
            let _ = write!(svg, "<span><svg viewBox=\"0 0 28 8\">{square}</svg>{}</span> ", escape(&one.name));
        }
        svg += "</p>";
    }
    svg + "</figure>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_reach_as_far_as_their_values_and_show_the_range_of_several_runs() {
        let rows = ["a".to_string(), "b".to_string()];
        let one = |colour, values: &[&[f64]]| Series {
            name: format!("s{colour}"),
            colour,
            values: values.iter().map(|of| Series::value(of)).collect(),
        };
        let all = [one(0, &[&[1.0, 3.0], &[4.0]]), one(1, &[&[], &[]]), one(2, &[&[0.5], &[]])];
        let svg = bars("t", "norm", &rows, &all, None, |value| format!("{value:.1}"));
        assert!(svg.contains(">2.0</text>") && svg.contains(">4.0</text>") && svg.contains(">0.5</text>"), "{svg}");
        assert_eq!((svg.matches("class=\"range\"").count(), svg.matches("class=\"bar c").count()), (1, 3 + 2), "{svg}");
        assert!(!svg.contains("s1"), "a series without values is left out: {svg}");
        let width = |at: usize| -> f64 {
            let bar = svg.split("class=\"bar c").nth(at).unwrap().split("width=\"").nth(1).unwrap();
            bar.split('"').next().unwrap().parse().unwrap()
        };
        assert!((width(3) - 2.0 * width(1)).abs() < 0.2, "4 is twice 2: {svg}");
        assert_eq!(bars("t", "norm", &rows, &[one(1, &[&[], &[]])], None, |_| String::new()), "");
    }
}
