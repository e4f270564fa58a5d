//! Problems with the line that they are about, and a mark under the place.

use super::problem::Problem;

/// The most characters of a line that are shown; of a longer one, those around the place.
const WIDEST: usize = 110;

/// `problem` with its line of `text`, the whole file, when there is such a line:
///
/// ```text
/// x.yaml:3:3: TRAIN.CLS_WEIGTH: unknown key; did you mean CLS_WEIGHT?
///   3 |   CLS_WEIGTH: 0.1
///     |   ^^^^^^^^^^
/// ```
pub fn render(problem: &Problem, text: Option<&str>) -> String {
    let origin = &problem.origin;
    let Some(line) = text.and_then(|text| line_of(text, origin.line)) else { return problem.to_string() };
    let number = origin.line.to_string();
    let column = origin.column.saturating_sub(1);
    let (line, column) = window(line, column);
    // A tab stays a tab, so that the mark stands under its place in every terminal.
    let indent: String = line.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let marks = "^".repeat(width(&line.chars().skip(column).collect::<String>()));
    let gap = " ".repeat(number.len());
    format!("{problem}\n  {number} | {line}\n  {gap} | {indent}{marks}")
}

/// At most [`WIDEST`] characters of `line` around `column`, and where that is in them.
fn window(line: &str, column: usize) -> (String, usize) {
    let length = line.chars().count();
    if length <= WIDEST {
        return (line.to_string(), column);
    }
    let first = column.saturating_sub(WIDEST / 2).min(length - WIDEST);
    let display: String = line.chars().skip(first).take(WIDEST).collect();
    let (before, after) = (if first > 0 { "…" } else { "" }, if first + WIDEST < length { "…" } else { "" });
    (format!("{before}{display}{after}"), column - first + before.chars().count())
}

/// Line `number` of `text`, from 1.
pub fn line_of(text: &str, number: usize) -> Option<&str> {
    text.lines().nth(number.checked_sub(1)?)
}

/// How many characters of `rest` belong to the word or value at its start.
fn width(rest: &str) -> usize {
    let ends: &[char] = match rest.chars().next() {
        Some('[') => &[']'],
        Some('{') => &['}'],
        Some('"') => &['"'],
        Some('\'') => &['\''],
        _ => &[',', ':', '}', ']', '#', ' ', '\t'],
    };
    let closes = matches!(rest.chars().next(), Some('[' | '{' | '"' | '\''));
    let end = rest.chars().enumerate().skip(1).find(|(_, c)| ends.contains(c)).map(|(index, _)| index);
    let all = rest.trim_end().chars().count().max(1);
    end.map_or(all, |end| end + usize::from(closes)).min(all)
}
