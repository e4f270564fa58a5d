//! What is in the pooled features, before and after training.

mod plane;
mod probe;

use super::{
    groups::Group,
    marks::{Mark, legend, scatter},
    svg::escape,
};
use crate::{
    data::condition::Condition,
    failure::{Failure, Result},
    monitor::keeper::read_features,
    train::features::Features,
};
use std::{collections::BTreeMap, fmt::Write};
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

    fn marks(&self, plane: &Tensor) -> Result<Vec<Mark>> {
        let places = Vec::<f64>::try_from(plane.f_contiguous()?.f_view([-1])?)?;
        let mark = |(row, place): (usize, &[f64])| Mark {
            x: place[0],
            y: place[1],
            class: self.condition(row).map(Condition::index),
        };
        Ok(places.chunks_exact(2).enumerate().map(mark).collect())
    }
}

/// The section of the page, of the first run of each group; empty when none has kept features.
///
/// # Errors
/// 66 when a file of features is damaged.
pub(super) fn features(groups: &[Group]) -> Result<String> {
    let (mut plots, mut rows, mut said) = (String::new(), String::new(), String::new());
    for group in groups {
        let Some(run) = group.runs.first() else { continue };
        for which in ["first", "latest"] {
            let Some(kept) = read_features(&run.folder, which)? else { continue };
            let table = Table::new(&kept)?;
            let when = match kept.epoch {
                0 => "before training".to_string(),
                epoch => format!("after epoch {epoch}"),
            };
            let title = format!("{}, {when}", run.name);
            if table.len() < 8 {
                let _ = write!(said, "<p>{}: {} frames are too few to show.</p>", escape(&title), table.len());
                continue;
            }
            let (plane, shares) = plane::pca(&table.x)?;
            let axis = |n: usize| format!("PC {} ({:.0} % of the variance)", n + 1, 100.0 * shares[n]);
            plots += &scatter(&format!("PCA, {title}"), [&axis(0), &axis(1)], &table.marks(&plane)?);
            let every = table.len().div_ceil(plane::MOST_NEIGHBOURS);
            let fewer = table.only(|row| row.is_multiple_of(every))?;
            let title = format!("t-SNE, {title}");
            plots += &scatter(&title, ["t-SNE 1", "t-SNE 2"], &fewer.marks(&plane::tsne(&fewer.x)?)?);
            let (row, sentence) = probes(&run.name, &when, &table)?;
            rows += &row;
            said += &sentence;
        }
    }
    if plots.is_empty() {
        return Ok(said);
    }
    let mut html = format!("<div class=\"charts\">{plots}</div>{}", legend());
    let _ = write!(
        html,
        "<p class=\"about\">Pooled features of validation frames (the condition head's input) by condition. t-SNE (van \
         der Maaten &amp; Hinton 2008) shows neighbours, not distances.</p><h3>Linear probes of the frozen features</h3>\
         <table><tr><th>run</th><th>features</th><th>frames</th><th>sequences</th><th>condition accuracy</th>\
         <th>chance</th><th>box R²</th><th>box L1</th><th>L1 of the mean box</th></tr>{rows}</table>{said}\
         <p class=\"about\">Ridge regression, five-fold by sequence: no probe has seen the sequence that it is judged \
         on. Chance is the most frequent condition. Box as shares of the search crop.</p>"
    );
    Ok(html)
}

/// A row of the table and a sentence about it.
fn probes(run: &str, when: &str, table: &Table) -> Result<(String, String)> {
    let (condition, boxes) = (probe::condition(table)?, probe::boxes(table)?);
    let of = boxes
        .map(|probe| probe.of)
        .or(condition.map(|probe| probe.of))
        .unwrap_or([table.len(), probe::sequences(&table.groups)]);
    let percent = |share: Option<f64>| share.map_or("–".into(), |share| format!("{:.1} %", 100.0 * share));
    let number = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.3}"));
    let row = format!(
        "<tr><td>{}</td><td>{when}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(run),
        of[0],
        of[1],
        percent(condition.map(|probe| probe.accuracy)),
        percent(condition.map(|probe| probe.chance)),
        number(boxes.map(|probe| probe.r2)),
        number(boxes.map(|probe| probe.l1)),
        number(boxes.map(|probe| probe.l1_mean)),
    );
    let semantic = match condition {
        None => "too few labelled frames, sequences or conditions to probe the condition".to_string(),
        Some(probe) if probe.accuracy > probe.chance + probe.margin => {
            format!(
                "the condition can be read off linearly ({:.1} points over chance)",
                100.0 * (probe.accuracy - probe.chance)
            )
        }
        Some(probe) => {
            format!("no condition beyond chance can be shown with {} sequences", probe.of[1])
        }
    };
    let spatial = match boxes {
        None => "too few frames or sequences to probe the box".to_string(),
        Some(probe) if probe.r2 > 0.1 => format!("the box can be read off linearly (R² {:.2})", probe.r2),
        Some(probe) => format!("the box hardly can (R² {:.2})", probe.r2),
    };
    Ok((row, format!("<p>{}, {when}: {semantic}; {spatial}.</p>", escape(run))))
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
