//! Annotation files: boxes and flags, one frame a line or comma-separated; every fault is noted with its line.

use std::path::Path;

use crate::data::problems::Problems;

/// The text of a file, or a noted problem.
pub(super) fn read(path: &Path, problems: &mut Problems) -> Option<String> {
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => Some(text),
        Ok(Err(_)) => {
            problems.file(path, "is not text; extract the data set's archive again");
            None
        }
        Err(error) => {
            problems.file(path, format_args!("cannot be read: {error}; extract the data set's archive again"));
            None
        }
    }
}

/// The numbers of a line, whichever of comma, semicolon, tab and space the data set separates them with.
fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split([',', ';', '\t', ' ']).map(str::trim).filter(|field| !field.is_empty())
}

/// The boxes of a file, `x, y, w, h` per line. A line with a fault is noted and stands as a box without area, so that
/// the following ones keep their frame.
pub(super) fn boxes(path: &Path, problems: &mut Problems) -> Vec<[f32; 4]> {
    let Some(text) = read(path, problems) else { return Vec::new() };
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines.iter().enumerate().map(|(i, line)| parse(path, i + 1, line, problems)).collect()
}

fn parse(path: &Path, number: usize, line: &str, problems: &mut Problems) -> [f32; 4] {
    let mut values = [0.0; 4];
    let mut count = 0;
    for field in fields(line) {
        let value: f32 = match field.parse() {
            Ok(value) => value,
            Err(_) => {
                problems.line(path, number, format_args!("`{field}` is not a number; write x,y,w,h"));
                return [0.0; 4];
            }
        };
        if !value.is_finite() {
            let remedy = "write 0,0,0,0 for a frame without the object";
            problems.line(path, number, format_args!("the box holds `{field}`; {remedy}"));
            return [0.0; 4];
        }
        if let Some(slot) = values.get_mut(count) {
            *slot = value;
        }
        count += 1;
    }
    if count != 4 {
        let noun = if count == 1 { "number" } else { "numbers" };
        problems.line(path, number, format_args!("{count} {noun} where a box needs 4; write x,y,w,h"));
        return [0.0; 4];
    }
    values
}

/// Small integers, separated by commas or lines; `frames` of them are expected.
pub(super) fn flags(path: &Path, frames: usize, problems: &mut Problems) -> Option<Vec<u8>> {
    let text = read(path, problems)?;
    let mut values = Vec::with_capacity(frames);
    for (i, line) in text.trim_end().lines().enumerate() {
        for field in fields(line) {
            match field.parse() {
                Ok(value) => values.push(value),
                Err(_) => {
                    problems.line(path, i + 1, format_args!("`{field}` is not a flag; write one of 0 to 8 per frame"));
                    return None;
                }
            }
        }
    }
    if values.len() != frames {
        let remedy = "extract the data set's archive again";
        problems.file(path, format_args!("{} flags for {frames} annotated frames; {remedy}", values.len()));
        return None;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> (Vec<[f32; 4]>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gt.txt");
        std::fs::write(&path, text).unwrap();
        let mut problems = Problems::default();
        let found = boxes(&path, &mut problems);
        let prefix = format!("{}:", path.display());
        (found, problems.lines().iter().map(|line| line.replace(&prefix, "gt.txt:")).collect())
    }

    #[test]
    fn commas_tabs_and_spaces_separate() {
        let expected = vec![[1.0, 2.0, 3.5, 4.0]; 2];
        for text in ["1,2,3.5,4\n1.0,2,3.5,4\n", "1\t2\t3.5\t4\r\n1\t2\t3.5\t4", "1 2  3.5 4\n1, 2, 3.5, 4\n\n"] {
            assert_eq!(parsed(text), (expected.clone(), Vec::new()));
        }
    }

    #[test]
    fn every_fault_is_reported_with_its_line() {
        let (boxes, problems) = parsed("1,2,3,4\nNaN,NaN,NaN,NaN\n1,2,3\n1,2,x,4\n\n5,6,7,8,9\n5,6,7,8\n");
        assert_eq!(boxes.len(), 7);
        assert_eq!(boxes[6], [5.0, 6.0, 7.0, 8.0]);
        insta::assert_snapshot!(problems.join("\n"), @r"
        gt.txt:2: the box holds `NaN`; write 0,0,0,0 for a frame without the object
        gt.txt:3: 3 numbers where a box needs 4; write x,y,w,h
        gt.txt:4: `x` is not a number; write x,y,w,h
        gt.txt:5: 0 numbers where a box needs 4; write x,y,w,h
        gt.txt:6: 5 numbers where a box needs 4; write x,y,w,h
        ");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(prop::array::uniform4(-1e4f32..1e4), 1..20)) {
            let text: String = values.iter().map(|[x, y, w, h]| format!("{x},{y},{w},{h}\n")).collect();
            prop_assert_eq!(parsed(&text), (values, Vec::new()));
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[0-9a-z.,;+\\- \t\n]{0,80}") {
            let lines = text.trim_end().lines().count();
            prop_assert_eq!(parsed(&text).0.len(), lines);
        }
    }
}
