//! The videos to track: the sequences of data sets, or of any folder below the data directory.

use crate::{
    data::{
        dataset::{self, FrameFiles, Roots, Sequence},
        problems::Problems,
    },
    failure::{Failure, Result},
    settings::did_you_mean,
    vision::rect::Rect,
};
use std::path::{Path, PathBuf};

/// A video and what is known of the object in it.
#[derive(Clone, Debug)]
pub struct Video {
    /// The sequence's name: that of its result files.
    pub name: String,
    /// The frames' files.
    pub frames: FrameFiles,
    /// The object's boxes from the first frame on; only the first is needed to track.
    pub boxes: Vec<Rect>,
    /// In which of these frames the object is to be seen.
    pub visible: Vec<bool>,
}

impl Video {
    /// Where the object is in the first frame.
    pub fn start(&self) -> Rect {
        self.boxes.first().copied().unwrap_or_default()
    }
}

impl From<&Sequence> for Video {
    fn from(sequence: &Sequence) -> Self {
        Self {
            name: sequence.name.to_string(),
            frames: sequence.frames.clone(),
            boxes: (0..sequence.len()).map(|frame| sequence.object(frame)).collect(),
            visible: sequence.visible().to_vec(),
        }
    }
}

/// The annotation files that a folder's sequences may have.
const ANNOTATIONS: [&str; 2] = ["groundtruth.txt", "groundtruth_rect.txt"];

/// The videos of `sets`, each the name of a data set or of a folder below the base of `roots`; only those called as
/// `wanted` says where it says anything.
///
/// # Errors
/// Names that do not exist, annotations with faults, sequences that cannot be started: all at once.
pub fn videos(sets: &[String], wanted: &[String], roots: &Roots) -> Result<Vec<Video>> {
    let data_dir = &roots.base;
    let (mut videos, mut problems) = (Vec::new(), Problems::default());
    for set in sets {
        let base = set.split('@').next().unwrap_or(set);
        if base.starts_with("folder:") || dataset::known_names().any(|known| known == base) {
            let loaded = dataset::load(std::slice::from_ref(set), roots)?;
            videos.extend(loaded.iter().flat_map(|set| &set.sequences).map(Video::from));
            continue;
        }
        let folder = data_dir.join(set);
        if !folder.is_dir() {
            let hint = did_you_mean(set, dataset::known_names());
            return Err(Failure::input(format!(
                "{set}: neither a data set nor a folder below {}{hint}; data sets are {}",
                data_dir.display(),
                dataset::known_names().collect::<Vec<_>>().join(", ")
            )));
        }
        videos.extend(in_folder(&folder, &mut problems)?);
    }
    for name in wanted {
        if !videos.iter().any(|video| &video.name == name) {
            let hint = did_you_mean(name, videos.iter().map(|video| video.name.as_str()));
            return Err(Failure::input(format!("--sequence {name}: {} has no such sequence{hint}", sets.join(", "))));
        }
    }
    if !wanted.is_empty() {
        videos.retain(|video| wanted.contains(&video.name));
    }
    for video in &videos {
        if !video.start().is_sane() {
            let what = format!("the first box of {} has no area; a tracker cannot start there", video.name);
            problems.file(video.frames.folder(), what);
        }
    }
    let mut names: Vec<&str> = videos.iter().map(|video| video.name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        problems.file(data_dir, format!("two sequences are called {}; give their data sets one by one", twice[0]));
    }
    problems.into_result()?;
    match videos.is_empty() {
        true => Err(Failure::input(format!("{}: no sequences in {}", data_dir.display(), sets.join(", ")))),
        false => Ok(videos),
    }
}

/// The sequences of a folder: itself, or each folder in it that has an annotation file.
fn in_folder(folder: &Path, problems: &mut Problems) -> Result<Vec<Video>> {
    let listed = std::fs::read_dir(folder)
        .map_err(|error| Failure::input(format!("{}: cannot be listed: {error}", folder.display())))?;
    let mut folders: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.insert(0, folder.to_path_buf());
    let mut videos = Vec::new();
    for path in folders {
        let Some(annotation) = ANNOTATIONS.iter().map(|name| path.join(name)).find(|file| file.is_file()) else {
            continue;
        };
        videos.extend(video(&path, &annotation, problems));
    }
    if videos.is_empty() && problems.is_empty() {
        problems.file(folder, format!("no sequence here: a sequence is a folder with {}", ANNOTATIONS.join(" or ")));
    }
    Ok(videos)
}

fn video(path: &Path, annotation: &Path, problems: &mut Problems) -> Option<Video> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let frames = path.join("img");
    let frames = if frames.is_dir() { frames } else { path.to_path_buf() };
    let frames = match FrameFiles::scan(&frames) {
        Ok(found) => found,
        Err(error) => {
            problems.file(&frames, format!("cannot be listed: {error}"));
            return None;
        }
    };
    if frames.is_empty() {
        let unread = FrameFiles::unread(frames.folder());
        problems.file(path, format!("no frames (.jpg, .jpeg, .png) here or in img{unread}"));
        return None;
    }
    let mut boxes = super::results::read(annotation, problems)?;
    boxes.truncate(frames.len());
    // A challenge's sequence shows the first box only.
    if boxes.len() != frames.len() && boxes.len() != 1 {
        let what = format!("boxes for {} frames, but there are {}; give all or the first", boxes.len(), frames.len());
        problems.file(annotation, what);
        return None;
    }
    let visible = boxes.iter().map(Rect::is_sane).collect();
    Some(Video { name, frames, boxes, visible })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(root: &Path, name: &str, frames: usize, annotation: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.join("img")).unwrap();
        for frame in 1..=frames {
            std::fs::write(path.join(format!("img/{frame:04}.jpg")), "").unwrap();
        }
        std::fs::write(path.join("groundtruth_rect.txt"), annotation).unwrap();
    }

    fn names(sets: &[&str], wanted: &[&str], root: &Path) -> Result<Vec<String>> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
        Ok(videos(&owned(sets), &owned(wanted), &Roots::below(root))?.into_iter().map(|video| video.name).collect())
    }

    #[test]
    fn a_folder_of_sequences_or_one_sequence_will_do() {
        let root = tempfile::tempdir().unwrap();
        sequence(root.path(), "mine/b", 2, "1,2,3,4\n1,2,3,5\n");
        sequence(root.path(), "mine/a", 3, "1\t2\t3\t4\n");
        assert_eq!(names(&["mine"], &[], root.path()).unwrap(), ["a", "b"]);
        assert_eq!(names(&["mine/a"], &[], root.path()).unwrap(), ["a"]);
        assert_eq!(names(&["mine"], &["b"], root.path()).unwrap(), ["b"]);
    }

    #[test]
    fn what_cannot_be_tracked_is_named_with_its_place() {
        let root = tempfile::tempdir().unwrap();
        sequence(root.path(), "mine/a", 3, "1,2,3,4\n1,2,3,4\n");
        sequence(root.path(), "mine/b", 1, "1,2,0,4\n");
        let message = names(&["mine"], &[], root.path()).unwrap_err().message;
        let message = message.replace(&root.path().display().to_string(), "DATA");
        insta::assert_snapshot!(message, @r"
        DATA/mine/a/groundtruth_rect.txt: boxes for 2 frames, but there are 3; give all or the first
        DATA/mine/b/img: the first box of b has no area; a tracker cannot start there
        ");
        let message = names(&["OTBB"], &[], root.path()).unwrap_err().message;
        assert!(message.contains("did you mean OTB?"), "{message}");
        sequence(root.path(), "good/deer", 1, "1,2,3,4\n");
        let message = names(&["good"], &["dear"], root.path()).unwrap_err().message;
        assert!(message.contains("did you mean deer?"), "{message}");
    }
}
