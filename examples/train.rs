//! Trains the demo's tracker for some steps from a program of one's own, which watches the losses.
//!
//! ```text
//! cargo run --release --example train -- [SAVE_DIR] [KEY.PATH=VALUE…]
//! ```

use trackflow::{
    failure::Result,
    session::{Outcome, Session},
    train::{events::Observer, run_event::RunEvent, run_schedule::Split},
};

/// Prints what each training step found.
struct Losses;

impl Observer for Losses {
    fn observe(&self, event: &RunEvent) {
        if let RunEvent::Batch(batch) = event
            && batch.split == Split::Train
        {
            let metrics = &batch.metrics;
            let (total, box_loss, iou) = (metrics.total.0, metrics.box_loss.0, metrics.iou.0);
            println!("step {:>3}: loss {total:.4}, of it boxes {box_loss:.4}; IoU {iou:.3}", batch.step + 1);
        }
    }
}

/// Steps of a call; the next one goes on from there.
const STEPS: u64 = 3;

fn train(save_dir: &str, set: impl Iterator<Item = String>) -> Result<Outcome> {
    Session::builder()
        .experiment("demo")
        .set_all(["DATA.SYNTH.SEQUENCES=24", "DATA.SYNTH.VAL_SEQUENCES=8", "DATA.VAL.SAMPLE_PER_EPOCH=16"])
        .set_all(set)
        .save_dir(save_dir)
        .max_steps(STEPS)
        .observer(Losses)
        .run()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let save_dir = arguments.next().unwrap_or_else(|| "./output/example".into());
    match train(&save_dir, arguments) {
        Ok(Outcome { ended, checkpoint, progress, .. }) => {
            let before = progress.before.map_or(f64::NAN, |score| score.iou);
            println!("ended: {ended:?}; IoU on held-out clips before training: {before:.3}");
            println!("saved: {}", checkpoint.map_or("nothing".into(), |path| path.display().to_string()));
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            std::process::exit(failure.kind.exit_code());
        }
    }
}
