//! `decode`: reads what a clip shows of its frames. `decode-cached` reads whole frames and keeps them in memory, for
//! sets that fit.
//!
//! A clip whose frame cannot be read is planned again in place with the next attempt and counted; the failure budget of
//! the run decides when that is too often.

use super::{Facts, RunContext, cache::FrameCache, forms::DECODED, items::*};
use crate::{
    data::{
        plan::{ClipPlan, Planner},
        rejects::Rejects,
    },
    failure::{Failure, Result},
    flow::{Blueprint, Form, Handling, Kind, Outbox, Payload, Stage, pack, unpack},
    settings::Section,
    telemetry::names,
    train::{
        events::{Event, Observer},
        itinerary::Split,
    },
    vision::{
        area::Part,
        decode::{Decoder, DecoderKind},
        window::Window,
    },
};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "decode",
    about: "reads and decodes the windows of a clip's frames (JPEG, PNG) with the `decoder` turbojpeg, image or auto",
    input: Some(PLANNED_CLIPS),
    output: Some(DECODED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 4,
    parse: |section: &mut Section<'_>| Box::new(Decode { decoder: decoder(section), megabytes: 0, cache: None }),
};

pub(super) const CACHED_KIND: Kind<RunContext> = Kind {
    name: "decode-cached",
    about: "like decode, but reads whole frames and keeps them in memory up to `megabytes`",
    parse: |section: &mut Section<'_>| {
        let megabytes = section.says("memory for decoded frames").checked("megabytes", 1024usize, |megabytes| {
            (*megabytes == 0).then(|| "must be at least 1; the kind decode keeps nothing".to_string())
        });
        let decoder = decoder(section);
        Box::new(Decode { decoder, megabytes, cache: Some(Arc::new(Mutex::new(FrameCache::new(megabytes << 20)))) })
    },
    ..KIND
};

/// Reads the option `decoder`.
fn decoder(section: &mut Section<'_>) -> DecoderKind {
    let name = section.says("which library decodes; auto is the fastest that is built in").choice(
        "decoder",
        "auto",
        &["auto", "turbojpeg", "image"],
    );
    let kind = match name {
        "turbojpeg" => DecoderKind::Turbojpeg,
        "image" => DecoderKind::Image,
        _ => DecoderKind::best(),
    };
    if !kind.is_built() {
        section.problem(
            "decoder",
            format!(
                "{} is not built into this program; install cmake and nasm and run `make build` again, or choose image",
                kind.name()
            ),
        );
    }
    kind
}

struct Decode {
    /// The most that the cache holds.
    megabytes: usize,
    decoder: DecoderKind,
    cache: Option<Arc<Mutex<FrameCache>>>,
}

impl Blueprint<RunContext> for Decode {
    fn worker(&self, context: &RunContext, index: usize) -> Result<Box<dyn Stage>> {
        if index == 0 {
            let kind = self.decoder;
            context.observer.observe(&Event::Note(format!("decoder: {} ({})", kind.name(), kind.about())));
        }
        Ok(Box::new(DecodeStage {
            decoder: self.decoder.decoder().map_err(|error| Failure::stage(error.to_string()))?,
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
    decoder: Box<dyn Decoder>,
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
    fn frames(&mut self, plan: &ClipPlan) -> std::result::Result<Vec<Arc<Part>>, Unreadable> {
        plan.frames()
            .map(|planned| {
                let frame = self.frame(&planned.path, &planned.window)?;
                match planned.window.overlaps(frame.frame.0, frame.frame.1) {
                    true => Ok(frame),
                    false => Err(Unreadable {
                        reason: "outside",
                        detail: format!("{}: the object's box lies outside the frame", planned.path.display()),
                    }),
                }
            })
            .collect()
    }

    /// At least what `window` shows of the frame; all of it where frames are kept.
    fn frame(&mut self, path: &Path, window: &Window) -> std::result::Result<Arc<Part>, Unreadable> {
        let kept = self.cache.as_ref().and_then(|cache| lock(cache).get(path));
        if let Some(frame) = kept {
            return Ok(frame);
        }
        let bytes = std::fs::read(path)
            .map_err(|error| Unreadable { reason: "unreadable", detail: format!("{}: {error}", path.display()) })?;
        let window = self.cache.is_none().then_some(window);
        let frame = self.decoder.decode(&bytes, window).map_err(|error| Unreadable {
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
