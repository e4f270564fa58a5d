//! What a user should know about many files alike: once for a data set, with a count and the first of them.

use std::collections::BTreeMap;

/// A kind of remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Remark {
    /// Several truth files in one folder are several sequences.
    Objects,
    /// Several truth files of the same object: which one was taken.
    Forms,
    /// An empty one of several truth files.
    Empty,
    /// Pictures in several folders of a sequence: which one was taken.
    Places,
    /// A folder among the sequences that has no truth file.
    NoTruth,
    /// A sequence with further sequences in folders of its own.
    Inner,
    /// Frames whose names hold several changing numbers.
    SeveralNumbers,
    /// Frames whose names are unlike the others'.
    OtherForm,
    /// Frames of the same number.
    EqualNumbers,
    /// Frames of the same name with two extensions.
    TwoExtensions,
    /// Numbers that are left out.
    Gap,
    /// A line that repeats a name of a list.
    Repeated,
    /// Boxes of negative size.
    Negative,
    /// Boxes that look like corners.
    Corners,
    /// An object of a list of instances that cannot be used.
    Object,
    /// A link that leads nowhere.
    DeadLink,
    /// Files and folders of other programs.
    Foreign,
}

impl Remark {
    /// What is said of `count` of them.
    fn text(self, count: usize) -> String {
        let many = |one: &str, more: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {more}") };
        match self {
            Self::Objects => many(
                "folder holds several groundtruth files: each is a sequence of its own, called by folder and file",
                "folders hold several groundtruth files: each is a sequence of its own, called by folder and file",
            ),
            Self::Forms => many(
                "folder holds groundtruth in several forms: one of them is read",
                "folders hold groundtruth in several forms: one of them is read",
            ),
            Self::Empty => many(
                "groundtruth file among several is empty and is skipped",
                "groundtruth files among several are empty and are skipped",
            ),
            Self::Places => many(
                "sequence has pictures in several folders: one of them is taken",
                "sequences have pictures in several folders: one of them is taken",
            ),
            Self::NoTruth => many(
                "folder holds no groundtruth*.txt and is skipped",
                "folders hold no groundtruth*.txt and are skipped",
            ),
            Self::Inner => many(
                "folder in a sequence holds a groundtruth*.txt of its own and is not read",
                "folders in a sequence hold a groundtruth*.txt of their own and are not read",
            ),
            Self::SeveralNumbers => {
                let what = many("sequence", "sequences");
                format!(
                    "frame order: in {what} several numbers of the frame names change; the leftmost number that differs decides"
                )
            }
            Self::OtherForm => {
                let what = many("sequence", "sequences");
                format!("frame order: in {what} some frames have names of another form than the others")
            }
            Self::EqualNumbers => {
                let what = many("frame has", "frames have");
                format!(
                    "frame order: {what} the same number as the one before; the order of the letters decides among frames of the same number"
                )
            }
            Self::TwoExtensions => {
                many("frame is there under two extensions", "frames are there under two extensions")
                    + ": both are frames"
            }
            Self::Gap => {
                let what = many("sequence", "sequences");
                format!("the numbers of the frames of {what} leave some out")
            }
            Self::Repeated => many("line repeats a name", "lines repeat a name") + ": it counts once",
            Self::Negative => many(
                "box has a negative size and stands for a frame without the object",
                "boxes have a negative size and stand for frames without the object",
            ),
            Self::Corners => many(
                "sequence has boxes that look like the corners x1,y1,x2,y2, but are read as x,y,w,h",
                "sequences have boxes that look like the corners x1,y1,x2,y2, but are read as x,y,w,h",
            ),
            Self::Object => {
                many("annotation cannot be used and is skipped", "annotations cannot be used and are skipped")
            }
            Self::DeadLink => many("link leads nowhere and is skipped", "links lead nowhere and are skipped"),
            Self::Foreign => many(
                "hidden file or folder, or one that another program left, is skipped",
                "hidden files and folders, and those that other programs left, are skipped",
            ),
        }
    }

    /// How many of them are shown.
    fn display(self) -> usize {
        match self {
            Self::Object => 5,
            Self::Objects | Self::Corners => 3,
            _ => 1,
        }
    }
}

/// Remarks by kind, each with its number and its first examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remarks(BTreeMap<Remark, (usize, Vec<String>)>);

impl Remarks {
    /// Adds one.
    pub fn add(&mut self, remark: Remark, example: impl Into<String>) {
        let (count, examples) = self.0.entry(remark).or_default();
        *count += 1;
        if examples.len() < remark.display() {
            examples.push(example.into());
        }
    }

    /// Adds all of `other`, which come after these.
    pub fn extend(&mut self, other: Self) {
        for (remark, (more, theirs)) in other.0 {
            let (count, examples) = self.0.entry(remark).or_default();
            *count += more;
            let room = remark.display().saturating_sub(examples.len());
            examples.extend(theirs.into_iter().take(room));
        }
    }

    /// One line for each kind.
    pub fn notes(&self) -> Vec<String> {
        let line = |(remark, (count, examples)): (&Remark, &(usize, Vec<String>))| {
            let which = if *count == examples.len() { "" } else { "first: " };
            format!("{} ({which}{})", remark.text(*count), examples.join("; "))
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_once_with_its_number_and_the_first_examples() {
        let (mut remarks, mut more) = (Remarks::default(), Remarks::default());
        remarks.add(Remark::DeadLink, "a");
        assert_eq!(remarks.notes(), ["1 link leads nowhere and is skipped (a)"]);
        more.add(Remark::DeadLink, "b");
        more.add(Remark::Object, "7");
        remarks.extend(more);
        let expected =
            ["1 annotation cannot be used and is skipped (7)", "2 links lead nowhere and are skipped (first: a)"];
        assert_eq!(remarks.notes(), expected);
    }
}
