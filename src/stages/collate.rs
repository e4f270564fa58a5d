//! `collate`: puts the clips of a batch together, in order whatever the order of their arrival.
//!
//! Clips that had to be planned again are counted here: the order makes the failure budget the same for any number of
//! workers.

use super::{Facts, RunContext, context::OwnClips, items::*};
use crate::{
    data::{plan::ClipPlan, rejects::Rejects},
    failure::{Failure, Result},
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    settings::Section,
    telemetry::names,
    train::{
        events::Observer,
        run_event::RunEvent,
        run_schedule::{RunSchedule, Split},
    },
    vision::{pool, rect::Rect},
};
use std::sync::Arc;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "collate",
    description: "puts clips together into batches",
    input: Some(CROPPED_CLIPS),
    output: Some(BATCHES),
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 2,
    parse: |_: &mut Section<'_>| Box::new(Collate),
};

struct Collate;

impl StageConfig<RunContext> for Collate {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(CollateStage {
            next: context.position,
            waiting: Vec::new(),
            rejects: context.rejects.clone(),
            quarantine_after: context.quarantine.after(),
            observer: context.observer.clone(),
            soft: context.experiment.training.mtl.needs_soft(),
            without_clips: context.ranks.is_some().then(|| WithoutClips {
                schedule: context.schedule,
                own: context.own_clips(),
                frames: context.experiment.data.search_frames,
            }),
        }))
    }

    fn input_spec(&self, facts: &Facts) -> Option<ElementSpec> {
        Some(facts.model_crops())
    }

    fn output_spec(&self, facts: &Facts, _input: Option<&ElementSpec>) -> Option<ElementSpec> {
        Some(facts.batch())
    }

    /// The clips of the batch that is not complete.
    fn keeps_bytes(&self, facts: &Facts, input: Option<&ElementSpec>) -> u64 {
        input.map_or(0, ElementSpec::bytes) * facts.experiment.training.clips_per_rank() as u64
    }
}

/// The clips of the batch that is not complete. A run that stops leaves them: they are planned again when it resumes.
/// A clip that was left out for its failures is missing in its batch, which is smaller then.
struct CollateStage {
    /// The position of the batch that comes next.
    next: u64,
    waiting: Vec<CroppedClip>,
    rejects: Rejects,
    quarantine_after: u64,
    observer: Arc<dyn Observer>,
    /// Whether the step learns more of conditions than their class.
    soft: bool,
    /// Where several processes train: all of them take part in each batch, also in one of which they have no clip.
    without_clips: Option<WithoutClips>,
}

/// The batches of which this process has no clips.
struct WithoutClips {
    schedule: RunSchedule,
    own: OwnClips,
    /// Search frames of a clip.
    frames: usize,
}

impl WithoutClips {
    fn batch(&self, position: u64) -> Option<CollatedBatch> {
        let info = self.schedule.batch_info(position)?;
        Some(CollatedBatch {
            info,
            clips: 0,
            frames: self.frames,
            template: Vec::new(),
            search: Vec::new(),
            template_boxes: Vec::new(),
            search_boxes: Vec::new(),
            labels: Vec::new(),
            soft: Vec::new(),
            names: Arc::default(),
        })
    }
}

impl CollateStage {
    /// Counts a clip and what was given up before it.
    fn count(&self, plan: &ClipPlan) -> Result<()> {
        for redraw in &plan.redraws {
            let (reason, dataset) = (redraw.reason, redraw.dataset.to_string());
            metrics::counter!(names::REJECTED_CLIPS, "reason" => reason, "dataset" => dataset.clone()).increment(1);
            let detail = &redraw.detail;
            self.observer.observe(&RunEvent::warning(format!("clip planned again ({reason}): {detail}")));
            let failures = self.rejects.reject(redraw)?;
            if let Some(file) = redraw.file.as_ref().filter(|_| failures == self.quarantine_after) {
                metrics::gauge!(names::QUARANTINED_FILES, "reason" => reason, "dataset" => dataset).increment(1.0);
                let text = format!("{} failed {failures} times and is not read again", file.display());
                self.observer.observe(&RunEvent::warning(text));
            }
        }
        self.rejects.accept();
        Ok(())
    }
}

impl CollateStage {
    /// Sends on batches without clips up to that at `position`.
    fn skip_to(&mut self, position: u64, out: &mut Emitter) {
        let Some(without) = &self.without_clips else { return };
        while self.next < position {
            let Some(batch) = without.batch(self.next) else { return };
            self.next += 1;
            out.emit(pack(batch));
        }
    }

    /// Where the batches from here on have no clips of this process, up to which position.
    fn end_of_skipped(&self) -> u64 {
        let Some(without) = &self.without_clips else { return self.next };
        let empty = |position: &u64| {
            let info = without.schedule.batch_info(*position);
            info.is_some_and(|info| info.split == Split::Val && without.own.places(&info).is_empty())
        };
        (self.next..).find(|position| !empty(position)).unwrap_or(self.next)
    }

    /// Sends on what there is of the batch.
    fn close(&mut self, out: &mut Emitter) -> Result<()> {
        if !self.waiting.is_empty() {
            self.next += 1;
            out.emit(pack(collate(&std::mem::take(&mut self.waiting), self.soft)?));
        }
        Ok(())
    }
}

impl Stage for CollateStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        // What a run that stops has prepared is planned again when it resumes; it may have gaps where sources stopped.
        if out.stopping() {
            return Ok(());
        }
        let clip: CroppedClip = unpack(payload)?;
        let Ticket { info, slot, of } = clip.ticket;
        if self.waiting.first().is_some_and(|first| first.ticket.info != info) {
            self.close(out)?;
        }
        let position = info.position;
        self.skip_to(position, out);
        if position != self.next {
            return Err(Failure::stage(format!(
                "all clips of batch {} are missing, batch {position} begins",
                self.next
            )));
        }
        if self.waiting.last().is_some_and(|last| last.ticket.slot >= slot) {
            return Err(Failure::stage(format!("clip {slot} of batch {position} arrived out of order")));
        }
        self.count(&clip.plan)?;
        self.waiting.push(clip);
        if slot + 1 == of { self.close(out) } else { Ok(()) }
    }

    fn finish(&mut self, out: &mut Emitter) -> Result<()> {
        if out.stopping() {
            return Ok(());
        }
        self.close(out)?;
        self.skip_to(self.end_of_skipped(), out);
        Ok(())
    }
}

/// The batch of `clips`, which are all there are of it, in order; with `soft`, with what is known of their conditions
/// beyond the class.
///
/// # Errors
/// There is no clip, or the clips differ in their number of frames or the size of their crops.
pub(super) fn collate(clips: &[CroppedClip], soft: bool) -> Result<CollatedBatch> {
    let unequal = || Failure::stage("the clips of a batch differ in frames or sizes");
    let first = clips.first().ok_or_else(|| Failure::stage("a batch without clips"))?;
    let frames = first.plan.search.len();
    let bytes = |crop: usize| first.crops.get(crop).map_or(0, |crop| crop.as_raw().len()) * clips.len();
    let mut batch = CollatedBatch {
        info: first.ticket.info,
        clips: clips.len(),
        frames,
        template: pool::take(bytes(0)),
        search: pool::take(bytes(1) * frames),
        template_boxes: Vec::new(),
        search_boxes: Vec::new(),
        labels: Vec::new(),
        soft: Vec::new(),
        names: clips.iter().map(name).collect(),
    };
    let like_first = |clip: &CroppedClip| {
        clip.crops.len() == frames + 1
            && clip.boxes.len() == frames + 1
            && clip.plan.labels.len() == frames
            && clip.plan.soft.len() == frames
            && clip.crops.iter().zip(&first.crops).all(|(a, b)| a.dimensions() == b.dimensions())
    };
    if !clips.iter().all(like_first) {
        return Err(unequal());
    }
    let corners = |object: &Rect| [object.x as f32, object.y as f32, object.w as f32, object.h as f32];
    for clip in clips {
        batch.template.extend_from_slice(clip.crops[0].as_raw());
        batch.template_boxes.extend(corners(&clip.boxes[0]));
    }
    for frame in 1..=frames {
        for clip in clips {
            batch.search.extend_from_slice(clip.crops[frame].as_raw());
            batch.search_boxes.extend(corners(&clip.boxes[frame]));
            batch.labels.push(clip.plan.labels[frame - 1]);
            if soft {
                batch.soft.extend(clip.plan.soft[frame - 1].row());
            }
        }
    }
    Ok(batch)
}

/// `LASOT, sequence bus-2, frames 5: 9, 14`, counted from 1 as in the files' names.
fn name(clip: &CroppedClip) -> String {
    let plan = &clip.plan;
    let frames: Vec<String> = plan.search.iter().map(|frame| (frame.frame + 1).to_string()).collect();
    format!("{}, sequence {}, frames {}: {}", plan.dataset, plan.sequence, plan.template.frame + 1, frames.join(", "))
}
