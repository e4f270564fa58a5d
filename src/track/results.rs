//! Result files, as the reference and the community's toolkits lay them out: `<sequence>.txt` with one box a line, tabs
//! between x, y, w and h; `<sequence>_time.txt` with seconds a frame; and, beyond the reference,
//! `<sequence>_condition.txt` with condition index, name and probability, and the severity where the head tells it.

use super::tracker::Guess;
use crate::{
    data::{condition::UNLABELLED, problems::Problems},
    failure::{Failure, Result},
    text::{self, excerpt},
    vision::rect::Rect,
};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// `<save_dir>/test/tracking_results/<script>/<config>`.
pub fn folder(save_dir: &Path, script: &str, config: &Path) -> PathBuf {
    save_dir.join("test/tracking_results").join(script).join(config)
}

/// What was found in one video.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// A box for each frame; the first is the one that was given.
    pub boxes: Vec<Rect>,
    /// Seconds for each frame, without reading it.
    pub seconds: Vec<f64>,
    /// Of each frame but the first; empty without a condition head.
    pub conditions: Vec<Option<Guess>>,
}

/// The file with the boxes of `sequence`.
pub fn file(folder: &Path, sequence: &str) -> PathBuf {
    folder.join(format!("{sequence}.txt"))
}

/// Writes the files of `sequence`. With `whole`, boxes are cut to whole pixels, as the reference does.
///
/// # Errors
/// A file that cannot be written.
pub fn write(folder: &Path, sequence: &str, record: &Record, whole: bool) -> Result<()> {
    let (mut boxes, mut seconds, mut conditions) = (String::new(), String::new(), String::new());
    for Rect { x, y, w, h } in &record.boxes {
        // Writing to a string does not fail.
        let _ = match whole {
            // Whole numbers, so that what is cut to zero has no sign.
            true => writeln!(boxes, "{}\t{}\t{}\t{}", *x as i64, *y as i64, *w as i64, *h as i64),
            false => writeln!(boxes, "{x:.3}\t{y:.3}\t{w:.3}\t{h:.3}"),
        };
    }
    record.seconds.iter().for_each(|value| seconds += &format!("{value:.6}\n"));
    for guess in &record.conditions {
        conditions += &match guess {
            Some(Guess { condition, probability, severity }) => {
                let severity = severity.map_or_else(String::new, |severity| format!("\t{severity:.4}"));
                format!("{}\t{condition}\t{probability:.4}{severity}\n", condition.index())
            }
            None => format!("{UNLABELLED}\tnone\t0\n"),
        };
    }
    let put = |path: PathBuf, text: &str| {
        // Whole or not there, so that a file that is there need not be made again.
        let temporary = path.with_extension("tmp");
        std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, &path)).map_err(|error| {
            Failure::output(format!("{}: cannot be written: {error}; choose another --save_dir", path.display()))
        })
    };
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::output(format!("{}: cannot be made: {error}; choose another --save_dir", folder.display()))
    })?;
    if record.conditions.iter().any(Option::is_some) {
        put(folder.join(format!("{sequence}_condition.txt")), &conditions)?;
    }
    put(folder.join(format!("{sequence}_time.txt")), &seconds)?;
    put(file(folder, sequence), &boxes)
}

/// Reads boxes, one a line, with commas, tabs or spaces between the numbers; faults go to `problems`.
pub fn read(path: &Path, problems: &mut Problems) -> Option<Vec<Rect>> {
    let text = match text::read(path) {
        Ok(text) => text,
        Err(error) => {
            problems.text(path, &error);
            return None;
        }
    };
    let mut boxes = Vec::new();
    let mut whole = true;
    for (at, line) in text.trim_end().lines().enumerate() {
        let fields: Vec<&str> = line.split([',', '\t', ' ', ';']).map(str::trim).filter(|f| !f.is_empty()).collect();
        let numbers: Vec<f64> = fields.iter().filter_map(|field| field.parse().ok()).collect();
        match numbers[..] {
            [x, y, w, h] if fields.len() == 4 && numbers.iter().all(|number| number.is_finite()) => {
                boxes.push(Rect::new(x, y, w, h));
            }
            _ => {
                problems.line(path, at + 1, format!("`{}` is no box; write x, y, w, h", excerpt(line.trim())));
                whole = false;
            }
        }
    }
    if boxes.is_empty() && whole {
        problems.file(path, "holds no box");
        return None;
    }
    whole.then_some(boxes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::condition::Condition;

    fn record() -> Record {
        let guess = Guess { condition: Condition::MotionBlur, probability: 0.25, severity: None };
        Record {
            boxes: vec![
                Rect::new(1.0, 2.0, 3.0, 4.0),
                Rect::new(-1.75, 2.25, 30.5, 4.125),
                Rect::new(-0.5, 0.0, 9.0, 9.0),
            ],
            seconds: vec![0.5, 0.25],
            conditions: vec![None, Some(guess)],
        }
    }

    #[test]
    fn files_are_written_as_toolkits_read_them() {
        let folder = tempfile::tempdir().unwrap();
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        write(folder.path(), "Deer", &record(), false).unwrap();
        assert_eq!(
            text("Deer.txt"),
            "1.000\t2.000\t3.000\t4.000\n-1.750\t2.250\t30.500\t4.125\n-0.500\t0.000\t9.000\t9.000\n"
        );
        assert_eq!(text("Deer_time.txt"), "0.500000\n0.250000\n");
        assert_eq!(text("Deer_condition.txt"), "-100\tnone\t0\n3\tmotion_blur\t0.2500\n");
        let mut with_severity = record();
        with_severity.conditions[1].as_mut().unwrap().severity = Some(0.5);
        write(folder.path(), "Fish", &with_severity, false).unwrap();
        assert_eq!(text("Fish_condition.txt"), "-100\tnone\t0\n3\tmotion_blur\t0.2500\t0.5000\n");
        let mut problems = Problems::default();
        assert_eq!(read(&folder.path().join("Deer.txt"), &mut problems).unwrap(), record().boxes);
        write(folder.path(), "Deer", &record(), true).unwrap();
        assert_eq!(text("Deer.txt"), "1\t2\t3\t4\n-1\t2\t30\t4\n0\t0\t9\t9\n");
        assert!(problems.is_empty());
    }

    #[test]
    fn faults_are_reported_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "1,2,3,4\n1,2,3\nnan nan nan nan\n1 2 3 4 5\n").unwrap();
        let mut problems = Problems::default();
        assert_eq!(read(&path, &mut problems), None);
        let lines: Vec<_> =
            problems.lines().iter().map(|line| line.replace(&folder.path().display().to_string(), "")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        /a.txt:2: `1,2,3` is no box; write x, y, w, h
        /a.txt:3: `nan nan nan nan` is no box; write x, y, w, h
        /a.txt:4: `1 2 3 4 5` is no box; write x, y, w, h
        ");
    }
}
