//! The challenge attributes of a data set's sequences, as their authors mark them.
//!
//! A sequence's file holds names (`IV, SV`), or a 0 or 1 for each attribute in its data set's order. It is looked for in
//! a folder that the user names, and else where data sets have theirs: UAV123 `anno/UAV123/att/<s>.txt`, LaSOT
//! `att/<s>.txt`, `attributes.txt` beside the ground truth.

use super::{Family, Subject};
use crate::{data::problems::Problems, text};
use std::path::{Path, PathBuf};

const LASOT: [&str; 14] = ["IV", "POC", "DEF", "MB", "CM", "ROT", "BC", "VC", "SV", "FOC", "FM", "OV", "LR", "ARC"];
const UAV: [&str; 12] = ["SV", "ARC", "LR", "FM", "FOC", "POC", "OV", "BC", "IV", "VC", "CM", "SO"];
const OTB: [&str; 11] = ["IV", "OPR", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC", "LR"];
const VASTTRACK: [&str; 10] = ["INV", "DEF", "ROT", "ARC", "IV", "SV", "FM", "MB", "BC", "LR"];

/// The attributes of a data set in the order of its files of 0 and 1.
fn order(family: Family) -> &'static [&'static str] {
    match family {
        Family::Lasot | Family::LasotExt => &LASOT,
        Family::Uav => &UAV,
        Family::Otb | Family::Tc128 => &OTB,
        Family::VastTrack => &VASTTRACK,
        _ => &[],
    }
}

/// The attributes of `subject`, from `folder` where one is named; `None` where there is no file of them.
pub fn attributes(subject: &Subject, folder: Option<&Path>, problems: &mut Problems) -> Option<Vec<String>> {
    let file = places(subject, folder).into_iter().find(|file| file.is_file())?;
    let text = match text::read(&file) {
        Ok(text) => text,
        Err(error) => {
            problems.text(&file, &error);
            return None;
        }
    };
    let fields: Vec<&str> =
        text.split([',', ';', '\t', ' ', '\n', '\r']).map(str::trim).filter(|field| !field.is_empty()).collect();
    if fields.is_empty() || !fields.iter().all(|field| matches!(*field, "0" | "1" | "0.0" | "1.0")) {
        return Some(fields.into_iter().map(str::to_owned).collect());
    }
    let names = order(subject.family);
    if fields.len() != names.len() {
        let what = match names.len() {
            0 => "flags, but the order of this data set's attributes is not known; write their names".to_owned(),
            known => format!("{} flags for the {known} attributes {}", fields.len(), names.join(", ")),
        };
        problems.file(&file, what);
        return None;
    }
    let has = names.iter().zip(fields).filter(|(_, field)| field.starts_with('1'));
    Some(has.map(|(name, _)| (*name).to_owned()).collect())
}

fn places(subject: &Subject, folder: Option<&Path>) -> Vec<PathBuf> {
    let file = format!("{}.txt", subject.name);
    if let Some(folder) = folder {
        return vec![folder.join(&file), folder.join(&subject.name).join("attributes.txt")];
    }
    let truth = subject.truth.file.parent().unwrap_or(Path::new(""));
    let above: Vec<&Path> = truth.ancestors().skip(1).take(2).collect();
    let mut places = vec![truth.join("att").join(&file), truth.join("attributes.txt")];
    places.push(truth.join(format!("{}_att.txt", subject.name)));
    for root in above {
        places.extend([root.join("att").join(&file), root.join("attributes").join(&file)]);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::{FrameFiles, Truth};

    #[test]
    fn names_or_flags_in_the_order_of_the_data_set() {
        let home = tempfile::tempdir().unwrap();
        let at = |file: &str| home.path().join(file);
        std::fs::create_dir_all(at("anno/att")).unwrap();
        let subject = |family, truth: &str| Subject {
            family,
            set: "set".into(),
            name: "s".into(),
            frames: FrameFiles::listed(home.path(), Vec::new()),
            truth: Truth { file: at(truth), ..Truth::default() },
        };
        let mut problems = Problems::default();
        let uav = subject(Family::Uav, "anno/s.txt");
        assert_eq!(attributes(&uav, None, &mut problems), None);
        std::fs::write(at("anno/att/s.txt"), "1,0,0,0,0,0,0,0,1,0,0,0\n").unwrap();
        assert_eq!(attributes(&uav, None, &mut problems).unwrap(), ["SV", "IV"]);
        std::fs::write(at("anno/att/s.txt"), "1,0\n").unwrap();
        assert_eq!(attributes(&uav, None, &mut problems), None);
        assert!(problems.lines()[0].contains("2 flags for the 12 attributes SV, ARC"), "{problems:?}");
        std::fs::write(at("attributes.txt"), "IV, DEF\n").unwrap();
        let mine = subject(Family::Other, "groundtruth.txt");
        assert_eq!(attributes(&mine, None, &mut problems).unwrap(), ["IV", "DEF"]);
    }
}
