//! What result files are scored against: sequences with their ground truth in double precision.

use super::{NamedSet, benchmark::Family};
use crate::{
    data::{
        dataset::{self, CheckedSequence, FrameFiles, Purpose, Roots, Truth},
        problems::Problems,
    },
    failure::{Failure, Result},
    settings::did_you_mean,
};

/// A sequence to be scored.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its data set's family.
    pub family: Family,
    /// The folder of its data set's results.
    pub set: String,
    /// Its name in the data set.
    pub name: String,
    /// Its frames.
    pub frames: FrameFiles,
    /// Its ground truth.
    pub truth: Truth,
}

/// The sequences of `sets` (data sets, or folders below the base of `roots`), only those called as `wanted` says where it says anything; and what the user should know about them.
///
/// # Errors
/// Names that do not exist, annotations with faults, sets whose ground truth is not public: all at once.
pub fn subjects(sets: &[NamedSet], wanted: &[String], roots: &Roots) -> Result<(Vec<Subject>, Vec<String>)> {
    let (mut subjects, mut notes, mut problems) = (Vec::new(), Vec::new(), Problems::default());
    // Of the sequences that are not wanted.
    let mut names: Vec<String> = Vec::new();
    for NamedSet { given: set, name, family, folder } in sets {
        let family = *family;
        let scan = dataset::scan_for(Purpose::Scoring, name, roots)?;
        if name != set {
            notes.push(format!("{set} is the data set {name}, in {}", scan.root.display()));
        }
        notes.extend(scan.notes.iter().map(|note| format!("{set}: {note}")));
        problems.extend(scan.problems);
        let (mut first_only, mut count, mut packed, mut bare) = (0, 0, false, 0);
        for found in scan.sequences {
            if !wanted.is_empty() && !wanted.iter().any(|name| is(family, &found.sequence.name, name)) {
                names.push(found.sequence.name.to_string());
                continue;
            }
            count += 1;
            if !found.problems.is_empty() {
                problems.extend(found.problems);
                continue;
            }
            packed |= found.truth.is_none();
            let subject = subject(family, folder, found);
            bare += usize::from(subject.frames.is_empty());
            if subject.truth.boxes.len() == 1 && subject.frames.len() != 1 {
                first_only += 1;
            } else {
                subjects.push(subject);
            }
        }
        if bare > 0 {
            let what = "have no pictures here: whether the ground truth is complete cannot be checked";
            notes.push(format!("{set}: {bare} of {count} sequences {what}"));
        }
        if packed {
            notes.push(format!("{set}: packed; its ground truth is in single precision, and NaN is a box of zeros"));
        }
        if first_only > 0 {
            let which = if first_only == count { "its".to_owned() } else { format!("{first_only} of its") };
            let what =
                format!("only the first box of {which} sequences is known, so there is nothing to score against");
            let remedy = "submit the results to the benchmark's server, or name another set";
            problems.file(&scan.root, format_args!("{set}: {what}; {remedy}"));
        } else if count == 0 && wanted.is_empty() && problems.is_empty() {
            problems.file(&scan.root, format_args!("{set}: no sequences here"));
        }
    }
    problems.into_result()?;
    let given: Vec<&str> = sets.iter().map(|set| set.given.as_str()).collect();
    for name in wanted {
        if !subjects.iter().any(|subject: &Subject| is(subject.family, &subject.name, name)) {
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            return Err(Failure::input(format!("--sequence {name}: {} has no such sequence{hint}", given.join(", "))));
        }
    }
    Ok((subjects, notes))
}

/// Whether a sequence is called so, in its data set or by its results.
fn is(family: Family, sequence: &str, name: &str) -> bool {
    sequence == name || family.names(sequence).has(name)
}

fn subject(family: Family, set: &str, found: CheckedSequence) -> Subject {
    let sequence = found.sequence;
    let truth = found.truth.unwrap_or_else(|| Truth {
        file: sequence.frames.folder().to_owned(),
        boxes: sequence.boxes().iter().map(|values| values.map(f64::from)).collect(),
        visible: Some(sequence.visible().to_vec()),
        ..Truth::default()
    });
    Subject { family, set: set.to_owned(), name: sequence.name.to_string(), frames: sequence.frames, truth }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(root: &Path, set: &str, wanted: &[&str]) -> Result<(Vec<Subject>, Vec<String>)> {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        subjects(&super::super::named_sets(&[set.to_owned()])?, &wanted, &Roots::below(root))
    }

    #[test]
    fn ground_truth_keeps_its_decimals_and_names_are_either() {
        let root = tempfile::tempdir().unwrap();
        let uav = root.path().join("uav");
        write(&uav.join("anno/UAV123/bike1.txt"), "0.1,2,3,4\nNaN,NaN,NaN,NaN\n");
        for frame in 1..=2 {
            write(&uav.join(format!("data_seq/UAV123/bike1/{frame:06}.jpg")), "");
        }
        for set in ["UAV123", "uav"] {
            let (found, notes) = read(root.path(), set, &["uav_bike1"]).unwrap();
            assert_eq!((found[0].name.as_str(), found[0].family), ("bike1", Family::Uav));
            assert_eq!(found[0].truth.boxes[0], [0.1, 2.0, 3.0, 4.0]);
            assert!(found[0].truth.boxes[1][2].is_nan());
            assert_eq!(notes.len(), usize::from(set == "uav"), "{notes:?}");
        }
        assert!(read(root.path(), "UAV123", &["uav_bike"]).unwrap_err().message.contains("no such sequence"));
    }

    #[test]
    fn a_set_without_ground_truth_and_one_that_lost_a_frame_are_refused() {
        let root = tempfile::tempdir().unwrap();
        for frame in 0..3 {
            write(&root.path().join(format!("trackingnet/TEST/frames/a/{frame}.jpg")), "");
            write(&root.path().join(format!("mine/s/{frame}.jpg")), "");
        }
        write(&root.path().join("trackingnet/TEST/anno/a.txt"), "1,2,3,4\n");
        let failure = read(root.path(), "TRACKINGNET_test", &[]).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
        assert!(failure.message.contains("only the first box of its sequences is known"), "{failure}");
        write(&root.path().join("mine/s/groundtruth.txt"), &"1,2,3,4\n".repeat(4));
        let failure = read(root.path(), "mine", &[]).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
        assert!(failure.message.contains("boxes for 4"), "{failure}");
    }
}
