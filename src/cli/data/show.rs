//! `trackflow data show`: contact sheets of clips as the model sees them, made by the functions that training uses.

use super::save;
use crate::{
    data::{
        condition::Condition,
        dataset::{self, Dataset, Roots},
        frame,
        plan::{ClipPlan, FramePlan, PlanMode, Planner},
        retry::{self, FrameFault, Quarantine},
    },
    failure::{Failure, Result},
    session::{find, sets},
    stages::{augment, crop_clip},
    train::experiment::{Experiment, Sets},
    vision::{
        area::DecodedRegion,
        canvas::{Canvas, Colour, FAINT, Font, GREEN, INK, YELLOW},
        decode::{Decoder, DecoderKind},
        rect::Rect,
        resample::{ExactBilinear, FastBilinear, Resampler},
    },
};
use clap::Args;
use image::RgbImage;
use std::{path::PathBuf, sync::Arc};

/// `trackflow data show`.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(super) struct ShowArgs {
    /// A data set by its name in an experiment, or folder:PATH (default: those of the experiment)
    name: Option<String>,
    /// Family of experiments: configs/<SCRIPT>/
    #[arg(long, default_value = "hiptrack")]
    script: String,
    /// Experiment that decides crops, sampling and augmentation
    #[arg(long, default_value = "hiptrack_cls")]
    config: String,
    /// Set a key of the experiment (repeatable)
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// How many clips
    #[arg(long, default_value_t = 8)]
    clips: u64,
    /// Validation clips instead of training clips
    #[arg(long)]
    val: bool,
    /// Epoch from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    epoch: u64,
    /// Seed of all draws
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Picture to write
    #[arg(long, default_value = "clips.png", value_name = "FILE.png")]
    out: PathBuf,
}

/// Plans, reads, crops and augments clips as training does, and draws them.
///
/// # Errors
/// Whatever is wrong with experiment, data or the picture's place.
pub(super) fn show(args: &ShowArgs) -> Result<()> {
    let experiment = find::read(&args.script, &args.config, &args.set)?;
    let planner = planner(args, &experiment)?;
    let mut decoder = DecoderKind::best().decoder().map_err(|error| Failure::stage(error.to_string()))?;
    let mut resampler = ExactBilinear::default();
    let quarantine = Quarantine::new(u64::MAX);
    let mut clips = Vec::new();
    let (template, search) = (experiment.data.template.size as u32, experiment.data.search.size as u32);
    for index in 0..args.clips.min(planner.clips_per_epoch() as u64) {
        let plan = planner.plan(args.epoch - 1, index, 0)?;
        let (plan, frames) = retry::make(&planner, plan, &quarantine, |plan| Ok(read(decoder.as_mut(), plan)))?;
        let (mut crops, mut boxes) = crop_clip(&mut resampler, &plan, &frames, template, search)?;
        augment(&plan, &mut crops, &mut boxes);
        for redraw in &plan.redraws {
            println!("planned again ({}): {}", redraw.reason, redraw.detail);
        }
        clips.push(Clip { plan, crops, boxes });
    }
    save(&draw(&clips), &args.out)?;
    println!("{} clips: {}", clips.len(), args.out.display());
    Ok(())
}

fn planner(args: &ShowArgs, experiment: &Experiment) -> Result<Planner> {
    let data = &experiment.data;
    if data.synth.is_some() && args.data_dir.is_none() {
        let made = format!("<save_dir>/data/{}", args.config);
        let text = format!("--config {} makes its scenes when it trains; name {made} with --data_dir", args.config);
        return Err(Failure::input(text));
    }
    let roots = Roots::open(args.data_dir.as_deref())?;
    let chosen = if args.val { &data.val } else { &data.train };
    let mut of: Sets = chosen.clone();
    if let Some(name) = &args.name {
        (of.names, of.ratios) = (vec![name.clone()], vec![1.0]);
    }
    let mut datasets: Vec<Dataset> = dataset::load(&of.names, &roots)?;
    for set in &datasets {
        println!("{}", set.summary());
        set.notes.iter().for_each(|note| println!("note: {note}"));
    }
    // A data set that is not the experiment's need not have its labels.
    let has_labels = of.labels.as_ref().is_some_and(|folder| roots.base.join(folder).is_dir());
    if args.name.is_none() || has_labels {
        match sets::attach(&mut datasets, &of, &roots.base) {
            Ok(note) => note.iter().for_each(|note| println!("{note}")),
            Err(_) if args.name.is_some() => println!("no condition labels of these sequences"),
            Err(failure) => return Err(failure),
        }
    }
    let mode = if args.val { PlanMode::Validation } else { PlanMode::Training };
    let planner = sets::planner(experiment, datasets, &of, args.seed, mode)?;
    planner.notes().iter().for_each(|note| println!("{note}"));
    Ok(planner)
}

fn read(decoder: &mut dyn Decoder, plan: &ClipPlan) -> std::result::Result<Vec<Arc<DecodedRegion>>, FrameFault> {
    let frame = |planned: &FramePlan| {
        let frame = frame::read(&planned.file, decoder, Some(&planned.window), 1)?;
        frame::check_visible(&planned.file, &planned.window, &frame)?;
        Ok(Arc::new(frame))
    };
    plan.frames().map(frame).collect()
}

/// A clip as the model gets it.
struct Clip {
    plan: ClipPlan,
    crops: Vec<RgbImage>,
    boxes: Vec<Rect>,
}

const MARGIN: i32 = 16;
const TILE: i32 = 208;
const GAP: i32 = 6;
const HEAD: i32 = 20;
const FOOT: i32 = 18;

fn draw(clips: &[Clip]) -> RgbImage {
    let columns = clips.iter().map(|clip| clip.crops.len()).max().unwrap_or(1) as i32;
    let row = HEAD + TILE + FOOT + MARGIN;
    let width = 2 * MARGIN + columns * (TILE + GAP) - GAP;
    let mut canvas = Canvas::new(width as u32, (MARGIN + row * clips.len() as i32) as u32);
    let mut resampler = FastBilinear::default();
    for (number, clip) in clips.iter().enumerate() {
        let y = MARGIN + row * number as i32;
        canvas.text(MARGIN, y, &headline(&clip.plan), Font::Bold, INK);
        for (column, (crop, object)) in clip.crops.iter().zip(&clip.boxes).enumerate() {
            let x = MARGIN + column as i32 * (TILE + GAP);
            canvas.paste(x, y + HEAD, &resampler.resample(crop, TILE as u32, TILE as u32));
            // The model's boxes count pixel centres from 0: half a pixel from the picture's own edges.
            let (side, half) = (f64::from(TILE), 0.5 * f64::from(TILE) / f64::from(crop.width().max(1)));
            let drawn = Rect::new(object.x * side + half, object.y * side + half, object.w * side, object.h * side);
            let colour: Colour = if column == 0 { YELLOW } else { GREEN };
            canvas.outline((x, y + HEAD), TILE as u32, &drawn, colour);
            canvas.text(x, y + HEAD + TILE + 2, &caption(&clip.plan, column), Font::Plain, FAINT);
        }
    }
    canvas.picture
}

fn headline(plan: &ClipPlan) -> String {
    let mut text = format!("{}  {}", plan.dataset, plan.sequence);
    for (is, word) in [(plan.template.flip, "mirrored"), (plan.grey, "grey")] {
        if is {
            text.push_str("  ");
            text.push_str(word);
        }
    }
    if plan.attempt > 0 {
        text.push_str(&format!("  attempt {}", plan.attempt + 1));
    }
    text
}

fn caption(plan: &ClipPlan, column: usize) -> String {
    let Some(searched) = column.checked_sub(1).and_then(|i| plan.search.get(i)) else {
        return format!("template, frame {}", plan.template.frame + 1);
    };
    let label = plan.labels.get(column - 1).and_then(|&label| Condition::ALL.get(usize::try_from(label).ok()?));
    let label = label.map_or("no label", |condition| condition.name());
    format!("{} x{:.2} {label}", searched.frame + 1, searched.brightness)
}
