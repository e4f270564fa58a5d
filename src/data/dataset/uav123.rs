//! UAV123: `data_seq/UAV123/<video>/000001.jpg, …` and `anno/UAV123/<sequence>.txt`. Some sequences are a part of a
//! video that bears their name without the number.

use super::catalog::{CheckedSequence, Subset};
use super::{Ask, Layout, ScanContext, SequenceFiles, annotation};

pub(super) struct Uav123;

/// First frames of the sequences that are parts of a video, counted from 1 (`configSeqs.m` of the benchmark), and the
/// last one of each video's last part. A part ends where the next one begins, but for three gaps.
const PARTS: [(&str, &[(usize, usize)]); 19] = [
    ("bird1", &[(1, 253), (775, 1477), (1573, 2437)]),
    ("car1", &[(1, 751), (751, 1627), (1627, 2629)]),
    ("car16", &[(1, 415), (415, 1993)]),
    ("car6", &[(1, 487), (487, 1807), (1807, 2953), (2953, 3925), (3925, 4861)]),
    ("car8", &[(1, 1357), (1357, 2575)]),
    ("group1", &[(1, 1333), (1333, 2515), (2515, 3925), (3925, 4873)]),
    ("group2", &[(1, 907), (907, 1771), (1771, 2683)]),
    ("group3", &[(1, 1567), (1567, 2827), (2827, 4369), (4369, 5527)]),
    ("person12", &[(1, 601), (601, 1621)]),
    ("person14", &[(1, 847), (847, 1813), (1813, 2923)]),
    ("person17", &[(1, 1501), (1501, 2347)]),
    ("person19", &[(1, 1243), (1243, 2791), (2791, 4357)]),
    ("person2", &[(1, 1189), (1189, 2623)]),
    ("person4", &[(1, 1501), (1501, 2743)]),
    ("person5", &[(1, 877), (877, 2101)]),
    ("person7", &[(1, 1249), (1249, 2065)]),
    ("person8", &[(1, 1075), (1075, 1525)]),
    ("truck4", &[(1, 577), (577, 1261)]),
    ("uav1", &[(1, 1555), (1555, 2377), (2473, 3469)]),
];

/// The video of a sequence and the part of it, for `bird1_2` and its like.
fn part(name: &str) -> Option<(&'static str, (usize, usize))> {
    let (video, number) = name.rsplit_once('_')?;
    let (video, spans) = PARTS.iter().find(|(known, _)| *known == video)?;
    let span = spans.get(number.parse::<usize>().ok()?.checked_sub(1)?)?;
    Some((video, *span))
}

impl Layout for Uav123 {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["uav123", "UAV123", "uav", "Dataset_UAV123/UAV123"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "uav123_dir"
    }

    /// `NaN` marks the frames without the object.
    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let annotations = ask.root.join("anno/UAV123");
        let videos = ask.root.join("data_seq/UAV123");
        let mut entries = Vec::new();
        for file in scan.files(&annotations) {
            let Some(name) = file.strip_suffix(".txt") else { continue };
            let (video, span) = part(name).map_or((name, None), |(video, span)| (video, Some(span)));
            let entry = SequenceFiles::new(name.to_owned(), videos.join(video), annotations.join(&file));
            let style = annotation::Style { nan_is_absent: true, ..annotation::Style::default() };
            entries.push(SequenceFiles { span, style, ..entry });
        }
        annotation::sequences(ask, entries, scan, |_, _, _| None)
    }
}
