//! The page's table of what conditions were taken for, as a picture.

use super::{Drawn, MARGIN, escape, head, style, words};
use roxmltree::Node;
use std::fmt::Write as _;

/// A table of shares: rows are ground truth, columns predictions.
pub(super) fn heat(title: String, table: &Node<'_, '_>) -> Drawn {
    let cells = |row: &Node<'_, '_>, name: &str| -> Vec<(String, String, String)> {
        let own = row.children().filter(|cell| cell.has_tag_name(name));
        let of = |cell: &Node<'_, '_>, key: &str| cell.attribute(key).unwrap_or_default().to_string();
        own.map(|cell| (words(&cell), of(&cell, "class"), of(&cell, "style"))).collect()
    };
    let rows: Vec<Node<'_, '_>> = table.children().filter(|node| node.has_tag_name("tr")).collect();
    let names: Vec<String> =
        rows.first().map_or_else(Vec::new, |row| cells(row, "th").into_iter().map(|cell| cell.0).collect());
    let rows_of_names =
        rows.iter().skip(1).filter_map(|row| cells(row, "th").first().map(|cell| cell.0.chars().count()));
    let longest = rows_of_names.chain(names.iter().take(1).map(|corner| corner.chars().count())).max().unwrap_or(0);
    let (side, left) = (30.0, 12.0 + super::LETTER * longest as f64);
    let lean = names.iter().skip(1).map(|name| name.chars().count()).max().unwrap_or(0) as f64 * super::LETTER;
    let (mut body, top) = head(&title, left + side * names.len() as f64);
    // Names are turned by 60 degrees.
    let top = top + 14.0 + 0.87 * lean;
    let corner = names.first().map(|name| escape(name)).unwrap_or_default();
    let _ = write!(body, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{corner}</text>", left - 8.0, top - 8.0);
    for (column, name) in names.iter().skip(1).enumerate() {
        let x = left + side * (column as f64 + 0.5) + 4.0;
        let _ =
            write!(body, "<text transform=\"translate({x:.1} {:.1}) rotate(-60)\">{}</text>", top - 6.0, escape(name));
    }
    for (index, row) in rows.iter().skip(1).enumerate() {
        let y = top + side * index as f64;
        let name = cells(row, "th").first().map(|cell| cell.0.clone()).unwrap_or_default();
        let base = y + 0.5 * side + 4.0;
        let _ =
            write!(body, "<text x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>", left - 8.0, escape(&name));
        for (column, (text, classes, look)) in cells(row, "td").into_iter().enumerate() {
            let x = left + side * column as f64;
            let share: f64 = look.trim_start_matches("--share:").parse().unwrap_or(0.0);
            let (class, strong) = classes.split_once(' ').unwrap_or((&classes, ""));
            if let Some(colour) = style::variable(class) {
                let _ = write!(
                    body,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{side}\" height=\"{side}\" fill=\"rgb({colour})\" \
                     fill-opacity=\"{share:.3}\" stroke=\"#fff\"/>"
                );
            }
            let (middle, text) = (x + 0.5 * side, escape(&text));
            let kind = if strong.is_empty() { "" } else { " class=\"light\"" };
            let _ = write!(body, "<text{kind} x=\"{middle:.1}\" y=\"{base:.1}\" text-anchor=\"middle\">{text}</text>");
        }
    }
    // The last name leans beyond its column.
    let last = names.last().map_or(0.0, |name| 0.5 * super::LETTER * name.chars().count() as f64);
    let width = left + side * (names.len().saturating_sub(1)) as f64 + last.max(30.0);
    let foot = top + side * rows.len().saturating_sub(1) as f64;
    (title, width + 2.0 * MARGIN, foot + MARGIN, body)
}
