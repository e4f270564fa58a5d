//! `decode`: reads the frames of a clip. `decode-cached` keeps decoded frames in memory, for sets that fit.
//!
//! A clip whose frame cannot be read is planned again in place with the next attempt and counted; the failure budget of
//! the run decides when that is too often.

use super::{Facts, RunContext, cache::FrameCache, forms::DECODED, items::*};
use crate::{
    data::{
        plan::{ClipPlan, Planner},
        rejects::Rejects,
    },
    failure::Result,
    flow::{Blueprint, Form, Handling, Kind, Outbox, Payload, Stage, pack, unpack},
    settings::Section,
    telemetry::names,
    train::{
        events::{Event, Observer},
        itinerary::Split,
    },
    vision::decode::{Decoder, StrictDecoder},
};
use image::RgbImage;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "decode",
    about: "reads and decodes the whole frames of a clip (JPEG, PNG)",
    input: Some(PLANNED_CLIPS),
    output: Some(DECODED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 4,
    parse: |_: &mut Section<'_>| Box::new(Decode { megabytes: 0, cache: None }),
};

pub(super) const CACHED_KIND: Kind<RunContext> = Kind {
    name: "decode-cached",
    about: "like decode, and keeps decoded frames in memory up to `megabytes`",
    parse: |section: &mut Section<'_>| {
        let megabytes = section.says("memory for decoded frames").checked("megabytes", 1024usize, |megabytes| {
            (*megabytes == 0).then(|| "must be at least 1; the kind decode keeps nothing".to_string())
        });
        Box::new(Decode { megabytes, cache: Some(Arc::new(Mutex::new(FrameCache::new(megabytes << 20)))) })
    },
    ..KIND
};

struct Decode {
    /// The most that the cache holds.
    megabytes: usize,
    cache: Option<Arc<Mutex<FrameCache>>>,
}

impl Blueprint<RunContext> for Decode {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(DecodeStage {
            decoder: StrictDecoder,
            cache: self.cache.clone(),
            train: context.train.clone(),
            val: context.val.clone(),
            rejects: context.rejects.clone(),
            observer: context.observer.clone(),
        }))
    }

    fn emits(&self) -> Handling {
        DECODED
    }

    fn gives_form(&self, facts: &Facts, _input: Option<&Form>) -> Option<Form> {
        Some(facts.decoded())
    }

    fn keeps_bytes(&self, _facts: &Facts, _input: Option<&Form>) -> u64 {
        (self.megabytes as u64) << 20
    }
}

struct DecodeStage {
    decoder: StrictDecoder,
    cache: Option<Arc<Mutex<FrameCache>>>,
    train: Arc<Planner>,
    val: Option<Arc<Planner>>,
    rejects: Rejects,
    observer: Arc<dyn Observer>,
}

/// Why a frame cannot be had: a short name for counters, and the words.
struct Unreadable {
    reason: &'static str,
    detail: String,
}

impl DecodeStage {
    fn frames(&mut self, plan: &ClipPlan) -> std::result::Result<Vec<Arc<RgbImage>>, Unreadable> {
        plan.frames()
            .map(|planned| {
                let frame = self.frame(&planned.path)?;
                match planned.window.overlaps(frame.width(), frame.height()) {
                    true => Ok(frame),
                    false => Err(Unreadable {
                        reason: "outside",
                        detail: format!("{}: the object's box lies outside the frame", planned.path.display()),
                    }),
                }
            })
            .collect()
    }

    fn frame(&mut self, path: &Path) -> std::result::Result<Arc<RgbImage>, Unreadable> {
        let kept = self.cache.as_ref().and_then(|cache| lock(cache).get(path));
        if let Some(frame) = kept {
            return Ok(frame);
        }
        let bytes = std::fs::read(path)
            .map_err(|error| Unreadable { reason: "unreadable", detail: format!("{}: {error}", path.display()) })?;
        let frame = self.decoder.decode(&bytes).map_err(|error| Unreadable {
            reason: error.reason.name(),
            detail: format!("{}: {}", path.display(), error.detail),
        })?;
        let frame = Arc::new(frame);
        if let Some(cache) = &self.cache {
            lock(cache).put(path, frame.clone());
        }
        Ok(frame)
    }

    fn reject(&self, dataset: &Arc<str>, reason: &'static str, detail: String) -> Result<()> {
        metrics::counter!(names::REJECTED_CLIPS, "reason" => reason, "dataset" => dataset.to_string()).increment(1);
        self.observer.observe(&Event::Warning(format!("clip planned again ({reason}): {detail}")));
        self.rejects.reject(dataset, reason, detail)
    }
}

fn lock(cache: &Mutex<FrameCache>) -> std::sync::MutexGuard<'_, FrameCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage for DecodeStage {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        let PlannedClip { ticket, mut plan } = unpack(payload)?;
        loop {
            for redraw in &plan.redraws {
                self.reject(&redraw.dataset, redraw.reason, format!("sequence {}", redraw.sequence))?;
            }
            match self.frames(&plan) {
                Ok(frames) => {
                    self.rejects.accept();
                    out.emit(pack(DecodedClip { ticket, plan, frames }));
                    return Ok(());
                }
                Err(unreadable) => {
                    self.reject(&plan.dataset, unreadable.reason, unreadable.detail)?;
                    let planner = match ticket.visit.split {
                        Split::Val => self.val.as_ref().unwrap_or(&self.train),
                        Split::Train => &self.train,
                    };
                    plan = planner.plan(plan.epoch, plan.index, plan.attempt + 1)?;
                }
            }
            if out.cancelled() {
                return Ok(());
            }
        }
    }
}
