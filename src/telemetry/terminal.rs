//! The terminal that a run talks to: whether there is one, how wide it is, and whether it may have colours.
//!
//! On a terminal, lines are wrapped between words with a hanging indent, so that nothing runs over its right edge; in a
//! pipe or a file they stay as they are. Colours follow `NO_COLOR`, `CLICOLOR` and `TERM`, and are never in a pipe. One
//! progress bar at most is shown at a time; whatever is printed meanwhile goes above it.

use console::{Style, Term, measure_text_width};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::IsTerminal,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What a terminal has that does not tell its size.
const USUAL: usize = 80;

/// Narrower ones get lines that they wrap themselves.
const LEAST: usize = 40;

/// What something means, as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// A heading.
    Strong,
    /// What is there to be looked up.
    Faint,
    /// Better than before.
    Good,
    /// A warning.
    Warning,
    /// An error.
    Error,
}

impl Paint {
    fn style(self) -> Style {
        match self {
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dim(),
            Self::Good => Style::new().green(),
            Self::Warning => Style::new().yellow().bold(),
            Self::Error => Style::new().red().bold(),
        }
    }

    /// `text` in this colour, where standard output has colours.
    pub fn out(self, text: &str) -> String {
        self.style().for_stdout().apply_to(text).to_string()
    }

    /// `text` in this colour, where standard error has colours.
    pub fn err(self, text: &str) -> String {
        self.style().for_stderr().apply_to(text).to_string()
    }
}

/// Columns of the terminal on standard output; none where it goes elsewhere.
pub fn columns() -> Option<usize> {
    columns_of(std::io::stdout().is_terminal(), &Term::stdout())
}

/// Columns of the terminal on standard error; none where it goes elsewhere.
pub fn error_columns() -> Option<usize> {
    columns_of(std::io::stderr().is_terminal(), &Term::stderr())
}

fn columns_of(is_terminal: bool, term: &Term) -> Option<usize> {
    is_terminal.then(|| term.size_checked().map_or(USUAL, |(_, columns)| usize::from(columns)))
}

/// `text` in lines of at most `columns`, broken between words; lines that go on are indented by two more. What has no
/// space in it, such as a path, is not broken.
pub fn wrap(text: &str, columns: Option<usize>) -> String {
    match columns.filter(|columns| *columns >= LEAST) {
        None => text.to_string(),
        Some(columns) => text.split('\n').map(|line| wrap_line(line, columns)).collect::<Vec<_>>().join("\n"),
    }
}

fn wrap_line(line: &str, columns: usize) -> String {
    if measure_text_width(line) <= columns {
        return line.to_string();
    }
    let indent = line.len() - line.trim_start_matches(' ').len();
    let hanging = " ".repeat(indent + 2);
    let mut lines = vec![String::new()];
    // Spaces before a word belong to it, so that columns stay columns.
    for word in words(line) {
        let last = lines.last_mut().map_or(0, |last| measure_text_width(last));
        let fits = last + measure_text_width(word) <= columns;
        match lines.last_mut() {
            Some(last_line) if fits || last <= hanging.len() => *last_line += word,
            _ => lines.push(format!("{hanging}{}", word.trim_start_matches(' '))),
        }
    }
    lines.join("\n")
}

/// The words of a line, each with the spaces before it.
fn words(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut within) = (0, false);
    for (at, c) in line.char_indices() {
        if c == ' ' && within {
            found.push(&line[start..at]);
            (start, within) = (at, false);
        } else if c != ' ' {
            within = true;
        }
    }
    found.push(&line[start..]);
    found
}

static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn open_bar() -> MutexGuard<'static, Option<ProgressBar>> {
    BAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows a bar of `length` below all that is printed, where standard output is a terminal; `template` as indicatif has
/// it. One that is shown already makes room.
pub fn show_bar(length: u64, template: &str) -> Option<ProgressBar> {
    if !std::io::stdout().is_terminal() || super::log::is_json() {
        return None;
    }
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(length).with_style(style);
    if let Some(before) = open_bar().replace(bar.clone()) {
        before.finish_and_clear();
    }
    Some(bar)
}

/// Takes `bar` away.
pub fn hide_bar(bar: &ProgressBar) {
    open_bar().take();
    bar.finish_and_clear();
}

/// Prints with `print` what belongs above the bar, if one is shown.
pub(super) fn above_bar<T>(print: impl FnOnce() -> T) -> T {
    // The lock is not held while printing: whoever prints may show a bar.
    let bar = open_bar().clone();
    match bar {
        Some(bar) => bar.suspend(print),
        None => print(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words_and_go_on_indented() {
        let text = "  warning: one two three four five six seven eight nine ten eleven twelve thirteen";
        let wrapped = wrap(text, Some(40));
        let lines: Vec<&str> = wrapped.lines().collect();
        assert!(lines.iter().all(|line| line.chars().count() <= 40), "{wrapped}");
        assert!(lines[1].starts_with("    s") && !lines[1].starts_with("     "), "{wrapped}");
        let joined: Vec<&str> = wrapped.split_whitespace().collect();
        assert_eq!(joined, text.split_whitespace().collect::<Vec<_>>());
        assert_eq!((wrap(text, None), wrap(text, Some(20))), (text.into(), text.into()));
    }

    #[test]
    fn columns_and_what_has_no_spaces_stay() {
        let table = "stage      workers   busy\n  sample         1    0 %";
        assert_eq!(wrap(table, Some(40)), table);
        let path = format!("checkpoint  /{}", "a".repeat(60));
        assert_eq!(wrap(&path, Some(40)), format!("checkpoint\n  /{}", "a".repeat(60)));
        assert_eq!(wrap(&path[12..], Some(40)), path[12..]);
    }

    #[test]
    fn letters_count_by_the_columns_that_they_take() {
        let wide = "λ‖∇L‖ 光光光光光光光光光 光光光光光光光光光光光 x";
        let wrapped = wrap(wide, Some(40));
        assert!(wrapped.lines().all(|line| measure_text_width(line) <= 40), "{wrapped}");
        assert_eq!(wrapped.lines().count(), 2, "{wrapped}");
    }
}
