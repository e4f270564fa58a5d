//! The folder on disk: GOT-10k's layout, condition labels beside it, and the manifest.
//!
//! A sequence is written into a hidden folder beside its place and renamed when it is whole, labels first: a folder with
//! a sequence's name is complete, whenever the run ended.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::options::{Manifest, SynthOptions, SynthSplit};
use super::truth::Truth;
use crate::data::condition::Condition;
use crate::failure::{Failure, Result};

const MANIFEST: &str = "synth.json";

/// A rendered sequence on its way to disk.
pub(super) struct Sequence {
    /// Its name.
    pub name: String,
    /// What GOT-10k calls the class of the object.
    pub object: &'static str,
    /// Columns and rows of the pictures.
    pub size: (usize, usize),
    /// The JPEG files in order.
    pub pictures: Vec<Vec<u8>>,
    /// One for each picture.
    pub truths: Vec<Truth>,
    /// What the sequence was made to show.
    pub condition: Condition,
}

/// The folder of a data set.
pub(super) struct Layout {
    out: PathBuf,
}

impl Layout {
    /// Takes a folder that is new, empty, or holds this very data set (perhaps unfinished).
    pub fn open(out: &Path, options: &SynthOptions) -> Result<Self> {
        let layout = Self { out: out.to_path_buf() };
        let wanted = options.manifest(false);
        match fs::read_dir(out) {
            Ok(entries) => match layout.manifest()? {
                Some(found) if found.same(&wanted) => {}
                Some(_) => {
                    return Err(Failure::output(format!(
                        "{}: holds synthetic data made with other options; delete it or choose another folder",
                        out.display()
                    )));
                }
                None if entries.into_iter().any(|entry| !is_first_draft(&entry)) => {
                    return Err(Failure::output(format!(
                        "{}: not empty and not made by this generator; choose another folder",
                        out.display()
                    )));
                }
                None => layout.write_manifest(&wanted)?,
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(out)?;
                layout.write_manifest(&wanted)?;
            }
            Err(error) => return Err(failed(out, &error)),
        }
        make(&layout.conditions())?;
        for split in [SynthSplit::Train, SynthSplit::Val] {
            make(&layout.split(split))?;
        }
        Ok(layout)
    }

    /// Where the splits are.
    pub fn got10k(&self) -> PathBuf {
        self.out.join("got10k")
    }

    /// Where the condition labels are.
    pub fn conditions(&self) -> PathBuf {
        self.out.join("conditions")
    }

    fn split(&self, split: SynthSplit) -> PathBuf {
        self.got10k().join(split.folder())
    }

    /// Whether a sequence is there.
    pub fn has(&self, split: SynthSplit, name: &str) -> bool {
        self.split(split).join(name).is_dir() && self.conditions().join(name).is_dir()
    }

    /// Writes a sequence: first its labels, then its pictures and boxes.
    pub fn write(&self, split: SynthSplit, sequence: &Sequence) -> Result<()> {
        let labels = |folder: &Path| write(&folder.join(format!("{}.jsonl", sequence.name)), sequence.labels());
        environment(&self.conditions(), &sequence.name, labels)?;
        environment(&self.split(split), &sequence.name, |folder| {
            for (index, bytes) in sequence.pictures.iter().enumerate() {
                write(&folder.join(format!("{:08}.jpg", index + 1)), bytes)?;
            }
            write(&folder.join("groundtruth.txt"), sequence.boxes())?;
            let (width, height) = (sequence.size.0 as f64, sequence.size.1 as f64);
            let absent = |truth: &Truth| u8::from(truth.cover() == 0);
            let cut = |truth: &Truth| u8::from(truth.whole.clipped(width, height) != truth.whole);
            write(&folder.join("absence.label"), sequence.column(absent))?;
            write(&folder.join("cover.label"), sequence.column(Truth::cover))?;
            write(&folder.join("cut_by_image.label"), sequence.column(cut))?;
            write(&folder.join("meta_info.ini"), sequence.meta())
        })
    }

    /// Writes the lists of sequences and marks the data set complete.
    pub fn finish(&self, options: &SynthOptions) -> Result<()> {
        for (split, count) in [(SynthSplit::Train, options.train), (SynthSplit::Val, options.val)] {
            let names: String = (0..count).map(|index| split.sequence(index) + "\n").collect();
            replace(&self.split(split).join("list.txt"), &names)?;
        }
        self.write_manifest(&options.manifest(true))
    }

    fn manifest(&self) -> Result<Option<Manifest>> {
        let path = self.out.join(MANIFEST);
        match fs::read_to_string(&path) {
            // A manifest that cannot be understood is somebody else's file.
            Ok(text) => Ok(serde_json::from_str(&text).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    fn write_manifest(&self, manifest: &Manifest) -> Result<()> {
        let path = self.out.join(MANIFEST);
        let text = serde_json::to_string_pretty(manifest)
            .map_err(|error| Failure::output(format!("{}: {error}", path.display())))?;
        replace(&path, &(text + "\n"))
    }
}

impl Sequence {
    /// `x,y,w,h` of each frame: the part of the box inside the picture.
    fn boxes(&self) -> String {
        self.truths.iter().fold(String::new(), |mut text, truth| {
            let [x, y, w, h] = rounded(truth);
            let _ = writeln!(text, "{x:.4},{y:.4},{w:.4},{h:.4}");
            text
        })
    }

    fn column(&self, value: impl Fn(&Truth) -> u8) -> String {
        self.truths.iter().map(|truth| format!("{}\n", value(truth))).collect()
    }

    fn meta(&self) -> String {
        let seconds = self.truths.len().div_ceil(10);
        let end = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let lines = [
            "[METAINFO]".to_owned(),
            "url: none".to_owned(),
            "begin: 00:00:00".to_owned(),
            format!("end: {end}"),
            "anno_fps: 10Hz".to_owned(),
            format!("object_class: {}", self.object),
            "motion_class: moving".to_owned(),
            "major_class: synthetic object".to_owned(),
            "root_class: entity".to_owned(),
            "motion_adverb: none".to_owned(),
            format!("resolution: ({}, {})", self.size.0, self.size.1),
        ];
        lines.join("\n") + "\n"
    }

    /// One JSON object per frame, in the first schema of the condition labels.
    fn labels(&self) -> String {
        let mut text = String::new();
        for (index, truth) in self.truths.iter().enumerate() {
            let label = truth.label(self.condition);
            let field = |condition: Condition| u8::from(label == condition);
            let flag = |condition: Condition| json!({"flag": field(condition), "conf": f64::from(field(condition))});
            let line = json!({
                "sequence_name": self.name,
                "frame_id": index + 1,
                "frame_file": format!("{:08}.jpg", index + 1),
                "cv_response": {
                    "scale_variation": field(Condition::ScaleVariation),
                    "low_res": field(Condition::LowResolution),
                    "low_contrast": field(Condition::LowContrast),
                },
                "vlm_response": {
                    "motion_blur": flag(Condition::MotionBlur),
                    "illu_change": flag(Condition::IlluminationChange),
                    "variance_appear": flag(Condition::AppearanceVariation),
                    "partial_visibility": flag(Condition::PartialVisibility),
                    "background_clutter": flag(Condition::BackgroundClutter),
                    "occlusion": flag(Condition::Occlusion),
                },
                "ground_truth_bbox": rounded(truth),
            });
            text.push_str(&line.to_string());
            text.push('\n');
        }
        text
    }
}

/// The annotated box, to a hundredth of a pixel.
fn rounded(truth: &Truth) -> [f64; 4] {
    let in_view = truth.in_view;
    [in_view.x, in_view.y, in_view.w, in_view.h].map(|v| (100.0 * v).round() / 100.0)
}

/// Makes `parent/name` by filling a hidden folder beside it; nothing of that name is left when it fails.
fn environment(parent: &Path, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (partial, whole) = (parent.join(format!(".{name}.partial")), parent.join(name));
    for old in [&partial, &whole] {
        match fs::remove_dir_all(old) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(old, &error)),
            _ => {}
        }
    }
    make(&partial)?;
    let done = fill(&partial).and_then(|()| fs::rename(&partial, &whole).map_err(|error| failed(&whole, &error)));
    if done.is_err() {
        // Best effort: the hidden folder is replaced on the next run anyway.
        let _ = fs::remove_dir_all(&partial);
    }
    done
}

/// Writes a file so that a reader sees the old one or the new one, never a part.
fn replace(path: &Path, text: &str) -> Result<()> {
    let partial = path.with_extension("partial");
    write(&partial, text)?;
    fs::rename(&partial, path).map_err(|error| failed(path, &error))
}

/// Whether an entry is what an interrupted first run leaves before there is a manifest.
fn is_first_draft(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.file_name() == "synth.partial")
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, bytes).map_err(|error| failed(path, &error))
}

fn make(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::output(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_that_fails_half_way_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let failure = environment(folder.path(), "S", |partial| {
            write(&partial.join("00000001.jpg"), b"picture")?;
            // A folder is where the second picture should go.
            make(&partial.join("00000002.jpg"))?;
            write(&partial.join("00000002.jpg"), b"picture")
        })
        .unwrap_err();
        assert_eq!(failure.kind, crate::failure::FailureKind::Output);
        assert!(failure.message.contains("00000002.jpg"), "{failure}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_killed_run_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join(".S.partial")).unwrap();
        write(&folder.path().join(".S.partial/00000009.jpg"), b"old").unwrap();
        environment(folder.path(), "S", |partial| write(&partial.join("00000001.jpg"), b"new")).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path().join("S")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["00000001.jpg"]);
        assert!(!folder.path().join(".S.partial").exists());
    }
}
