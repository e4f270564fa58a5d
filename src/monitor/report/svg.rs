//! Charts as SVG, for a page that needs nothing else. Colours are the page's variables, so that they suit light and
//! dark; each curve has a dash pattern of its own beside its colour.

use std::fmt::Write;

/// A curve, perhaps with a band around it.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// The middle of it.
    pub points: Vec<(f64, f64)>,
    /// Lowest and highest at the same places, for several runs.
    pub band: Vec<(f64, f64)>,
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 230.0;
/// Room for the axes: left, right, top, bottom.
const ROOM: [f64; 4] = [52.0, 10.0, 10.0, 30.0];

/// Text that can stand in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A round step that cuts `span` into about `parts`.
fn step(span: f64, parts: f64) -> f64 {
    let rough = span / parts;
    let power = 10f64.powf(rough.log10().floor());
    let nice = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|nice| nice * power >= rough);
    nice.unwrap_or(10.0) * power
}

fn label(value: f64) -> String {
    let size = value.abs();
    match size {
        0.0 => "0".into(),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:.0e}"),
        _ => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        }
    }
}

/// Curves over common axes. Values that are not finite are left out.
pub fn lines(title: &str, across: &str, curves: &[Curve]) -> String {
    let finite = |curve: &&Curve| curve.points.iter().any(|(x, y)| x.is_finite() && y.is_finite());
    let curves: Vec<&Curve> = curves.iter().filter(finite).collect();
    let all = || curves.iter().flat_map(|curve| &curve.points).filter(|(x, y)| x.is_finite() && y.is_finite());
    let bands = || curves.iter().flat_map(|curve| &curve.band).flat_map(|(low, high)| [*low, *high]);
    if curves.is_empty() {
        return String::new();
    }
    // Room around a value that never changes.
    let pad = |value: f64| if value == 0.0 { 0.5 } else { 0.5 * value.abs() };
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        if high - low > 1e-12 { (low, high) } else { (low - pad(low), high + pad(low)) }
    };
    let (left, right) = range(&mut all().map(|(x, _)| *x));
    let (low, high) = range(&mut all().map(|(_, y)| *y).chain(bands()));
    let (grid_x, grid_y) = (step(right - left, 6.0), step(high - low, 4.0));
    let (low, high) = ((low / grid_y).floor() * grid_y, (high / grid_y).ceil() * grid_y);
    let x = |value: f64| ROOM[0] + (value - left) / (right - left) * (WIDTH - ROOM[0] - ROOM[1]);
    let y = |value: f64| HEIGHT - ROOM[3] - (value - low) / (high - low) * (HEIGHT - ROOM[2] - ROOM[3]);
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(title),
        escape(title)
    );
    let (from_x, to_x, foot) = (ROOM[0], WIDTH - ROOM[1], HEIGHT - ROOM[3]);
    for index in 0..=((high - low) / grid_y).round() as usize {
        let value = low + index as f64 * grid_y;
        let at = y(value);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{from_x}\" x2=\"{to_x}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
        let (tx, ty) = (from_x - 5.0, at + 3.5);
        let _ = write!(svg, "<text x=\"{tx}\" y=\"{ty:.1}\" text-anchor=\"end\">{}</text>", label(value));
    }
    let mut value = (left / grid_x).ceil() * grid_x;
    while value <= right + 1e-9 {
        let (at, under) = (x(value), foot + 14.0);
        let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{}</text>", label(value));
        value += grid_x;
    }
    let (end, under) = (WIDTH - ROOM[1], HEIGHT - 3.0);
    let _ = write!(svg, "<text x=\"{end}\" y=\"{under}\" text-anchor=\"end\">{}</text>", escape(across));
    for (index, curve) in curves.iter().enumerate() {
        let place = |value: f64, at: f64| format!("{:.1},{:.1}", x(value), y(at));
        if curve.band.len() == curve.points.len() {
            let there = curve.points.iter().zip(&curve.band).map(|((x, _), (_, high))| place(*x, *high));
            let back = curve.points.iter().zip(&curve.band).rev().map(|((x, _), (low, _))| place(*x, *low));
            let outline: Vec<String> = there.chain(back).collect();
            let _ = write!(svg, "<polygon class=\"band c{}\" points=\"{}\"/>", index % 6, outline.join(" "));
        }
        // A value that is none interrupts the curve.
        for part in curve.points.split(|(_, y)| !y.is_finite()).filter(|part| !part.is_empty()) {
            let points: Vec<String> = part.iter().map(|(x, y)| place(*x, *y)).collect();
            let _ = write!(svg, "<polyline class=\"curve c{}\" points=\"{}\"/>", index % 6, points.join(" "));
            if let [(at, value)] = part {
                let _ = write!(
                    svg,
                    "<circle class=\"c{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>",
                    index % 6,
                    x(*at),
                    y(*value)
                );
            }
        }
    }
    svg += "</svg>";
    if curves.len() > 1 || curves.iter().any(|curve| !curve.name.is_empty()) {
        svg += "<p class=\"legend\">";
        for (index, curve) in curves.iter().enumerate() {
            let _ = write!(
                svg,
                "<span><svg viewBox=\"0 0 28 8\"><polyline class=\"curve c{}\" points=\"0,4 28,4\"/></svg>{}</span> ",
                index % 6,
                escape(&curve.name)
            );
        }
        svg += "</p>";
    }
    svg + "</figure>"
}

/// A table of shares as a heat map: rows are true, columns told; each row's shares add up to 1.
pub fn heat(title: &str, names: &[&str], rows: &[Vec<u64>]) -> String {
    let mut html =
        format!("<figure class=\"wide\"><figcaption>{}</figcaption><table class=\"heat\"><tr><th></th>", escape(title));
    for name in names {
        let _ = write!(html, "<th class=\"turned\"><span>{}</span></th>", escape(name));
    }
    html += "<th>frames</th></tr>";
    for (index, (name, row)) in names.iter().zip(rows).enumerate() {
        let row = &row[..row.len().min(names.len())];
        let sum: u64 = row.iter().sum();
        let _ = write!(html, "<tr><th>{}</th>", escape(name));
        for (column, count) in row.iter().enumerate() {
            let share = *count as f64 / sum.max(1) as f64;
            let class = if column == index { "right" } else { "wrong" };
            let text = if share >= 0.005 { format!("{:.0}", 100.0 * share) } else { String::new() };
            let _ = write!(html, "<td class=\"{class}\" style=\"--share:{share:.3}\">{text}</td>");
        }
        let _ = write!(html, "<td class=\"count\">{sum}</td></tr>");
    }
    html + "</table></figure>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_labels_short() {
        assert_eq!([step(1.0, 4.0), step(0.07, 4.0), step(730.0, 6.0)], [0.25, 0.02, 200.0]);
        assert_eq!([label(0.5), label(0.0), label(2e-6), label(-3.0)], ["0.5", "0", "2e-6", "-3"]);
    }

    #[test]
    fn charts_hold_what_is_finite_and_escape_names() {
        let points = vec![(1.0, 2.0), (2.0, f64::NAN), (3.0, 4.0)];
        let curve = Curve { name: "<b>".into(), points, band: Vec::new() };
        let svg = lines("L & more", "epoch", &[curve.clone(), Curve::default()]);
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
        assert!(svg.contains("&lt;b&gt;") && svg.contains("L &amp; more") && !svg.contains("NaN"), "{svg}");
        assert_eq!(lines("empty", "epoch", &[Curve::default()]), "");
        let constant = lines("flat", "epoch", &[Curve { points: vec![(1.0, 3.0), (2.0, 3.0)], ..curve }]);
        assert!(!constant.contains("inf") && !constant.contains("NaN"), "{constant}");
    }
}
