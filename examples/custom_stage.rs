//! A kind of stage from outside of trackflow: it is declared here, given to a session, and named by a pipeline.
//!
//! ```text
//! cargo run --release --example custom_stage -- [SAVE_DIR] [KEY.PATH=VALUE…]
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use trackflow::{
    data::random::CounterRng,
    failure::Result,
    flow::{ElementSpec, Emitter, Kind, Payload, Stage, StageConfig, pack, unpack},
    session::{Outcome, Session},
    settings::Node,
    stages::{CROPPED_CLIPS, CroppedClip, Facts, RunContext},
};

/// The pipeline of `train`, with the stage between `augment` and `collate`.
const PIPELINE: &str = "\
name: inverted
stages:
  sample: {kind: sample, capacity: 16}
  decode: {kind: decode, workers: 2, capacity: 8}
  crop: {kind: crop, capacity: 8}
  augment: {kind: augment, capacity: 8}
  invert: {kind: invert, workers: 2, capacity: 8, options: {share: 0.5}}
  collate: {kind: collate, capacity: 2}
  upload: {kind: upload, capacity: 1}
  step: {kind: step, capacity: 4}
  aggregate: {kind: aggregate, capacity: 1}
  checkpoint: {kind: checkpoint}
";

/// The row that trackflow's own table lacks.
static INVERT: Kind<RunContext> = Kind {
    name: "invert",
    description: "turns the colours of some clips into their opposites",
    input: Some(CROPPED_CLIPS),
    output: Some(CROPPED_CLIPS),
    ordered: false,
    workers: 1,
    max_workers: 64,
    capacity: 8,
    parse: |options| {
        let range = |share: &f64| (!(0.0..=1.0).contains(share)).then(|| "must be from 0 to 1".into());
        let share = options.describe("share of the clips that are turned").checked("share", 0.1, range);
        Box::new(Invert { share })
    },
};

/// Clips that were turned, by all workers.
static INVERTED: AtomicU64 = AtomicU64::new(0);

#[derive(Clone)]
struct Invert {
    share: f64,
}

impl StageConfig<RunContext> for Invert {
    fn worker(&self, _context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        Ok(Box::new(self.clone()))
    }

    fn output_spec(&self, _facts: &Facts, input: Option<&ElementSpec>) -> Option<ElementSpec> {
        input.cloned()
    }
}

impl Stage for Invert {
    fn process(&mut self, payload: Payload, out: &mut Emitter) -> Result<()> {
        let mut clip: CroppedClip = unpack(payload)?;
        // Keyed by the clip, so that a run is repeatable whatever the number of threads.
        let key = [clip.plan.epoch, clip.plan.index, clip.plan.attempt, u64::from_be_bytes(*b"invert..")];
        if CounterRng::new(&key).range(0.0, 1.0) < self.share {
            clip.crops
                .iter_mut()
                .flat_map(|crop| crop.pixels_mut())
                .for_each(|pixel| pixel.0 = pixel.0.map(|c| 255 - c));
            INVERTED.fetch_add(1, Ordering::Relaxed);
        }
        out.emit(pack(clip));
        Ok(())
    }
}

fn train(save_dir: &str, set: impl Iterator<Item = String>) -> Result<Outcome> {
    Session::builder()
        .experiment("demo")
        .set_all(["DATA.SYNTH.SEQUENCES=24", "DATA.SYNTH.VAL_SEQUENCES=8", "DATA.VAL.SAMPLE_PER_EPOCH=16"])
        .set_all(set)
        .kind(&INVERT)
        .parsed_pipeline("inverted", Node::parse("inverted.yaml", PIPELINE)?)
        .save_dir(save_dir)
        .max_steps(2)
        .run()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let save_dir = arguments.next().unwrap_or_else(|| "./output/custom-stage".into());
    match train(&save_dir, arguments) {
        Ok(outcome) => {
            println!("ended: {:?}; {} clips were inverted", outcome.ended, INVERTED.load(Ordering::Relaxed));
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            std::process::exit(failure.kind.exit_code());
        }
    }
}
