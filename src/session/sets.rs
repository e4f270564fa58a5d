//! Opens what an experiment trains and validates on: annotations, labels and frame files, all checked before the run.

use super::data_changes;
use crate::{
    data::{
        dataset::{self, Dataset, Digest, Roots},
        labels::{self, LabelReport},
        plan::{CropOptions, PlanMode, PlanOptions, Planner, SamplerMode},
        shared::{Shared, shared},
        synth::{SynthOptions, generate},
        verify,
    },
    failure::{Failure, FailureKind, Result},
    flow::{Shutdown, StopReason},
    telemetry::{log, names},
    train::experiment::{Crop, Experiment, Sets, Synth},
};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// The planners of a run.
pub struct Planners {
    /// Training clips.
    pub train: Arc<Planner>,
    /// Validation clips.
    pub val: Option<Arc<Planner>>,
    /// What a user should know about the data, a line each.
    pub notes: Vec<String>,
    /// What validation has in common with training.
    pub shared: Option<Shared>,
    /// The content of each data set.
    pub digests: BTreeMap<String, Digest>,
}

/// Makes the synthetic data set of an experiment, or finds it made already.
///
/// # Errors
/// The folder cannot be written, or holds something else.
pub fn synthesise(synth: &Synth, folder: &Path) -> Result<String> {
    let options = SynthOptions {
        train: synth.sequences,
        val: synth.val_sequences,
        frames: synth.frames,
        seed: synth.seed,
        width: synth.width,
        height: synth.height,
        ..SynthOptions::default()
    };
    let start = std::time::Instant::now();
    let summary = generate(folder, &options)?;
    let (all, seconds) = (summary.rendered + summary.reused, start.elapsed().as_secs_f64());
    Ok(match summary.rendered {
        0 => format!("synthetic scenes: {} ({all} sequences, made before)", folder.display()),
        _ => format!("synthetic scenes: {} ({all} sequences rendered in {seconds:.1} s)", folder.display()),
    })
}

/// Opens the data sets of `experiment` at `roots`; those of validation only when `validates`.
///
/// # Errors
/// Anything that is missing, contradictory or damaged, all at once.
pub fn open(experiment: &Experiment, roots: &Roots, seed: u64, validates: bool) -> Result<Planners> {
    let data = &experiment.data;
    let data_dir = roots.base.as_path();
    let mut notes = Vec::new();
    let mut train = dataset::load(&data.train.names, roots)?;
    let mut val = if validates { dataset::load(&data.val.names, roots)? } else { Vec::new() };
    let split = train.len();
    if data.train.labels == data.val.labels && data.train.labels.is_some() {
        // One folder of labels serves both: a validation set without labels in it is no mistake then.
        // A set that serves both is labelled, and counted, once.
        let twice = |set: &Dataset| train.iter().position(|other| other.name == set.name);
        let twins: Vec<Option<usize>> = val.iter().map(twice).collect();
        let mut own = twins.iter();
        val.retain(|_| own.next().is_some_and(Option::is_none));
        train.append(&mut val);
        notes.extend(attach(&mut train, &data.train, data_dir)?);
        let mut rest = train.split_off(split).into_iter();
        val = twins.iter().filter_map(|twin| twin.map_or_else(|| rest.next(), |at| Some(train[at].clone()))).collect();
    } else {
        notes.extend(attach(&mut train, &data.train, data_dir)?);
        notes.extend(attach(&mut val, &data.val, data_dir)?);
    }
    for (what, sets) in [("training", &train), ("validation", &val)] {
        if sets.is_empty() {
            continue;
        }
        // A set that serves both is spoken of once.
        for note in sets.iter().flat_map(|set| &set.notes) {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        notes.extend(sets.iter().map(|set| format!("{what} data: {}", set.summary())));
        if data.check_frames {
            let verified = verify::verify(sets)?;
            let how =
                if verified.is_sample() { format!("{} of them opened", verified.opened) } else { "all opened".into() };
            notes.push(format!("{what} data: {} frames; {how}: headers and ends are sound", verified.frames));
            notes.extend(verified.notes);
        } else {
            verify::annotations(sets)?;
            notes.push(format!("{what} data: annotations checked, frames not (DATA.CHECK: annotations)"));
        }
    }
    let digests = data_changes::digests(&train, &val);
    let shared = shared(&train, &val);
    let train = planner(experiment, train, &data.train, seed, PlanMode::Training)?;
    let val = match validates {
        true => Some(planner(experiment, val, &data.val, seed, PlanMode::Validation)?),
        false => None,
    };
    for (dataset, reason, count) in train.skipped().chain(val.iter().flat_map(Planner::skipped)) {
        let dataset = dataset.to_string();
        metrics::gauge!(names::LEFT_OUT_SEQUENCES, "reason" => reason, "dataset" => dataset).set(count as f64);
    }
    notes.extend(train.notes());
    notes.extend(val.iter().flat_map(Planner::notes));
    Ok(Planners { train: Arc::new(train), val: val.map(Arc::new), notes, shared, digests })
}

/// The same for a run that is about to start, which waits for data that the system does not give at present. It breaks off
/// when `stop` was asked for meanwhile.
///
/// # Errors
/// Those of [`open`]; where the data stays away, once `DATA.PATIENCE` is over.
pub fn open_patiently(
    experiment: &Experiment,
    roots: &Roots,
    seed: u64,
    stop: &Shutdown,
) -> Result<ControlFlow<StopReason, Planners>> {
    let patience = Duration::from_secs_f64(experiment.data.patience);
    let mut pause = Duration::from_millis(125);
    let mut since: Option<Instant> = None;
    loop {
        let failure = match open(experiment, roots, seed, validates(experiment)) {
            Err(failure) if failure.kind == FailureKind::Away => failure,
            opened => {
                if let (Some(since), Ok(_)) = (since, &opened) {
                    log::say(&format!("the data is back after {:.1} s", since.elapsed().as_secs_f64()));
                }
                return opened.map(|planners| match stop.reason() {
                    Some(reason) => ControlFlow::Break(reason.clone()),
                    None => ControlFlow::Continue(planners),
                });
            }
        };
        let (first, seconds) = (failure.message.lines().next().unwrap_or_default(), patience.as_secs_f64());
        let begin = *since.get_or_insert_with(|| {
            log::warn(&format!("the data is away: {first}; waiting for it, up to {seconds:.0} s (DATA.PATIENCE)"));
            Instant::now()
        });
        let left = patience.saturating_sub(begin.elapsed());
        if left.is_zero() {
            let what = format!("the data was away for {seconds:.0} s (DATA.PATIENCE); nothing was trained yet");
            return Err(Failure { message: format!("{failure}\n{what}"), ..failure });
        }
        pause = (2 * pause).min(Duration::from_secs(2));
        stop.wait(pause.min(left));
        if let Some(reason) = stop.reason() {
            return Ok(ControlFlow::Break(reason.clone()));
        }
    }
}

/// Whether a run of `experiment` validates at all.
pub fn validates(experiment: &Experiment) -> bool {
    experiment.training.val_interval <= experiment.training.epochs() || experiment.training.val_before
}

/// Opens the data sets of `experiment` below `data_dir` and checks them, and gives what a user should know about them:
/// notes, and warnings.
///
/// # Errors
/// Anything that is missing, contradictory or damaged, all at once.
pub fn check_data(experiment: &Experiment, data_dir: &Path) -> Result<[Vec<String>; 2]> {
    let opened = open(experiment, &Roots::open(Some(data_dir))?, 0, validates(experiment))?;
    Ok([opened.notes, opened.shared.iter().map(ToString::to_string).collect()])
}

/// Attaches the labels of `of`, which lie below `data_dir`, to `sets`, and gives what a user should know about them.
///
/// # Errors
/// They cannot be read, or do not fit.
pub fn attach(sets: &mut [Dataset], of: &Sets, data_dir: &Path) -> Result<Vec<String>> {
    let (Some(folder), false) = (&of.labels, sets.is_empty()) else { return Ok(Vec::new()) };
    let folder = data_dir.join(folder);
    let LabelReport { labelled_frames, frames, unlabelled_sequences, beyond, notes, .. } =
        labels::attach(sets, &folder)?;
    let mut note = format!("condition labels: {labelled_frames} of {frames} frames");
    if unlabelled_sequences > 0 {
        note += &format!(", {unlabelled_sequences} sequences have none and do not count for the class head");
    }
    if beyond > 0 {
        note += &format!(", {beyond} labels are of frames that do not exist");
    }
    Ok([vec![note], notes].concat())
}

/// What plans clips of `sets` as `experiment` wants them.
///
/// # Errors
/// Nothing can be drawn from them.
pub fn planner(experiment: &Experiment, sets: Vec<Dataset>, of: &Sets, seed: u64, mode: PlanMode) -> Result<Planner> {
    let data = &experiment.data;
    let crop = |crop: &Crop| CropOptions {
        size: crop.size as u32,
        factor: crop.factor,
        centre_jitter: crop.centre_jitter,
        scale_jitter: crop.scale_jitter,
    };
    let options = PlanOptions {
        template: crop(&data.template),
        search: crop(&data.search),
        search_frames: data.search_frames,
        min_frames: data.min_frames,
        max_gap: data.max_jump.map_or(data.max_sample_interval, |jump| jump.min(data.max_sample_interval)),
        sampler: if experiment.model.new_hip { SamplerMode::Causal } else { SamplerMode::Forward },
        clips_per_epoch: of.clips_per_epoch,
        flip: data.flip_probability,
        flip_per_crop: experiment.compat,
        grey: data.grey_probability,
        brightness: data.brightness_jitter,
        seed,
        mode,
    };
    Planner::new(sets, &of.ratios, options)
}
