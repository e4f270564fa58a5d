//! The sequences of a data set that can give clips.

use super::PlanOptions;
use super::causal::least_visible;
use crate::data::dataset::Dataset;
use crate::data::random::CounterRng;

/// Indices of sequences that are long enough, and how many are not.
#[derive(Clone, Debug)]
pub(super) struct Eligible {
    sequences: Vec<u32>,
    too_short: usize,
    too_few_visible: usize,
}

impl Eligible {
    pub fn among(dataset: &Dataset, options: &PlanOptions) -> Self {
        let mut found = Self { sequences: Vec::new(), too_short: 0, too_few_visible: 0 };
        for (i, sequence) in dataset.sequences.iter().enumerate() {
            let visible = sequence.visible().iter().filter(|&&seen| seen).count();
            if dataset.images {
                match visible {
                    0 => found.too_few_visible += 1,
                    _ => found.sequences.push(i as u32),
                }
            } else if sequence.len() < options.least_frames() {
                found.too_short += 1;
            } else if visible < least_visible(options.search_frames) {
                found.too_few_visible += 1;
            } else {
                found.sequences.push(i as u32);
            }
        }
        found
    }

    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// A uniform choice.
    pub fn draw(&self, rng: &mut CounterRng) -> Option<usize> {
        self.sequences.get(rng.below(self.sequences.len())).map(|&i| i as usize)
    }

    /// Why the data set gives no clips at all.
    pub fn explain(&self, dataset: &Dataset, options: &PlanOptions) -> String {
        if dataset.images {
            return format!("{}: none of {} objects has an area", dataset.name, dataset.sequences.len());
        }
        let search_frames = options.search_frames;
        format!(
            "{}: none of {} sequences gives clips: {} have fewer than {} frames, {} fewer than {} that show the \
             object; use a longer one, or fewer search frames than {search_frames}",
            dataset.name,
            dataset.sequences.len(),
            self.too_short,
            options.least_frames(),
            self.too_few_visible,
            least_visible(search_frames),
        )
    }

    /// How many sequences are left out for which reason.
    pub fn skipped(&self) -> [(&'static str, usize); 2] {
        [("too_short", self.too_short), ("rarely_visible", self.too_few_visible)]
    }

    /// How many sequences are left out, if any.
    pub fn note(&self, dataset: &Dataset) -> Option<String> {
        (self.too_short + self.too_few_visible > 0).then(|| {
            let (name, all) = (&dataset.name, dataset.sequences.len());
            let (short, few) = (self.too_short, self.too_few_visible);
            if dataset.images {
                return format!("{name}: {few} of {all} objects skipped: their boxes have no area");
            }
            format!(
                "{name}: {} of {all} sequences skipped: {short} too short, {few} rarely show the object",
                short + few
            )
        })
    }
}
