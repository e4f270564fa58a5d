//! `decode`: reads what a clip shows of its frames. `decode-cached` reads whole frames and keeps them in memory, for
//! sets that fit.
//!
//! A clip whose frame cannot be read is planned again in place with the next attempt. What was given up travels in the
//! plan, and is counted where clips arrive in order.

use super::{Facts, RunContext, cache::FrameCache, items::*};
use crate::{
    data::{
        dataset::FrameFile,
        frame,
        outage::{self, Bases, Outage},
        plan::{ClipPlan, Planner},
        retry::{self, FrameFault, Quarantine},
    },
    failure::{Failure, Result},
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    settings::Config,
    train::{events::Observer, run_event::RunEvent, run_schedule::Split},
    vision::{
        area::DecodedRegion,
        decode::{Decoder, DecoderKind},
        window::Window,
    },
};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "decode",
    description: "reads and decodes the windows of a clip's frames (JPEG, PNG) with the `decoder` turbojpeg, image or auto",
    input: Some(PLANNED_CLIPS),
    output: Some(DECODED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 256,
    capacity: 4,
    parse: |section| {
        let DecoderOption { decoder } = DecoderOption::read(section, &());
        let DctScaling { dct_scaling } = DctScaling::read(section, &decoder);
        Box::new(Decode { decoder, dct_scaling, megabytes: 0, cache: None })
    },
};

pub(super) const CACHED_KIND: Kind<RunContext> = Kind {
    name: "decode-cached",
    description: "like decode, but reads whole frames and keeps them in memory up to `megabytes`",
    parse: |section| {
        let Cached { megabytes } = Cached::read(section, &());
        let DecoderOption { decoder } = DecoderOption::read(section, &());
        Box::new(Decode {
            decoder,
            dct_scaling: false,
            megabytes,
            cache: Some(Arc::new(Mutex::new(FrameCache::new(megabytes << 20)))),
        })
    },
    ..KIND
};

#[derive(Config)]
struct DecoderOption {
    /// The library that decodes; auto: the fastest that is built in.
    #[config(
        key = "decoder", choices = ["auto", "turbojpeg", "image"], default = "auto", check = |name| not_built(name),
        map = decoder
    )]
    decoder: DecoderKind,
}

fn decoder(name: &str) -> DecoderKind {
    match name {
        "turbojpeg" => DecoderKind::Turbojpeg,
        "image" => DecoderKind::Image,
        _ => DecoderKind::best(),
    }
}

fn not_built(name: &str) -> Option<String> {
    let kind = decoder(name);
    (!kind.is_built()).then(|| {
        format!(
            "{} is not built into this program; install cmake and nasm and run `make build` again, or choose image",
            kind.name()
        )
    })
}

#[derive(Config)]
#[config(context = DecoderKind)]
struct DctScaling {
    /// Whether large windows are decoded at 1/2, 1/4 or 1/8 of their size, which changes their pixels.
    #[config(
        key = "dct_scaling", default = false,
        check = |on| (*on && *context == DecoderKind::Image).then(|| "the decoder `image` cannot; take turbojpeg".into())
    )]
    dct_scaling: bool,
}

#[derive(Config)]
struct Cached {
    /// Memory for decoded frames, in MiB; the kind decode keeps nothing.
    #[config(key = "megabytes", default = 1024, min = 1)]
    megabytes: usize,
}

struct Decode {
    /// The most that the cache holds.
    megabytes: usize,
    /// Whether frames are decoded smaller where their windows are larger than the crops.
    dct_scaling: bool,
    decoder: DecoderKind,
    cache: Option<Arc<Mutex<FrameCache>>>,
}

impl StageConfig<RunContext> for Decode {
    fn worker(&self, context: &RunContext, index: usize) -> Result<Box<dyn Stage>> {
        if index == 0 {
            let kind = self.decoder;
            context.observer.observe(&RunEvent::note(format!("decoder: {} ({})", kind.name(), kind.description())));
        }
        Ok(Box::new(DecodeStage {
            decoder: self.decoder.decoder().map_err(|error| Failure::stage(error.to_string()))?,
            cache: self.cache.clone(),
            sizes: self.dct_scaling.then(|| {
                let data = &context.experiment.data;
                (data.template.size as u32, data.search.size as u32)
            }),
            train: context.train.clone(),
            val: context.val.clone(),
            quarantine: context.quarantine.clone(),
            outage: context.outage.clone(),
            bases: Bases::of(
                std::iter::once(&context.train).chain(&context.val).flat_map(|planner| planner.datasets()),
            ),
            observer: context.observer.clone(),
        }))
    }

    fn output_spec(&self, facts: &Facts, _input: Option<&ElementSpec>) -> Option<ElementSpec> {
        Some(facts.decoded())
    }

    fn keeps_bytes(&self, _facts: &Facts, _input: Option<&ElementSpec>) -> u64 {
        (self.megabytes as u64) << 20
    }
}

struct DecodeStage {
    decoder: Box<dyn Decoder>,
    cache: Option<Arc<Mutex<FrameCache>>>,
    /// Sides of the template's and of a search crop, where frames may be decoded smaller.
    sizes: Option<(u32, u32)>,
    train: Arc<Planner>,
    val: Option<Arc<Planner>>,
    quarantine: Quarantine,
    outage: Outage,
    bases: Bases,
    observer: Arc<dyn Observer>,
}

impl DecodeStage {
    /// The frames of `plan`; where the data is away, when it is back. `None` when the run is to stop meanwhile.
    fn patiently(
        &mut self,
        plan: &ClipPlan,
        out: &Emitter,
    ) -> Result<Option<std::result::Result<Vec<Arc<DecodedRegion>>, FrameFault>>> {
        let is_away = |stage: &Self, fault: &FrameFault| {
            outage::file_of(fault, plan.frames().map(|planned| &planned.file))
                .is_some_and(|file| outage::is_away(fault, &plan.dataset, file, &stage.bases))
        };
        let mut fault = match self.frames(plan) {
            Err(fault) if is_away(self, &fault) => fault,
            made => return Ok(Some(made)),
        };
        let outage = self.outage.clone();
        let (mut waiting, said) = outage.begin(&fault);
        said.into_iter().for_each(|text| self.observer.observe(&RunEvent::warning(text)));
        loop {
            if out.wait_stopping(waiting.pause(&fault)?) {
                return Ok(None);
            }
            match self.frames(plan) {
                Err(again) if is_away(self, &again) => fault = again,
                made => {
                    waiting.end().into_iter().for_each(|text| self.observer.observe(&RunEvent::note(text)));
                    return Ok(Some(made));
                }
            }
        }
    }

    fn frames(&mut self, plan: &ClipPlan) -> std::result::Result<Vec<Arc<DecodedRegion>>, FrameFault> {
        // The clip of a picture shows it in every frame: then it is decoded whole, once.
        let one = plan.search.iter().all(|planned| planned.file.path == plan.template.file.path);
        let mut frames: Vec<Arc<DecodedRegion>> = Vec::with_capacity(plan.search.len() + 1);
        for (index, planned) in plan.frames().enumerate() {
            let reduction = match self.sizes {
                Some((template, search)) if !one => {
                    planned.window.reduction(if index == 0 { template } else { search })
                }
                _ => 1,
            };
            let frame = match frames.last() {
                Some(last) if one => last.clone(),
                _ => self.frame(&planned.file, (!one).then_some(&planned.window), reduction)?,
            };
            frame::check_visible(&planned.file, &planned.window, &frame)?;
            frames.push(frame);
        }
        Ok(frames)
    }

    /// At least what `window` shows of the frame; all of it without a window and where frames are kept.
    fn frame(
        &mut self,
        file: &FrameFile,
        window: Option<&Window>,
        reduction: u32,
    ) -> std::result::Result<Arc<DecodedRegion>, FrameFault> {
        if let Some(fault) = self.quarantine.fault(&file.path) {
            return Err(fault);
        }
        let Some(cache) = &self.cache else {
            return Ok(Arc::new(frame::read(file, self.decoder.as_mut(), window, reduction)?));
        };
        let kept = lock(cache).get(&file.path);
        if let Some(frame) = kept {
            return Ok(frame);
        }
        let frame = Arc::new(frame::read(file, self.decoder.as_mut(), None, 1)?);
        lock(cache).put(&file.path, frame.clone());
        Ok(frame)
    }
}

fn lock(cache: &Mutex<FrameCache>) -> std::sync::MutexGuard<'_, FrameCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage for DecodeStage {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let PlannedClip { ticket, plan } = unpack(payload)?;
        let planner = match (ticket.info.split, &self.val) {
            (Split::Val, Some(val)) => val.clone(),
            _ => self.train.clone(),
        };
        let quarantine = self.quarantine.clone();
        let mut stopped = false;
        let made = retry::make(&planner, plan, &quarantine, |plan| match self.patiently(plan, out)? {
            Some(made) => Ok(made),
            None => {
                stopped = true;
                Err(Failure::input("stopped while the data was away"))
            }
        });
        // What a run that stops has not made is planned again when it resumes.
        if stopped {
            return Ok(());
        }
        let (plan, frames) = made?;
        out.emit(pack(DecodedClip { ticket, plan, frames }));
        Ok(())
    }
}
