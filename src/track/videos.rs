//! The videos to track: the sequences of data sets, or of any folder below the data directory.

use super::{Family, NamedSet};
use crate::{
    data::{
        dataset::{self, FrameFiles, Purpose, Roots, Sequence},
        problems::Problems,
    },
    failure::{Failure, Result},
    flow::{self, Notice},
    settings::did_you_mean,
    vision::rect::Rect,
};

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
    /// Its data set's family, which says what its results are called.
    pub family: Family,
    /// The folder of its data set's results.
    pub set: String,
    /// How many of the sequence's first frames are left out, as the toolkits do.
    pub omitted: usize,
}

impl Video {
    /// Where the object is in the first frame.
    pub fn start(&self) -> Rect {
        self.boxes.first().copied().unwrap_or_default()
    }

    /// The video as the tracker gets it, of the data set `set`.
    fn of(self, set: &NamedSet) -> Self {
        let family = set.family;
        let omitted = family.omitted(&self.name, self.frames.len());
        Self {
            frames: self.frames.slice(omitted, self.frames.len()),
            boxes: self.boxes.get(omitted..).unwrap_or_default().to_vec(),
            visible: self.visible.get(omitted..).unwrap_or_default().to_vec(),
            family,
            set: set.folder.clone(),
            omitted,
            name: self.name,
        }
    }

    /// Whether it is called so, in its data set or by its results.
    fn is(&self, name: &str) -> bool {
        self.name == name || self.family.names(&self.name).has(name)
    }
}

impl From<&Sequence> for Video {
    fn from(sequence: &Sequence) -> Self {
        // No box but the first: the others are not published, or not known.
        let first_only = sequence.boxes().iter().skip(1).all(|object| *object == [0.0; 4]);
        let known = if first_only { sequence.len().min(1) } else { sequence.len() };
        Self {
            name: sequence.name.to_string(),
            frames: sequence.frames.clone(),
            boxes: (0..known).map(|frame| sequence.object(frame)).collect(),
            visible: sequence.visible()[..known].to_vec(),
            family: Family::Other,
            set: String::new(),
            omitted: 0,
        }
    }
}

/// The videos of `sets`, each a data set or a folder below the base of `roots`; only those called as
/// `wanted` says where it says anything.
///
/// # Errors
/// Names that do not exist, annotations with faults, sequences that cannot be started: all at once.
pub fn videos(sets: &[NamedSet], wanted: &[String], roots: &Roots) -> Result<Vec<Video>> {
    let data_dir = &roots.base;
    let names: Vec<String> = sets.iter().map(|set| set.name.clone()).collect();
    let loaded = dataset::load_for(Purpose::Tracking, &names, roots)?;
    let mut problems = Problems::default();
    let videos = loaded.iter().zip(sets).flat_map(|(found, set)| found.sequences.iter().map(move |one| (one, set)));
    let mut videos: Vec<Video> = videos.map(|(sequence, set)| Video::from(sequence).of(set)).collect();
    // Not among the results: standard output may be read by a program.
    let tell = flow::to_stderr();
    loaded.iter().flat_map(|set| &set.notes).for_each(|note| tell(Notice::Note(note.clone())));
    for name in wanted {
        if !videos.iter().any(|video| video.is(name)) {
            let hint = did_you_mean(name, videos.iter().map(|video| video.name.as_str()));
            return Err(Failure::input(format!("--sequence {name}: {} has no such sequence{hint}", given(sets))));
        }
    }
    if !wanted.is_empty() {
        videos.retain(|video| wanted.iter().any(|name| video.is(name)));
    }
    for video in &videos {
        if !video.start().is_sane() {
            let what = format!("the first box of {} has no area; a tracker cannot start there", video.name);
            problems.file(video.frames.folder(), what);
        }
    }
    let mut names: Vec<(&str, &str)> = videos.iter().map(|video| (video.set.as_str(), video.name.as_str())).collect();
    names.sort_unstable();
    if let Some([(set, name), _]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        problems.file(data_dir, format!("{set}: two sequences are called {name}; rename the folder of one"));
    }
    problems.into_result()?;
    match videos.is_empty() {
        true => Err(Failure::input(format!("{}: no sequences in {}", data_dir.display(), given(sets)))),
        false => Ok(videos),
    }
}

fn given(sets: &[NamedSet]) -> String {
    sets.iter().map(|set| set.given.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::named_sets;

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
        Ok(videos(&named_sets(&owned(sets))?, &owned(wanted), &Roots::below(root))?
            .into_iter()
            .map(|video| video.name)
            .collect())
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
        let expected =
            "DATA/mine/a/groundtruth_rect.txt: 3 frames in DATA/mine/a/img, but boxes for 2; remove the pictures";
        assert!(message.starts_with(expected), "{message}");
        let message = names(&["mine/b"], &[], root.path()).unwrap_err().message;
        assert!(message.ends_with("mine/b/img: the first box of b has no area; a tracker cannot start there"));
        // The first box alone starts a tracker.
        sequence(root.path(), "one/a", 3, "1,2,3,4\n");
        let video = videos(&named_sets(&["one".into()]).unwrap(), &[], &Roots::below(root.path())).unwrap().remove(0);
        assert_eq!((video.boxes.len(), video.visible, video.frames.len()), (1, vec![true], 3));
        let message = names(&["OTBB"], &[], root.path()).unwrap_err().message;
        assert!(message.contains("did you mean OTB?"), "{message}");
        sequence(root.path(), "good/deer", 1, "1,2,3,4\n");
        let message = names(&["good"], &["dear"], root.path()).unwrap_err().message;
        assert!(message.contains("did you mean deer?"), "{message}");
    }
}
