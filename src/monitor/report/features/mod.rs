//! What is in the pooled features, before and after training.

mod probe;
mod probes;
mod projection;

use super::{
    groups::Group,
    markers::{Marker, legend, scatter},
    svg::escape,
};
use crate::{
    data::condition::Condition,
    failure::{Failure, Result},
    monitor::artifacts::read_features,
    train::features::Features,
};
use probes::probes;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};
use tch::{Kind, Tensor};

/// Features as a matrix.
#[derive(Debug)]
pub(super) struct Table {
    /// `[F, D]` f64.
    x: Tensor,
    /// `[F, 4]` f64: true boxes.
    boxes: Tensor,
    labels: Vec<i64>,
    /// The sequence of each frame, numbered as they come.
    groups: Vec<usize>,
}

impl Table {
    /// Frames whose features are no numbers are left out.
    fn new(features: &Features) -> Result<Self> {
        let (frames, dim) = (features.labels.len(), features.dim);
        let matrix = |values: &[f32], width: usize| -> Result<Tensor> {
            Ok(Tensor::from_slice(values).f_view([frames as i64, width as i64])?.to_kind(Kind::Double))
        };
        // `SET, sequence NAME, frames …`: clips of one sequence show the same things.
        let sequence = |name: &String| name.split(", frames").next().unwrap_or_default().to_string();
        let mut known = BTreeMap::new();
        let mut groups = Vec::new();
        for clip in &features.clips {
            let name = usize::try_from(*clip).ok().and_then(|clip| features.names.get(clip));
            let name = name.map(sequence).ok_or_else(|| Failure::input("features without their clips' names"))?;
            let next = known.len();
            groups.push(*known.entry(name).or_insert(next));
        }
        let all = Self {
            x: matrix(&features.pooled, dim)?,
            boxes: matrix(&features.boxes, 4)?,
            labels: features.labels.clone(),
            groups,
        };
        let finite: Vec<bool> = features
            .pooled
            .chunks(dim.max(1))
            .zip(features.boxes.chunks(4))
            .map(|(feature, object)| feature.iter().chain(object).all(|value| value.is_finite()))
            .collect();
        all.only(|row| finite.get(row).copied().unwrap_or(false))
    }

    fn len(&self) -> usize {
        self.labels.len()
    }

    fn condition(&self, row: usize) -> Option<Condition> {
        let label = usize::try_from(*self.labels.get(row)?).ok()?;
        Condition::ALL.get(label).copied()
    }

    /// The rows that are `wanted`.
    fn only(&self, wanted: impl Fn(usize) -> bool) -> Result<Self> {
        let rows: Vec<usize> = (0..self.len()).filter(|row| wanted(*row)).collect();
        let index = Tensor::from_slice(&rows.iter().map(|row| *row as i64).collect::<Vec<_>>());
        Ok(Self {
            x: self.x.f_index_select(0, &index)?,
            boxes: self.boxes.f_index_select(0, &index)?,
            labels: rows.iter().map(|row| self.labels[*row]).collect(),
            groups: rows.iter().map(|row| self.groups[*row]).collect(),
        })
    }

    fn markers(&self, projection: &Tensor) -> Result<Vec<Marker>> {
        let places = Vec::<f64>::try_from(projection.f_contiguous()?.f_view([-1])?)?;
        let marker = |(row, place): (usize, &[f64])| Marker {
            x: place[0],
            y: place[1],
            class: self.condition(row).map(Condition::index),
        };
        Ok(places.chunks_exact(2).enumerate().map(marker).collect())
    }
}

/// What is shown of a group at one time: its first run that has kept such features.
struct Panel {
    title: String,
    kept: Features,
    table: Table,
}

/// The section of the page; empty when no run has kept features.
///
/// # Errors
/// 66 when a file of features is damaged.
pub(super) fn features(groups: &[Group]) -> Result<String> {
    let (mut panels, mut message_section): (Vec<Panel>, String) = (Vec::new(), String::new());
    // The baseline stands before what is compared with it, and what was before training stands first.
    for which in ["first", "latest"] {
        for group in groups.iter().rev() {
            let Some((title, kept)) = first_kept(group, which)? else { continue };
            let table = Table::new(&kept)?;
            if table.len() < 8 {
                let _ =
                    write!(message_section, "<p>{}: {} frames are too few to show.</p>", escape(&title), table.len());
                continue;
            }
            // Groups that start from the same weights look the same: once is enough.
            let twin = |panel: &&mut Panel| panel.kept.pooled == kept.pooled && panel.kept.labels == kept.labels;
            match panels.iter_mut().find(twin) {
                Some(panel) => panel.title = format!("{}; the same for {}", panel.title, group.name),
                None => panels.push(Panel { title, kept, table }),
            }
        }
    }
    if panels.is_empty() {
        return Ok(message_section);
    }
    let mut html = String::new();
    let mut plots = String::new();
    for panel in &panels {
        let (projection, shares) = projection::pca(&panel.table.x)?;
        let axis = |n: usize| format!("PC {} ({:.0} % of the variance)", n + 1, 100.0 * shares[n]);
        let title = format!("PCA, {}", panel.title);
        plots += &scatter(&title, [&axis(0), &axis(1)], &panel.table.markers(&projection)?);
    }
    let _ = write!(html, "<div class=\"charts three\">{plots}</div>");
    plots.clear();
    let mut there = BTreeSet::new();
    for panel in &panels {
        let every = panel.table.len().div_ceil(projection::MOST_NEIGHBOURS);
        let fewer = panel.table.only(|row| row.is_multiple_of(every))?;
        let title = format!("t-SNE, {}", panel.title);
        plots += &scatter(&title, ["t-SNE 1", "t-SNE 2"], &fewer.markers(&projection::tsne(&fewer.x)?)?);
        there.extend((0..panel.table.len()).map(|row| panel.table.condition(row).map(Condition::index)));
    }
    let _ = write!(
        html,
        "<div class=\"charts three\">{plots}</div>{}<p class=\"about\">Pooled features of validation frames (the \
         condition head's input) by condition, of the run and seed named above each picture. t-SNE (van der Maaten \
         &amp; Hinton 2008) shows neighbours, not distances.</p>",
        legend(&there)
    );
    Ok(html + &message_section + &probes(groups)?)
}

/// The features `first` or `latest` of the group's first run that has kept such, and which they are.
fn first_kept(group: &Group, which: &str) -> Result<Option<(String, Features)>> {
    for run in &group.runs {
        if let Some(kept) = read_features(&run.folder, which)? {
            let task = if run.has_classes() { "with the class task" } else { "without the class task" };
            let mut title = match kept.epoch {
                0 => "before training".to_string(),
                epoch => format!("after epoch {epoch} {task}"),
            };
            let seed = run.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
            let _ = write!(title, ": {}{seed}", run.name);
            return Ok(Some((title, kept)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In [0, 1), a function of `key` (SplitMix64).
    pub fn noise(key: u64) -> f64 {
        let mut z = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn table(
        frames: usize,
        each: usize,
        label: impl Fn(usize) -> i64,
        place: impl Fn(usize) -> [f64; 4],
        feature: impl Fn(usize) -> Vec<f32>,
    ) -> Table {
        let pooled: Vec<f32> = (0..frames).flat_map(&feature).collect();
        let features = Features {
            epoch: 1,
            dim: pooled.len() / frames,
            pooled,
            labels: (0..frames).map(label).collect(),
            ious: vec![0.5; frames],
            boxes: (0..frames).flat_map(place).map(|value| value as f32).collect(),
            clips: (0..frames).map(|row| (row / each) as i64).collect(),
            names: (0..frames.div_ceil(each)).map(|clip| format!("SET, sequence {clip}, frames 1: 2")).collect(),
        };
        Table::new(&features).unwrap()
    }

    #[test]
    fn frames_without_numbers_are_left_out_and_clips_of_a_sequence_belong_together() {
        let feature = |row: usize| vec![if row == 1 { f32::NAN } else { row as f32 }, 1.0];
        let known = table(4, 1, |row| row as i64 - 100 * i64::from(row == 0), |_| [0.5; 4], feature);
        assert_eq!((known.len(), &known.labels[..], known.condition(0)), (3, &[-100, 2, 3][..], None));
        let names = ["A, sequence x, frames 1", "A, sequence x, frames 9"].map(String::from).to_vec();
        let features = Features {
            dim: 1,
            pooled: vec![0.0; 2],
            labels: vec![0; 2],
            boxes: vec![0.0; 8],
            clips: vec![0, 1],
            names,
            ..Features::default()
        };
        assert_eq!(Table::new(&features).unwrap().groups, [0, 0]);
    }
}
