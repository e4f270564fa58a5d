//! Several pictures as one, in two columns.

use super::{MARGIN, Picture, document, escape};
use std::fmt::Write as _;

/// How many pictures stand beside each other.
const COLUMNS: usize = 2;
/// Height of a line of text.
const LINE: f64 = 18.0;

/// `pictures` below `title` and `lines` of text.
pub fn sheet(name: &str, title: &str, lines: &[String], pictures: &[Picture]) -> Picture {
    let column = pictures.iter().map(|picture| picture.size.0).fold(1.0, f64::max);
    let width = MARGIN + COLUMNS as f64 * (column + MARGIN);
    let mut body = String::new();
    let mut y = MARGIN + 16.0;
    let _ = write!(body, "<text class=\"title\" x=\"{MARGIN}\" y=\"{y}\">{}</text>", escape(title));
    for line in lines.iter().flat_map(|line| broken(line, width - 2.0 * MARGIN)) {
        y += LINE;
        let _ = write!(body, "<text x=\"{MARGIN}\" y=\"{y:.1}\">{}</text>", escape(&line));
    }
    y += LINE;
    for row in pictures.chunks(COLUMNS) {
        for (at, picture) in row.iter().enumerate() {
            let x = MARGIN + at as f64 * (column + MARGIN);
            let _ = write!(body, "<g transform=\"translate({x:.1} {y:.1})\">{}</g>", picture.body);
        }
        y += row.iter().map(|picture| picture.size.1).fold(0.0, f64::max) + MARGIN;
    }
    document(name.into(), (width, y + MARGIN), body)
}

/// `line` in parts that are no wider than `width`.
fn broken(line: &str, width: f64) -> Vec<String> {
    let room = (width / super::LETTER) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in line.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= room => *last += &format!(" {word}"),
            _ => lines.push(word.to_string()),
        }
    }
    lines
}
