//! Milliseconds that decoding takes for each frame of planned clips, by decoder, in turns, on one thread.
//!
//! `cargo bench --bench decode -- DATA_DIR [NAME]`, where DATA_DIR holds the data set NAME (GOT10K_train_full) as for
//! training. The files are in memory before the clock starts.

use std::{path::Path, time::Instant};
use trackflow::{
    data::{
        dataset,
        plan::{PlanOptions, Planner},
    },
    failure::Failure,
    vision::{
        decode::{DecoderKind, check_complete},
        resample::{ExactBilinear, Resampler},
        window::Window,
    },
};

const CLIPS: u64 = 24;
const ROUNDS: usize = 5;

/// A frame's file, what is cut out of it and the size of the crop.
struct Frame {
    bytes: Vec<u8>,
    window: Window,
    size: u32,
}

fn frames(data: &Path, name: &str) -> Result<Vec<Frame>, Failure> {
    let options = PlanOptions::default();
    let planner = Planner::new(dataset::load(&[name.to_string()], &dataset::Roots::below(data))?, &[1.0], options)?;
    let mut frames = Vec::new();
    for clip in 0..CLIPS {
        let plan = planner.plan(0, clip, 0)?;
        for (index, planned) in plan.frames().enumerate() {
            let bytes = std::fs::read(&planned.file.path)
                .map_err(|error| Failure::input(format!("{}: {error}", planned.file.path.display())))?;
            let side = if index == 0 { &planner.options().template } else { &planner.options().search };
            frames.push(Frame { bytes, window: planned.window, size: side.size });
        }
    }
    Ok(frames)
}

/// Milliseconds per frame of `work` over all of them.
fn time(frames: &[Frame], mut work: impl FnMut(&Frame) -> Result<(), Failure>) -> Result<f64, Failure> {
    let start = Instant::now();
    frames.iter().try_for_each(&mut work)?;
    Ok(start.elapsed().as_secs_f64() * 1e3 / frames.len() as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some(data) = arguments.first() else {
        println!("decode: no DATA_DIR given, nothing measured");
        return Ok(());
    };
    let name = arguments.get(1).map_or("GOT10K_train_full", String::as_str);
    let frames = frames(Path::new(data), name)?;
    let bytes: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
    println!("{data}: {} frames of {} kB in the mean", frames.len(), bytes / frames.len() / 1000);
    let failed = |error: trackflow::vision::decode::DecodeError| Failure::input(error.to_string());
    let mut image = DecoderKind::Image.decoder().map_err(failed)?;
    let mut best = DecoderKind::best().decoder().map_err(failed)?;
    let mut resampler = ExactBilinear::default();
    let mut table: [Vec<f64>; 5] = Default::default();
    for round in 0..ROUNDS {
        if round < 2 {
            table[0].push(time(&frames, |frame| image.decode(&frame.bytes, None).map(drop).map_err(failed))?);
        }
        table[1].push(time(&frames, |frame| best.decode(&frame.bytes, None).map(drop).map_err(failed))?);
        table[2].push(time(&frames, |frame| best.decode(&frame.bytes, Some(&frame.window)).map(drop).map_err(failed))?);
        table[3].push(time(&frames, |frame| check_complete(&frame.bytes).map(drop).map_err(failed))?);
        table[4].push(time(&frames, |frame| {
            let part = best.decode(&frame.bytes, Some(&frame.window)).map_err(failed)?;
            resampler.crop(&part, &frame.window, frame.size).map(drop)
        })?);
    }
    let best = DecoderKind::best().name();
    let rows = [
        "image, whole frame".to_string(),
        format!("{best}, whole frame"),
        format!("{best}, window"),
        "of which the check that the file is whole".into(),
        format!("{best}, window, crop and exact resampling"),
    ];
    for (row, values) in rows.iter().zip(table) {
        println!("{row:<44} {:7.3} ms", median(values));
    }
    Ok(())
}
