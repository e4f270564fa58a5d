//! What a user should know of how pictures are read, counted, with an example.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::text;
use crate::vision::decode::{Container, Header};

/// Something that is read in a way that its file does not show at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Oddity {
    /// Exif data turn the picture.
    Turned,
    /// Bytes stand between the segments of a JPEG file.
    Filler,
    /// A PNG file is called JPEG, or the other way round.
    Misnamed,
}

const ALL: [Oddity; 3] = [Oddity::Turned, Oddity::Filler, Oddity::Misnamed];

impl Oddity {
    fn words(self) -> &'static str {
        match self {
            Self::Turned => "rotated by their Exif orientation, as OpenCV does; boxes refer to the rotated image",
            Self::Filler => "with stray bytes between their segments, which are ignored as libjpeg does",
            Self::Misnamed => "in another format than their extension (JPEG and PNG), read by their content",
        }
    }
}

/// The oddities of some pictures: how many have each and the first of them, by the group that they are in.
#[derive(Clone, Debug, Default)]
pub(super) struct Oddities {
    found: BTreeMap<(usize, Oddity), (usize, PathBuf)>,
}

impl Oddities {
    /// Notes what is odd about the picture in `file`, one of `group`.
    pub fn note(&mut self, group: usize, file: &Path, header: &Header) {
        let extension = file.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
        let is_png = header.container == Container::Png;
        let odd = |oddity: Oddity| match oddity {
            Oddity::Turned => !header.orientation.is_upright(),
            Oddity::Filler => header.filler > 0,
            Oddity::Misnamed => (extension == "png") != is_png && ["png", "jpg", "jpeg"].contains(&extension.as_str()),
        };
        for oddity in ALL.into_iter().filter(|oddity| odd(*oddity)) {
            self.found.entry((group, oddity)).or_insert_with(|| (0, file.to_owned())).0 += 1;
        }
    }

    /// Adds all of `other`, which were found later.
    pub fn extend(&mut self, other: Self) {
        for (key, (count, first)) in other.found {
            self.found.entry(key).or_insert((0, first)).0 += count;
        }
    }

    /// A line for each kind of oddity of some groups, with how many pictures have it and the first of them.
    pub fn notes(&self, groups: Range<usize>) -> Vec<String> {
        let line = |kind: Oddity| {
            let of_kind = |((group, oddity), _): &(&(usize, Oddity), _)| *oddity == kind && groups.contains(group);
            let found: Vec<&(usize, PathBuf)> = self.found.iter().filter(of_kind).map(|(_, found)| found).collect();
            let first = text::path(&found.first()?.1);
            let count: usize = found.iter().map(|(count, _)| count).sum();
            let noun = if count == 1 { "picture" } else { "pictures" };
            Some(format!("{count} {noun} {} ({first})", kind.words()))
        };
        ALL.into_iter().filter_map(line).collect()
    }
}
