//! The ground truth as its files write it, in double precision: scores compare it with bounds that hold exactly.

use std::path::{Path, PathBuf};

use super::{ScanContext, SequenceFiles, annotation};

/// A sequence's ground truth, and what its annotators say about the frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// The file that the boxes are in.
    pub file: PathBuf,
    /// `x, y, w, h` of each annotated frame; all four NaN where the file has NaN.
    pub boxes: Vec<[f64; 4]>,
    /// Which frames are not marked as occluded, out of view or absent, where there are such files.
    pub visible: Option<Vec<bool>>,
    /// Which frames have a `cover` above 0, where the sequence has a `cover.label`.
    pub covered: Option<Vec<bool>>,
    /// The frames' width and height, where the sequence has a `meta_info.ini`.
    pub size: Option<(f64, f64)>,
}

/// The ground truth of a sequence whose boxes were read without a fault before.
pub(super) fn truth(entry: &SequenceFiles, visible: Option<Vec<bool>>, scan: &mut ScanContext) -> Option<Truth> {
    let text = scan.text(&entry.boxes)?;
    let mut boxes: Vec<[f64; 4]> =
        text.trim_end().lines().map(|line| entry.style.counted_from_zero(row(line), 1.0)).collect();
    if let Some((first, last)) = entry.span {
        boxes.truncate(last + 1 - first);
    }
    let folder = entry.boxes.parent().unwrap_or(Path::new(""));
    let cover = folder.join("cover.label");
    let covered = cover.exists().then(|| annotation::flags(&cover, boxes.len(), scan)).flatten();
    let covered = covered.map(|covered| covered.iter().map(|cover| *cover > 0).collect());
    let size = size(&folder.join("meta_info.ini"), scan);
    Some(Truth { file: entry.boxes.clone(), boxes, visible, covered, size })
}

/// The box of a line, upright around a polygon's corners.
fn row(line: &str) -> [f64; 4] {
    let numbers: Vec<f64> = annotation::fields(line).map(|field| field.parse().unwrap_or(f64::NAN)).collect();
    if numbers.iter().any(|number| number.is_nan()) {
        return [f64::NAN; 4];
    }
    match numbers[..] {
        [x, y, w, h] => [x, y, w, h],
        [x0, y0, x1, y1, x2, y2, x3, y3] => {
            let (xs, ys) = ([x0, x1, x2, x3], [y0, y1, y2, y3]);
            let least = |values: [f64; 4]| values.into_iter().fold(f64::INFINITY, f64::min);
            let most = |values: [f64; 4]| values.into_iter().fold(f64::NEG_INFINITY, f64::max);
            [least(xs), least(ys), most(xs) - least(xs), most(ys) - least(ys)]
        }
        _ => [f64::NAN; 4],
    }
}

/// `resolution: (1920, 1080)` of GOT-10k's `meta_info.ini`.
fn size(file: &Path, scan: &mut ScanContext) -> Option<(f64, f64)> {
    if !file.is_file() {
        return None;
    }
    let text = scan.text(file)?;
    let parsed = text.lines().enumerate().find_map(|(at, line)| {
        let (key, value) = line.split_once([':', '='])?;
        (key.trim() == "resolution").then_some((at, value.trim()))
    });
    let (at, value) = parsed?;
    let inner = value.trim_start_matches(['(', '[']).trim_end_matches([')', ']']);
    let sides: Option<Vec<f64>> = inner.split(',').map(|side| side.trim().parse().ok()).collect();
    match sides.as_deref() {
        Some([width, height]) if *width > 0.0 && *height > 0.0 => Some((*width, *height)),
        _ => {
            scan.problems.line(file, at + 1, format_args!("`{value}` is no size; write resolution: (W, H)"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_decimals() {
        assert_eq!(row("0.1,0.2\t0.3 4"), [0.1, 0.2, 0.3, 4.0]);
        assert_eq!(row("10 5 20 8 18 30 8 27.7"), [8.0, 5.0, 12.0, 25.0]);
        assert!(row("NaN,1,2,3").iter().all(|value| value.is_nan()));
    }

    #[test]
    fn the_size_of_the_frames_stands_in_the_meta_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meta_info.ini");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let mut scan = ScanContext::default();
            (size(&file, &mut scan), scan.problems.lines().len())
        };
        assert_eq!(read("[METAINFO]\nurl: a\nresolution: (96, 72)\n"), (Some((96.0, 72.0)), 0));
        assert_eq!(read("[METAINFO]\nresolution: big\n"), (None, 1));
        assert_eq!(read("[METAINFO]\n"), (None, 0));
    }
}
