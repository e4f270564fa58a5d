//! Charts as SVG, for a page that needs nothing else. Colours are the page's variables, so that they suit light and
//! dark; curves differ in their dashes too.

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
    /// Number of its colour.
    pub colour: usize,
    /// Number of its pattern; 0 is solid.
    pub dash: usize,
}

/// What stands around curves.
#[derive(Clone, Copy, Debug)]
pub struct Axes<'a> {
    /// Above.
    pub title: &'a str,
    /// Below: counted in whole numbers.
    pub across: &'a str,
    /// Beside: what is drawn, with its unit.
    pub up: &'a str,
    /// A value to compare with, as a dotted line.
    pub level: Option<f64>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 240.0;
/// Room for the axes: left, right, top, bottom.
const ROOM: [f64; 4] = [58.0, 12.0, 10.0, 34.0];
/// Letters are rarely wider than this on the average, in pictures for papers too, whose text is larger.
pub(super) const LETTER: f64 = 7.2;
/// So few points are marked one by one.
const FEW: usize = 30;

/// Text that can stand in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number for people: `digits` that count, and a real minus sign.
pub fn short(value: f64, digits: usize) -> String {
    let size = value.abs();
    let text = match size {
        _ if !value.is_finite() => return "–".into(),
        0.0 => return "0".into(),
        _ if !(1e-3..1e5).contains(&size) => format!("{value:.*e}", digits.saturating_sub(1)),
        _ => format!("{value:.*}", (digits as i32 - 1 - size.log10().floor() as i32).max(0) as usize),
    };
    text.replace('-', "−")
}

/// The same with `digits` behind the point.
pub fn fixed(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}").replace('-', "−") } else { "–".into() }
}

/// A round step that cuts `span` into about `parts`.
pub(super) fn step(span: f64, parts: f64) -> f64 {
    let rough = span / parts;
    let power = 10f64.powf(rough.log10().floor());
    let nice = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|nice| nice * power >= rough * (1.0 - 1e-9));
    nice.unwrap_or(10.0) * power
}

/// The value at an axis, as exact as steps are.
pub(super) fn label(value: f64) -> String {
    let without_zeros = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    let size = value.abs();
    let text = match size {
        0.0 => "0".into(),
        _ if !(1e-3..1e5).contains(&size) => {
            let text = format!("{value:.2e}");
            let (number, power) = text.split_once('e').unwrap_or((&text, "0"));
            format!("{}e{power}", without_zeros(number))
        }
        _ => without_zeros(&format!("{value:.4}")),
    };
    text.replace('-', "−")
}

/// Curves over common axes. Values that are not finite are left out.
pub fn lines(axes: &Axes<'_>, curves: &[Curve]) -> String {
    draw(axes, curves, None)
}

/// The same over given ranges, `[from, to]` across and up; what is counted across need not be whole.
pub fn lines_within(axes: &Axes<'_>, curves: &[Curve], ranges: [[f64; 2]; 2]) -> String {
    draw(axes, curves, Some(ranges))
}

fn draw(axes: &Axes<'_>, curves: &[Curve], ranges: Option<[[f64; 2]; 2]>) -> String {
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
    let given = |[from, to]: [f64; 2]| (from, to);
    let (left, right) = ranges.map_or_else(|| range(&mut all().map(|(x, _)| *x)), |[across, _]| given(across));
    let found = || range(&mut all().map(|(_, y)| *y).chain(bands()).chain(axes.level));
    let (low, high) = ranges.map_or_else(found, |[_, up]| given(up));
    let whole = if ranges.is_none() { 1.0 } else { 0.0 };
    let (grid_x, grid_y) = (step(right - left, 6.0).max(whole), step(high - low, 4.0));
    let (low, high) = ((low / grid_y + 1e-9).floor() * grid_y, (high / grid_y - 1e-9).ceil() * grid_y);
    let x = |value: f64| ROOM[0] + (value - left) / (right - left) * (WIDTH - ROOM[0] - ROOM[1]);
    let y = |value: f64| HEIGHT - ROOM[3] - (value - low) / (high - low) * (HEIGHT - ROOM[2] - ROOM[3]);
    let mut svg = opening(axes.title, WIDTH, HEIGHT);
    let (from_x, to_x, foot) = (ROOM[0], WIDTH - ROOM[1], HEIGHT - ROOM[3]);
    for index in 0..=((high - low) / grid_y).round() as usize {
        let value = low + index as f64 * grid_y;
        let at = y(value);
        let _ = write!(svg, "<line class=\"grid\" x1=\"{from_x}\" x2=\"{to_x}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
        let (tx, ty) = (from_x - 5.0, at + 3.5);
        // What floating point leaves of 0.
        let value = if value.abs() < 1e-9 * grid_y { 0.0 } else { value };
        let _ = write!(svg, "<text x=\"{tx}\" y=\"{ty:.1}\" text-anchor=\"end\">{}</text>", label(value));
    }
    let mut value = (left / grid_x - 1e-9).ceil() * grid_x;
    while value <= right + 1e-9 {
        let text = label(value);
        let (at, under) = (within(x(value), &text, WIDTH), foot + 14.0);
        let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{under}\" text-anchor=\"middle\">{text}</text>");
        value += grid_x;
    }
    titles(&mut svg, [from_x, to_x, ROOM[2], foot], [axes.across, axes.up], HEIGHT);
    if let Some(at) = axes.level.map(y) {
        let _ = write!(svg, "<line class=\"level\" x1=\"{from_x}\" x2=\"{to_x}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
    }
    for curve in &curves {
        let place = |value: f64, at: f64| format!("{:.1},{:.1}", x(value), y(at));
        if curve.band.len() == curve.points.len() {
            let there = curve.points.iter().zip(&curve.band).map(|((x, _), (_, high))| place(*x, *high));
            let back = curve.points.iter().zip(&curve.band).rev().map(|((x, _), (low, _))| place(*x, *low));
            let outline: Vec<String> = there.chain(back).collect();
            let _ = write!(svg, "<polygon class=\"band c{}\" points=\"{}\"/>", curve.colour % 6, outline.join(" "));
        }
        // A value that is none interrupts the curve.
        for part in curve.points.split(|(_, y)| !y.is_finite()).filter(|part| !part.is_empty()) {
            let points: Vec<String> = part.iter().map(|(x, y)| place(*x, *y)).collect();
            let _ = write!(svg, "<polyline class=\"{}\" points=\"{}\"/>", look(curve), points.join(" "));
            for (at, value) in part.iter().filter(|_| part.len() == 1 || ranges.is_none() && curve.points.len() <= FEW)
            {
                let (colour, cx, cy) = (curve.colour % 6, x(*at), y(*value));
                let _ = write!(svg, "<circle class=\"c{colour}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"2.4\"/>");
            }
        }
    }
    svg += "</svg>";
    if curves.len() > 1 || curves.iter().any(|curve| !curve.name.is_empty()) {
        svg += "<p class=\"legend\">";
        for curve in &curves {
            let _ = write!(
                svg,
                "<span><svg viewBox=\"0 0 28 8\"><polyline class=\"{}\" points=\"0,4 28,4\"/></svg>{}</span> ",
                look(curve),
                escape(&curve.name)
            );
        }
        svg += "</p>";
    }
    svg + "</figure>"
}

fn look(curve: &Curve) -> String {
    format!("curve c{} d{}", curve.colour % 6, curve.dash % 6)
}

/// The beginning of a figure with one drawing.
pub(super) fn opening(title: &str, width: f64, height: f64) -> String {
    let title = escape(title);
    format!(
        "<figure><figcaption>{title}</figcaption><svg viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"{title}\">"
    )
}

/// What the axes mean: below and beside the place `[left, right, top, foot]`.
pub(super) fn titles(svg: &mut String, [left, right, top, foot]: [f64; 4], names: [&str; 2], height: f64) {
    let (middle, half, under) = (0.5 * (left + right), 0.5 * (top + foot), height - 5.0);
    let (wide, high) = (2.0 * middle.min(right + 10.0 - middle), 2.0 * half.min(height - half));
    let [small_across, small_up] = [shrunk(names[0], wide), shrunk(names[1], high)];
    let [across, up] = names.map(escape);
    let _ =
        write!(svg, "<text x=\"{middle:.1}\" y=\"{under:.1}\" text-anchor=\"middle\"{small_across}>{across}</text>");
    if !up.is_empty() {
        let _ = write!(
            svg,
            "<text transform=\"translate(12 {half:.1}) rotate(-90)\" text-anchor=\"middle\"{small_up}>{up}</text>"
        );
    }
}

/// Where the middle of `text` may be so that all of it is in a picture of `width`, as near to `at` as that goes.
pub(super) fn within(at: f64, text: &str, width: f64) -> f64 {
    let half = 0.5 * LETTER * text.chars().count() as f64;
    at.clamp(half.min(0.5 * width), (width - half).max(0.5 * width))
}

/// An attribute that makes `text` small enough for `room`; empty where it is.
fn shrunk(text: &str, room: f64) -> String {
    let needed = LETTER * text.chars().count() as f64;
    if needed <= room { String::new() } else { format!(" style=\"font-size:{:.1}px\"", 12.0 * room / needed) }
}

/// `text` in no more room than there is; what is cut off is marked.
pub(super) fn cut(text: &str, room: f64) -> String {
    let letters = (room / LETTER).max(2.0) as usize;
    if text.chars().count() <= letters {
        return text.to_string();
    }
    text.chars().take(letters - 1).chain(['…']).collect()
}

/// A table of shares as a heat map: rows are ground truth, columns predictions; each row's shares add up to 1.
pub fn heat(title: &str, names: &[String], rows: &[Vec<u64>]) -> String {
    let mut html = format!(
        "<figure><figcaption>{}</figcaption><table class=\"heat\"><tr><th>ground truth ↓ predicted →</th>",
        escape(title)
    );
    for name in names {
        let _ = write!(html, "<th class=\"turned\"><span>{}</span></th>", escape(name));
    }
    html += "<th class=\"turned\"><span>frames</span></th></tr>";
    for (index, (name, row)) in names.iter().zip(rows).enumerate() {
        let row = &row[..row.len().min(names.len())];
        let sum: u64 = row.iter().sum();
        let _ = write!(html, "<tr><th>{}</th>", escape(name));
        for (column, count) in row.iter().enumerate() {
            let share = *count as f64 / sum.max(1) as f64;
            let class = if column == index { "right" } else { "wrong" };
            let strong = if share >= STRONG { " strong" } else { "" };
            let text = if share >= 0.005 { format!("{:.0}", 100.0 * share) } else { String::new() };
            let _ = write!(html, "<td class=\"{class}{strong}\" style=\"--share:{share:.3}\">{text}</td>");
        }
        let _ = write!(html, "<td class=\"count\">{sum}</td></tr>");
    }
    html + "</table></figure>"
}

/// From this share on a cell is so dark that its number is light.
const STRONG: f64 = 0.55;

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: Axes<'_> = Axes { title: "L & more", across: "epoch", up: "loss", level: None };

    #[test]
    fn steps_are_round_and_numbers_are_as_exact_as_they_look() {
        assert_eq!([step(1.0, 4.0), step(0.07, 4.0), step(730.0, 6.0)], [0.25, 0.02, 200.0]);
        assert_eq!([label(0.5), label(0.0), label(2e-6), label(-3.0)], ["0.5", "0", "2e−6", "−3"]);
        assert_eq!([label(2.5e-4), label(7.5e-4), label(100.0), label(2e5)], ["2.5e−4", "7.5e−4", "100", "2e5"]);
        assert_eq!([short(8.606, 3), short(-0.0123, 3), short(23.28, 3)], ["8.61", "−0.0123", "23.3"]);
        assert_eq!([short(4e-5, 3), short(1234.0, 3), short(0.0, 3)], ["4.00e−5", "1234", "0"]);
        assert_eq!([fixed(-0.226, 2), fixed(f64::NAN, 2)], ["−0.23", "–"]);
    }

    #[test]
    fn charts_hold_what_is_finite_and_escape_names() {
        let points = vec![(1.0, 2.0), (2.0, f64::NAN), (3.0, 4.0)];
        let curve = Curve { name: "<b>".into(), points, ..Curve::default() };
        let svg = lines(&AXES, &[curve.clone(), Curve::default()]);
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
        assert!(svg.contains("&lt;b&gt;") && svg.contains("L &amp; more") && !svg.contains("NaN"), "{svg}");
        assert_eq!(lines(&AXES, &[Curve::default()]), "");
        let constant = lines(&AXES, &[Curve { points: vec![(1.0, 3.0), (2.0, 3.0)], ..curve }]);
        assert!(!constant.contains("inf") && !constant.contains("NaN"), "{constant}");
    }

    /// How far the text of a picture reaches beyond its left and right edges and, where it is turned, its height.
    fn beyond(svg: &str) -> Vec<String> {
        let document =
            roxmltree::Document::parse(&svg[svg.find("<svg").unwrap()..svg.find("</svg>").unwrap() + 6]).unwrap();
        let root = document.root_element();
        let view: Vec<f64> = root.attribute("viewBox").unwrap().split(' ').map(|word| word.parse().unwrap()).collect();
        let texts = root.descendants().filter(|node| node.has_tag_name("text"));
        let outside = |node: roxmltree::Node<'_, '_>| {
            let text: String = node.descendants().filter_map(|part| part.text().filter(|_| part.is_text())).collect();
            let small =
                node.attribute("style").and_then(|style| style.split(':').nth(1)?.trim_end_matches("px").parse().ok());
            let length = text.chars().count() as f64 * LETTER * small.map_or(1.0, |size: f64| size / 12.0);
            let (at, room) = match node.attribute("transform") {
                Some(turned) => (turned.split([' ', ')']).nth(1).unwrap().parse::<f64>().unwrap(), view[3]),
                None => (node.attribute("x").unwrap().parse().unwrap(), view[2]),
            };
            let (left, right) = match node.attribute("text-anchor") {
                Some("middle") => (at - 0.5 * length, at + 0.5 * length),
                Some("end") => (at - length, at),
                _ => (at, at + length),
            };
            (left < -0.1 || right > room + 0.1).then(|| format!("{text}: {left:.0} to {right:.0} of {room}"))
        };
        texts.filter_map(outside).collect()
    }

    #[test]
    fn no_text_is_cut_off_at_the_edges() {
        let points = |scale: f64| (0..7).map(|x| (f64::from(x) * 250_000.0, scale * f64::from(x))).collect();
        for scale in [1e-7, 0.31, 123_456.0, -2e9] {
            let curve = Curve { points: points(scale), ..Curve::default() };
            let up = "a quantity with a name that is much longer than the axis is high, unit";
            assert_eq!(beyond(&lines(&Axes { up, across: up, ..AXES }, &[curve])), Vec::<String>::new());
        }
        use crate::monitor::report::markers::{Series, bars};
        let rows = ["a condition with a long name (123456)", "b"].map(str::to_string);
        for value in [0.123, 98_765.4] {
            let series = [Series { name: "s".into(), colour: 0, values: vec![Series::value(&[value]); 2] }];
            let svg = bars("t", "accuracy of the last validation, %", &rows, &series, None, |v| format!("{v:.1}"));
            assert_eq!(beyond(&svg), Vec::<String>::new());
        }
    }

    #[test]
    fn a_level_is_drawn_and_lies_within_the_axes() {
        let curve = Curve { points: vec![(0.0, 30.0), (1.0, 40.0)], ..Curve::default() };
        let svg = lines(&Axes { level: Some(10.0), ..AXES }, std::slice::from_ref(&curve));
        let level = svg.split("class=\"level\"").nth(1).unwrap();
        let at: f64 = level.split("y1=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(at > 100.0 && at < HEIGHT - ROOM[3] + 0.1, "{at}");
        assert!(!lines(&AXES, &[curve]).contains("class=\"level\""));
    }
}
