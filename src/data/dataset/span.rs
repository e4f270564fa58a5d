//! The part of a folder's frames that a sequence is.

use super::FrameFiles;

/// The frames `first` to `last` of `frames`, by the numbers that the files are called by; by their places, counted from
/// 1, where the files have other names. A folder with as many frames as there are `boxes` was cut to the part before.
pub(super) fn part(frames: FrameFiles, (first, last): (usize, usize), boxes: usize) -> FrameFiles {
    if frames.len() == boxes {
        return frames;
    }
    let number = |index: usize| frames.path(index).file_stem()?.to_str()?.parse::<usize>().ok();
    let numbers: Option<Vec<usize>> = (0..frames.len()).map(number).collect();
    match numbers {
        Some(numbers) if numbers.is_sorted() => frames.slice(
            numbers.partition_point(|number| *number < first),
            numbers.partition_point(|number| *number <= last),
        ),
        _ if frames.len() >= last => frames.slice(first - 1, last),
        _ => frames,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn frames(names: impl Iterator<Item = String>) -> FrameFiles {
        FrameFiles::listed(Path::new("d"), names.collect())
    }

    #[test]
    fn numbers_in_names_decide_and_a_folder_of_the_right_size_is_left_alone() {
        let first = |files: &FrameFiles| files.path(0).file_name().unwrap().to_str().unwrap().to_owned();
        let whole = || frames((1..=20).map(|i| format!("{i:04}.jpg")));
        let cut = part(whole(), (5, 9), 5);
        assert_eq!((cut.len(), first(&cut).as_str()), (5, "0005.jpg"));
        // A video that was not fetched to its end.
        assert_eq!(part(whole(), (15, 40), 6).len(), 6);
        // Starting late, with frames beyond the last.
        let late = part(frames((5..=20).map(|i| format!("{i:04}.jpg"))), (5, 9), 5);
        assert_eq!((late.len(), first(&late).as_str()), (5, "0005.jpg"));
        // Cut and numbered anew.
        assert_eq!(part(frames((1..=5).map(|i| format!("{i:04}.jpg"))), (5, 9), 5).len(), 5);
        let named = part(frames((1..=20).map(|i| format!("img{i:04}.jpg"))), (5, 9), 5);
        assert_eq!(first(&named), "img0005.jpg");
    }
}
