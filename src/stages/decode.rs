//! `decode`: reads the frames of a clip. `decode-cached` keeps decoded frames in memory, for sets that fit.
//!
//! A clip whose frame cannot be read is planned again in place with the next attempt. What was given up travels in the
//! plan, and is counted where clips arrive in order.

use super::{RunContext, cache::FrameCache, items::*};
use crate::{
    data::{
        attempts::{self, FrameFault, Quarantine},
        plan::{ClipPlan, Planner},
    },
    failure::Result,
    flow::{Blueprint, Kind, Outbox, Payload, Stage, pack, unpack},
    settings::Section,
    train::itinerary::Split,
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
    parse: |_: &mut Section<'_>| Box::new(Decode { cache: None }),
};

pub(super) const CACHED_KIND: Kind<RunContext> = Kind {
    name: "decode-cached",
    about: "like decode, and keeps decoded frames in memory up to `megabytes`",
    parse: |section: &mut Section<'_>| {
        let megabytes = section.checked("megabytes", 1024usize, |megabytes| {
            (*megabytes == 0).then(|| "must be at least 1; the kind decode keeps nothing".to_string())
        });
        Box::new(Decode { cache: Some(Arc::new(Mutex::new(FrameCache::new(megabytes << 20)))) })
    },
    ..KIND
};

struct Decode {
    cache: Option<Arc<Mutex<FrameCache>>>,
}

impl Blueprint<RunContext> for Decode {
    fn worker(&self, context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(DecodeStage {
            decoder: StrictDecoder,
            cache: self.cache.clone(),
            train: context.train.clone(),
            val: context.val.clone(),
            quarantine: context.quarantine.clone(),
        }))
    }
}

struct DecodeStage {
    decoder: StrictDecoder,
    cache: Option<Arc<Mutex<FrameCache>>>,
    train: Arc<Planner>,
    val: Option<Arc<Planner>>,
    quarantine: Quarantine,
}

impl DecodeStage {
    fn frames(&mut self, plan: &ClipPlan) -> std::result::Result<Vec<Arc<RgbImage>>, FrameFault> {
        let mut frames: Vec<Arc<RgbImage>> = Vec::with_capacity(plan.search.len() + 1);
        let mut before: Option<&Path> = None;
        for planned in plan.frames() {
            // The clip of a picture shows it in every frame.
            let frame = match frames.last() {
                Some(last) if before == Some(planned.path.as_path()) => last.clone(),
                _ => self.frame(&planned.path)?,
            };
            before = Some(&planned.path);
            if !planned.window.overlaps(frame.width(), frame.height()) {
                let (file, detail) = (planned.path.clone(), "the object's box lies outside the frame".into());
                return Err(FrameFault { file, reason: "outside", detail, is_of_file: false });
            }
            frames.push(frame);
        }
        Ok(frames)
    }

    fn frame(&mut self, path: &Path) -> std::result::Result<Arc<RgbImage>, FrameFault> {
        if let Some(fault) = self.quarantine.fault(path) {
            return Err(fault);
        }
        let kept = self.cache.as_ref().and_then(|cache| lock(cache).get(path));
        if let Some(frame) = kept {
            return Ok(frame);
        }
        let broken = |reason, detail| FrameFault { file: path.to_path_buf(), reason, detail, is_of_file: true };
        let bytes = std::fs::read(path).map_err(|error| broken("unreadable", error.to_string()))?;
        let frame = self.decoder.decode(&bytes).map_err(|error| broken(error.reason.name(), error.detail))?;
        let frame = Arc::new(frame);
        if let Some(cache) = &self.cache {
            lock(cache).put(path, frame.clone());
        }
        Ok(frame)
    }
}

fn lock(cache: &Mutex<FrameCache>) -> std::sync::MutexGuard<'_, FrameCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage for DecodeStage {
    fn process(&mut self, payload: Payload, out: &mut Outbox) -> Result<()> {
        let PlannedClip { ticket, plan } = unpack(payload)?;
        let planner = match (ticket.visit.split, &self.val) {
            (Split::Val, Some(val)) => val.clone(),
            _ => self.train.clone(),
        };
        let quarantine = self.quarantine.clone();
        let (plan, frames) = attempts::make(&planner, plan, &quarantine, |plan| self.frames(plan))?;
        out.emit(pack(DecodedClip { ticket, plan, frames }));
        Ok(())
    }
}
