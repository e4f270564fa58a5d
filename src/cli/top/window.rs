//! The terminal's window while a job is watched: its keys, its size, and what stood there before.

use console::truncate_str;
use crossterm::{
    cursor::{Hide, MoveTo, Show},
    event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size},
};
use std::{
    io::{self, Write, stdout},
    time::{Duration, Instant},
};

/// What ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The time is over.
    Look,
    /// The window has another size.
    Draw,
    /// The user wants to leave.
    Leave,
}

/// The whole window, until this is dropped.
pub(super) struct Window(());

impl Window {
    /// Takes the window; keys come one by one.
    ///
    /// # Errors
    /// There is no terminal that does so.
    pub fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        // From here on it is given back whatever happens.
        let window = Self(());
        execute!(stdout(), EnterAlternateScreen, Hide)?;
        Ok(window)
    }

    /// Columns and rows.
    pub fn size() -> (usize, usize) {
        size().map_or((80, 24), |(columns, rows)| (usize::from(columns), usize::from(rows)))
    }

    /// Shows `text`, cut to the window.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&self, text: &str) -> io::Result<()> {
        let (columns, rows) = Self::size();
        let mut out = stdout().lock();
        execute!(out, MoveTo(0, 0))?;
        // Each line cleared to its end, and what is left below: no flicker.
        let lines: Vec<String> = fit(text, columns, rows).iter().map(|line| format!("{line}\x1b[K")).collect();
        write!(out, "{}\x1b[J", lines.join("\r\n"))?;
        out.flush()
    }

    /// Waits for `time`, a key or another size.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn wait(&self, time: Duration) -> io::Result<Next> {
        let end = Instant::now() + time;
        loop {
            if !poll(end.saturating_duration_since(Instant::now()))? {
                return Ok(Next::Look);
            }
            match read()? {
                Event::Resize(..) => return Ok(Next::Draw),
                Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                    KeyCode::Char('q' | 'Q') | KeyCode::Esc => return Ok(Next::Leave),
                    KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        return Ok(Next::Leave);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // Where the terminal is gone, nobody needs it back.
        let _ = execute!(stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// The lines of `text` that fit into a window, each cut at its right edge; the last one says that there are more.
pub(super) fn fit(text: &str, columns: usize, rows: usize) -> Vec<String> {
    let cut = |line: &str| truncate_str(line, columns, "…").into_owned();
    let all: Vec<&str> = text.lines().collect();
    if all.len() <= rows {
        return all.into_iter().map(cut).collect();
    }
    let mut lines: Vec<String> = all.iter().take(rows.saturating_sub(1)).map(|line| cut(line)).collect();
    lines.push(cut(&format!("… {} more lines in a taller window", all.len() - lines.len())));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_cut_to_its_window() {
        let text = "a long line of words\nsecond\nthird\nλ‖∇L‖ and so on";
        assert_eq!(fit(text, 10, 9), ["a long li…", "second", "third", "λ‖∇L‖ and…"]);
        assert_eq!(fit(text, 40, 3), ["a long line of words", "second", "… 2 more lines in a taller window"]);
        assert_eq!(fit(text, 4, 1), ["… 4…"]);
        let painted = "\x1b[1mbold words\x1b[0m";
        assert_eq!(console::strip_ansi_codes(&fit(painted, 5, 1)[0]), "bold…");
    }
}
