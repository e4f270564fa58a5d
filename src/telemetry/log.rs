//! What a run says on its way: lines of text for people, or JSON objects, one a line, for collectors of logs.
//!
//! As text, lines go to standard output as they are. As JSON (`--log json`), everything is a `tracing` event with time,
//! level and fields; errors go to standard error, all else to standard output. A reader that has gone away is no reason
//! to stop training, so what cannot be printed is dropped. Of what files hold and are called, nothing acts on a terminal
//! ([`printable`]).

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Level;
use tracing_subscriber::fmt::writer::MakeWriterExt;

use super::terminal::{self, Paint, wrap};
use crate::failure::{Failure, Result};
use crate::text::printable;

static JSON: AtomicBool = AtomicBool::new(false);

/// Why standard output could not be written, the first time; a reader that is gone is no reason.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// Standard output, whose failures are remembered instead of passed on.
struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match io::stdout().write(bytes) {
            Ok(count) => Ok(count),
            Err(error) => {
                unwritten(&error);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().or_else(|error| {
            unwritten(&error);
            Ok(())
        })
    }
}

/// Takes note of something that could not be written to standard output.
pub fn unwritten(error: &io::Error) {
    if !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::Interrupted) {
        let _ = UNWRITTEN.set(error.to_string());
    }
}

/// To be called where standard output was closed when the process began, before anything is printed.
pub fn stdout_is_closed() {
    let _ = UNWRITTEN.set("it is closed".into());
}

/// Whether all that was said could be written.
///
/// # Errors
/// Something could not (74).
pub fn written() -> Result<()> {
    let _ = Out.flush();
    match UNWRITTEN.get() {
        None => Ok(()),
        Some(why) => Err(Failure::output(format!(
            "standard output cannot be written: {why}; everything else was done; free the disk or redirect it elsewhere"
        ))),
    }
}

/// From here on everything is said as JSON.
pub fn use_json() {
    let out = std::io::stderr.with_max_level(Level::ERROR).or_else(|| Out);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .log_internal_errors(false)
        .with_max_level(Level::INFO)
        .with_writer(out)
        .finish();
    // A second call changes nothing.
    if tracing::subscriber::set_global_default(subscriber).is_ok() {
        JSON.store(true, Ordering::Release);
    }
}

/// Whether everything is said as JSON.
pub fn is_json() -> bool {
    JSON.load(Ordering::Acquire)
}

/// Says `text`, which may have several lines.
pub fn say(text: &str) {
    if is_json() {
        text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| tracing::info!("{}", line.trim_end()));
    } else {
        line(text);
    }
}

/// Says `text`, its first word in colour.
pub fn say_headed(text: &str, paint: Paint) {
    if is_json() {
        return say(text);
    }
    let text = wrap(&printable(text), terminal::columns());
    let (head, rest) = text.split_once(' ').unwrap_or((&text, ""));
    painted(&format!("{} {rest}", paint.out(head)));
}

/// Prints a row: cells, perhaps in colour, and `text`, which goes on below itself where it is long.
pub fn cells(cells: &[(&str, Option<Paint>)], text: &str) {
    let width: usize = cells.iter().map(|(cell, _)| cell.chars().count() + 1).sum();
    let columns = terminal::columns().map(|columns| columns.saturating_sub(width));
    let painted_cells: String = cells
        .iter()
        .map(|(cell, paint)| paint.map_or_else(|| printable(cell).into(), |paint| paint.out(&printable(cell))) + " ")
        .collect();
    let text = wrap(&printable(text), columns).replace('\n', &format!("\n{}", " ".repeat(width)));
    painted(&format!("{painted_cells}{text}"));
}

/// Prints a line for people, whether or not everything else is said as JSON.
pub fn line(text: &str) {
    painted(&wrap(&printable(text), terminal::columns()));
}

/// Prints a line that may have colours ([`Paint::out`]), above the bar if there is one. Nothing in it is escaped.
pub fn painted(text: &str) {
    terminal::above_bar(|| {
        let _ = writeln!(Out, "{text}");
    });
}

/// Prints text as it is, lines and all.
pub fn piece(text: &str) {
    let _ = Out.write_all(text.as_bytes());
}

/// Prints a line for programs, as it is.
pub fn data(text: impl std::fmt::Display) {
    let _ = writeln!(Out, "{text}");
}

/// Says what a user should know and what does not end the run.
pub fn warn(text: &str) {
    if is_json() {
        tracing::warn!("{text}");
    } else {
        let text = wrap(&format!("warning: {}", printable(text)), terminal::error_columns());
        complain(&text, "warning:", Paint::Warning);
    }
}

/// Says what ends the run: lines of one message, of which those that are indented belong to the line before them.
pub fn error(text: &str) {
    if is_json() {
        tracing::error!("{text}");
        return;
    }
    for line in text.lines() {
        let head = if line.starts_with(' ') { "" } else { "error: " };
        let text = wrap(&format!("{head}{}", printable(line)), terminal::error_columns());
        complain(&text, head.trim_end(), Paint::Error);
    }
}

/// Prints a line to standard error, its `head` in colour.
fn complain(text: &str, head: &str, paint: Paint) {
    let rest = text.strip_prefix(head).unwrap_or(text);
    let head = if rest.len() < text.len() { paint.err(head) } else { String::new() };
    terminal::above_bar(|| {
        let _ = writeln!(std::io::stderr(), "{head}{rest}");
    });
}
