//! What a data set holds, in numbers: lengths, sizes, boxes, motion, conditions.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::data::condition::Condition;
use crate::data::dataset::{Dataset, FrameFile, Sequence};
use crate::vision::decode::dimensions;

/// Counts of values that fall between neighbouring edges; the first and last bin are open.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The upper ends of all bins but the last.
    pub edges: Vec<f64>,
    /// One more than edges.
    pub counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// An empty one.
    pub fn new(edges: &[f64]) -> Self {
        Self { edges: edges.to_vec(), counts: vec![0; edges.len() + 1], sum: 0.0 }
    }

    fn add(&mut self, value: f64) {
        let bin = self.edges.partition_point(|&edge| edge <= value);
        self.counts[bin] += 1;
        self.sum += value;
    }

    fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.sum += other.sum;
    }

    /// The mean of what was counted; `None` for nothing.
    pub fn mean(&self) -> Option<f64> {
        let count: u64 = self.counts.iter().sum();
        (count > 0).then(|| self.sum / count as f64)
    }

    /// The bins with what they span, written by `name`.
    pub fn bins(&self, name: impl Fn(f64) -> String) -> Vec<(String, u64)> {
        let last = self.edges.len();
        let label = |bin: usize| match bin {
            0 => format!("below {}", name(self.edges[0])),
            bin if bin == last => format!("{} and more", name(self.edges[last - 1])),
            bin => format!("{} to {}", name(self.edges[bin - 1]), name(self.edges[bin])),
        };
        self.counts.iter().enumerate().map(|(bin, &count)| (label(bin), count)).collect()
    }
}

/// The numbers of one or several data sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Sequences.
    pub sequences: u64,
    /// Annotated frames.
    pub frames: u64,
    /// Frames that show the object.
    pub visible: u64,
    /// Frames of a sequence.
    pub lengths: Histogram,
    /// Sequences by the size of their first frame; `None`: its header cannot be read.
    pub sizes: BTreeMap<Option<(u32, u32)>, u64>,
    /// √(box area / frame area), over visible frames.
    pub scale: Histogram,
    /// Width / height of boxes, over visible frames.
    pub aspect: Histogram,
    /// Way of the box's centre from frame to frame by √(box area), over neighbouring visible frames.
    pub motion: Histogram,
    /// Labelled frames by class index; a frame whose class is drawn counts for each class it may have.
    pub conditions: [u64; Condition::COUNT],
    /// Frames with a label.
    pub labelled: u64,
}

impl Stats {
    fn empty() -> Self {
        Self {
            sequences: 0,
            frames: 0,
            visible: 0,
            lengths: Histogram::new(&[20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0]),
            sizes: BTreeMap::new(),
            scale: Histogram::new(&[0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8]),
            aspect: Histogram::new(&[0.25, 0.4, 0.67, 0.9, 1.1, 1.5, 2.5, 4.0]),
            motion: Histogram::new(&[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]),
            conditions: [0; Condition::COUNT],
            labelled: 0,
        }
    }

    /// Looks at all sequences, in parallel on rayon's threads: annotations, and the header of each first frame.
    pub fn of(datasets: &[Dataset]) -> Self {
        let sequences: Vec<&Sequence> = datasets.iter().flat_map(|dataset| &dataset.sequences).collect();
        sequences.par_iter().map(|sequence| Self::of_sequence(sequence)).reduce(Self::empty, Self::plus)
    }

    fn of_sequence(sequence: &Sequence) -> Self {
        let mut stats = Self::empty();
        let size = (!sequence.is_empty()).then(|| first_size(&sequence.file(0))).flatten();
        (stats.sequences, stats.frames) = (1, sequence.len() as u64);
        stats.lengths.add(sequence.len() as f64);
        stats.sizes.insert(size, 1);
        let mut before: Option<(f64, f64)> = None;
        for frame in 0..sequence.len() {
            let label = sequence.labels.of(frame);
            stats.labelled += u64::from(!label.is_empty());
            label.iter().for_each(|condition| stats.conditions[condition.index()] += 1);
            if !sequence.visible()[frame] {
                before = None;
                continue;
            }
            let object = sequence.object(frame);
            let (side, (cx, cy)) = (object.area().sqrt(), object.centre());
            stats.visible += 1;
            if let Some((width, height)) = size {
                stats.scale.add(side / (f64::from(width) * f64::from(height)).sqrt());
            }
            stats.aspect.add(object.w / object.h);
            if let Some((x, y)) = before {
                stats.motion.add((cx - x).hypot(cy - y) / side);
            }
            before = Some((cx, cy));
        }
        stats
    }

    fn plus(mut self, other: Self) -> Self {
        self.sequences += other.sequences;
        self.frames += other.frames;
        self.visible += other.visible;
        self.labelled += other.labelled;
        self.lengths.merge(&other.lengths);
        self.scale.merge(&other.scale);
        self.aspect.merge(&other.aspect);
        self.motion.merge(&other.motion);
        other.sizes.into_iter().for_each(|(size, count)| *self.sizes.entry(size).or_default() += count);
        self.conditions.iter_mut().zip(other.conditions).for_each(|(mine, theirs)| *mine += theirs);
        self
    }

    /// The frame sizes, most frequent first.
    pub fn sizes_by_count(&self) -> Vec<(Option<(u32, u32)>, u64)> {
        let mut sizes: Vec<_> = self.sizes.iter().map(|(size, count)| (*size, *count)).collect();
        sizes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sizes
    }
}

/// How much of a picture holds its header; with a thumbnail before it, the whole is read.
const HEAD: u64 = 1 << 16;

fn first_size(file: &FrameFile) -> Option<(u32, u32)> {
    let head = file.start(HEAD).ok()?;
    dimensions(&head).ok().or_else(|| dimensions(&file.read().ok()?).ok())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::dataset::FrameFiles;

    #[test]
    fn boxes_motion_and_sizes_are_counted_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        image::RgbImage::new(200, 50).save(folder.path().join("1.png")).unwrap();
        let files = || FrameFiles::listed(folder.path(), (1..=4).map(|i| format!("{i}.png")).collect());
        // √area is 20 of √(200·50) = 100; one step of 10, and a gap of one invisible frame.
        let boxes = vec![[0.0, 0.0, 40.0, 10.0], [10.0, 0.0, 40.0, 10.0], [0.0; 4], [90.0, 0.0, 40.0, 10.0]];
        let sequence = Sequence::new("s", files(), boxes, None);
        let lost = FrameFiles::listed(Path::new("nowhere"), vec!["1.jpg".into()]);
        let other = Sequence::new("t", lost, vec![[0.0, 0.0, 5.0, 5.0]], None);
        let stats = Stats::of(&[Dataset::new("A", vec![sequence, other])]);
        assert_eq!((stats.sequences, stats.frames, stats.visible), (2, 5, 4));
        assert_eq!(stats.sizes_by_count(), [(None, 1), (Some((200, 50)), 1)]);
        assert_eq!(stats.scale.counts.iter().sum::<u64>(), 3);
        assert!((stats.scale.mean().unwrap() - 0.2).abs() < 1e-9);
        assert_eq!((stats.motion.counts.iter().sum::<u64>(), stats.motion.mean()), (1, Some(0.5)));
        assert_eq!(stats.aspect.counts[8], 3);
        assert_eq!(stats.lengths.bins(|edge| edge.to_string())[0], ("below 20".into(), 2));
    }
}
