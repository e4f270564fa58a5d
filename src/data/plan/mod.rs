//! Clip planning: everything random about a clip is decided here, before any pixel is read.
//!
//! A plan is a pure function of (seed, epoch, clip index, attempt). Whatever consumes it repeats bit for bit, on any
//! number of workers, and a clip that cannot be made is planned again with the next attempt.

mod causal;
mod clip;
mod eligible;
mod forward;
mod options;

pub use causal::least_visible;
pub use clip::{ClipPlan, FramePlan, Redraw};
pub use options::{CropOptions, PlanMode, PlanOptions, SamplerMode};

use std::sync::Arc;

use crate::data::dataset::{Dataset, Sequence};
use crate::data::random::CounterRng;
use crate::failure::{Failure, Result};
use crate::vision::rect::Rect;
use crate::vision::window::Window;
use eligible::Eligible;

/// What a stream of draws decides; a purpose that draws more leaves the others as they were.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Purpose {
    Sequence = 1,
    Frames = 2,
    Windows = 3,
    Augmentation = 4,
    Labels = 5,
}

/// How often a clip's sequence is drawn again within one attempt.
const SEQUENCE_TRIES: u64 = 64;

/// How often a frame's window is drawn again before its sequence is given up.
const WINDOW_TRIES: usize = 16;

/// Plans the clips of one set of data sets. It holds all annotations: threads share one.
#[derive(Debug)]
pub struct Planner {
    datasets: Vec<Dataset>,
    eligible: Vec<Eligible>,
    /// Upper ends of the data sets' shares of `[0, 1)`.
    shares: Vec<f64>,
    options: PlanOptions,
}

/// The key of a clip's draws, but for their purpose.
#[derive(Clone, Copy)]
struct Key {
    epoch: u64,
    index: u64,
    attempt: u64,
    redraw: u64,
}

impl Planner {
    /// A planner that draws a clip's data set in proportion to `ratios`, one number per data set.
    ///
    /// # Errors
    /// 78 for ratios or options that cannot be; 66 for a data set of which no sequence is long enough for a clip.
    pub fn new(datasets: Vec<Dataset>, ratios: &[f64], options: PlanOptions) -> Result<Self> {
        options.check()?;
        if ratios.len() != datasets.len() {
            let text = format!("{} ratios for {} data sets; give one per data set", ratios.len(), datasets.len());
            return Err(Failure::config(text));
        }
        let total: f64 = ratios.iter().sum();
        if ratios.iter().any(|ratio| !ratio.is_finite() || *ratio < 0.0) || total <= 0.0 || !total.is_finite() {
            return Err(Failure::config(format!("{ratios:?} are no ratios; give numbers from 0 on, not all 0")));
        }
        let mut eligible = Vec::new();
        let mut empty = Vec::new();
        for (dataset, ratio) in datasets.iter().zip(ratios) {
            let found = Eligible::among(dataset, &options);
            if found.is_empty() && *ratio > 0.0 {
                empty.push(found.explain(dataset, &options));
            }
            eligible.push(found);
        }
        if !empty.is_empty() {
            return Err(Failure::input(empty.join("\n")));
        }
        let shares = ratios.iter().scan(0.0, |end, ratio| {
            *end += ratio / total;
            Some(*end)
        });
        Ok(Self { shares: shares.collect(), datasets, eligible, options })
    }

    /// The options as given.
    pub fn options(&self) -> &PlanOptions {
        &self.options
    }

    /// The data sets as given.
    pub fn datasets(&self) -> &[Dataset] {
        &self.datasets
    }

    /// How many clips an epoch has.
    pub fn clips_per_epoch(&self) -> usize {
        self.options.clips_per_epoch
    }

    /// What the user should know about sequences that give no clips, one line per data set that has some.
    pub fn notes(&self) -> Vec<String> {
        self.datasets.iter().zip(&self.eligible).filter_map(|(dataset, eligible)| eligible.note(dataset)).collect()
    }

    /// How many sequences give no clips, by data set and reason (a short name, for counters).
    pub fn skipped(&self) -> impl Iterator<Item = (&Arc<str>, &'static str, usize)> {
        let by_reason = |(dataset, eligible)| {
            let (dataset, eligible): (&Dataset, &Eligible) = (dataset, eligible);
            eligible.skipped().map(|(reason, count)| (&dataset.name, reason, count))
        };
        self.datasets.iter().zip(&self.eligible).flat_map(by_reason)
    }

    /// The plan of clip `index` of `epoch`; `attempt` counts how often the clip could not be made.
    ///
    /// # Errors
    /// 66 when no sequence that was drawn gives a clip.
    pub fn plan(&self, epoch: u64, index: u64, attempt: u64) -> Result<ClipPlan> {
        let mut redraws = Vec::new();
        for redraw in 0..SEQUENCE_TRIES {
            let key = Key { epoch, index, attempt, redraw };
            let mut rng = self.rng(key, Purpose::Sequence);
            let share = rng.uniform();
            // A share that rounding left beyond the last end belongs to the last data set with sequences.
            let which = self.shares.iter().position(|&end| share < end);
            let which = which.or_else(|| self.eligible.iter().rposition(|e| !e.is_empty())).unwrap_or_default();
            let dataset = &self.datasets[which];
            let Some(sequence) = self.eligible[which].draw(&mut rng).map(|i| &dataset.sequences[i]) else { continue };
            match self.frames(key, dataset, sequence) {
                Ok(frames) => return Ok(self.clip(key, dataset, sequence, frames, redraws)),
                Err(reason) => {
                    let detail = format!("sequence {}", sequence.name);
                    let (dataset, sequence) = (dataset.name.clone(), sequence.name.clone());
                    redraws.push(Redraw { dataset, sequence, reason, detail, file: None });
                }
            }
        }
        let last = redraws.last().map_or_else(String::new, |redraw| {
            format!("; last: {} of {}: {}", redraw.sequence, redraw.dataset, redraw.reason)
        });
        let text = format!("clip {index} of epoch {epoch}: {SEQUENCE_TRIES} sequences drawn, none gives a clip{last}");
        Err(Failure::input(text))
    }

    /// The stream of draws of one purpose. Validation plans leave the epoch out: its clips are the same every time.
    fn rng(&self, key: Key, purpose: Purpose) -> CounterRng {
        let (mode, epoch) = match self.options.mode {
            PlanMode::Training => (1, key.epoch),
            PlanMode::Validation => (2, 0),
        };
        CounterRng::new(&[self.options.seed, mode, epoch, key.index, key.attempt, key.redraw, purpose as u64])
    }

    /// The planned frames, template first, without augmentation; or the reason why the sequence gives none.
    fn frames(
        &self,
        key: Key,
        dataset: &Dataset,
        sequence: &Sequence,
    ) -> std::result::Result<Vec<FramePlan>, &'static str> {
        let mut rng = self.rng(key, Purpose::Frames);
        let frames = match dataset.images {
            // A picture stands for every frame of its clip, as in the reference; each crop is jittered on its own.
            true => vec![0; self.options.search_frames + 1],
            false => {
                let draw = match self.options.sampler {
                    SamplerMode::Causal => causal::frames,
                    SamplerMode::Forward => forward::frames,
                };
                let (search_frames, max_gap) = (self.options.search_frames, self.options.max_gap);
                draw(sequence.visible(), search_frames, max_gap, &mut rng).ok_or("too_few_visible")?
            }
        };
        let mut rng = self.rng(key, Purpose::Windows);
        frames
            .into_iter()
            .enumerate()
            .map(|(position, frame)| {
                let crop = if position == 0 { &self.options.template } else { &self.options.search };
                let object = sequence.object(frame);
                let window = window(&object, crop, &mut rng).ok_or("no_window")?;
                Ok(FramePlan {
                    file: sequence.file(frame),
                    frame,
                    object,
                    window,
                    crop_box: window.to_crop_normalised(&object, crop.size),
                    flip: false,
                    brightness: 1.0,
                })
            })
            .collect()
    }

    fn clip(
        &self,
        key: Key,
        dataset: &Dataset,
        sequence: &Sequence,
        mut frames: Vec<FramePlan>,
        redraws: Vec<Redraw>,
    ) -> ClipPlan {
        let mut grey = false;
        if self.options.mode == PlanMode::Training {
            let mut rng = self.rng(key, Purpose::Augmentation);
            grey = rng.chance(self.options.grey);
            let flip = rng.chance(self.options.flip);
            for frame in &mut frames {
                let own = rng.chance(self.options.flip);
                frame.flip = if self.options.flip_per_crop { own } else { flip };
                let by = self.options.brightness;
                frame.brightness = rng.range((1.0 - by).max(0.0), 1.0 + by) as f32;
            }
        }
        let mut rng = self.rng(key, Purpose::Labels);
        let template = frames.remove(0);
        let labels = frames.iter().map(|frame| sequence.labels.of(frame.frame).pick(&mut rng)).collect();
        let soft = frames.iter().map(|frame| sequence.labels.soft(frame.frame)).collect();
        ClipPlan {
            epoch: key.epoch,
            index: key.index,
            attempt: key.attempt,
            dataset: Arc::clone(&dataset.name),
            sequence: Arc::clone(&sequence.name),
            template,
            search: frames,
            labels,
            soft,
            grey,
            redraws,
        }
    }
}

/// The window around a jittered copy of `object`: its size times `exp(N·scale)`, its centre moved by up to half of
/// `centre · √area` either way (STARK's `_get_jittered_box`). Windows that are none, or do not hold the object's
/// centre, are drawn again.
fn window(object: &Rect, crop: &CropOptions, rng: &mut CounterRng) -> Option<Window> {
    (0..WINDOW_TRIES).find_map(|_| {
        let w = object.w * (rng.normal() * crop.scale_jitter).exp();
        let h = object.h * (rng.normal() * crop.scale_jitter).exp();
        let reach = (w * h).sqrt() * crop.centre_jitter;
        let (cx, cy) = object.centre();
        let (cx, cy) = (cx + reach * (rng.uniform() - 0.5), cy + reach * (rng.uniform() - 0.5));
        let jittered = Rect::new(cx - 0.5 * w, cy - 0.5 * h, w, h);
        Window::around(&jittered, crop.factor).filter(|window| window.contains(object.centre()))
    })
}

#[cfg(test)]
mod statistics;
#[cfg(test)]
mod tests;
