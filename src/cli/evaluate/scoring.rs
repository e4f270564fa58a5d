//! One sequence, and all of them, by the rules that are asked for.

use crate::{
    data::problems::Problems,
    text::{self, excerpt},
    track::{
        Family, ResultFiles, Subject, results,
        score::{
            self, Curves, Odd, Pair, Rules, Scores,
            robust::{self, Frames, Of},
            toolkit::{self, Overlaps},
        },
    },
    vision::decode::dimensions,
};
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub rules: Option<Rules>,
    pub strict: bool,
    pub exclude_invalid: bool,
}

impl Plan {
    /// The rules that AUC, OP, P and Pnorm go by.
    pub fn main(self) -> Rules {
        self.rules.unwrap_or(Rules::Hiptrack)
    }

    /// Whether AO and SR are given for a data set of the `family`.
    fn has_overlaps(self, family: Family) -> bool {
        match self.rules {
            None | Some(Rules::Got10k) => matches!(family, Family::Got10k | Family::Other),
            Some(_) => false,
        }
    }
}

/// What one sequence got.
#[derive(Clone, Debug, Default)]
pub(super) struct Scored {
    pub name: String,
    /// The result file, of the first run.
    pub file: Option<PathBuf>,
    pub scores: Scores,
    pub curves: Curves,
    pub strict: Scores,
    pub strict_curves: Curves,
    pub overlaps: Option<Overlaps>,
    /// What was measured in each frame of each run, and the frames before the first of them.
    pub frames: Vec<(Frames, usize)>,
    pub odd: Odd,
    /// Those of AO and SR.
    pub overlaps_odd: Odd,
}

impl Scored {
    /// What trackers are compared by: AO where there is one (GOT-10k), else AUC.
    pub fn main_score(&self) -> Option<f64> {
        self.scores.ao.or(self.scores.auc)
    }
}

/// The boxes of one run beside the ground truth.
struct Run {
    found: Vec<[f64; 4]>,
    /// How many frames of the ground truth were before the first tracked one.
    omitted: usize,
}

/// Scores a sequence; what keeps that from being done goes to `problems`.
pub(super) fn score(
    plan: Plan,
    subject: &Subject,
    files: &ResultFiles,
    notes: &mut Vec<String>,
    problems: &mut Problems,
) -> Option<Scored> {
    let family = subject.family;
    let name = family.names(&subject.name).written;
    let mut scored = Scored { name, file: files.runs.first().cloned(), ..Scored::default() };
    let (mut curves, mut strict, mut overlap_means) = (Vec::new(), Vec::new(), Vec::new());
    let mut overlaps = plan.has_overlaps(family).then(Overlaps::default);
    let mut sound = true;
    let size = size(subject);
    if overlaps.is_some() {
        let mut lacks = |what: &str| notes.push(format!("{}: {what}", scored.name));
        if size.is_none() {
            lacks("the frames' size is not known: boxes are not cut to the picture for AO and SR");
        }
        if family == Family::Got10k && subject.truth.covered.is_none() {
            lacks("no cover.label: AO and SR are over all frames but the first");
        }
    }
    for path in &files.runs {
        let Some(found) = results::read(path, problems) else {
            sound = false;
            continue;
        };
        let run = run(plan.main(), subject, found.iter().map(|r| [r.x, r.y, r.w, r.h]).collect(), path, notes);
        let pair = Pair {
            found: &run.found,
            truth: &subject.truth.boxes[run.omitted..],
            visible: subject.truth.visible.as_ref().map(|visible| &visible[run.omitted.min(visible.len())..]),
        };
        scored.scores.frames = pair.truth.len();
        let outcome = match plan.main() {
            Rules::Got10k if family == Family::Got10k => Ok(()),
            Rules::Got10k => toolkit::curves(family, pair).map(|(all, honest, odd)| {
                curves.push(all);
                strict.extend(honest);
                scored.odd += odd;
            }),
            rules => robust::frames(rules, family, pair).and_then(|frames| {
                let of = if plan.exclude_invalid { Of::Valid } else { Of::All };
                let all = frames.curves(of).ok_or("no frame is valid, and a share of none is asked for")?;
                curves.push(all);
                strict.extend(frames.curves(Of::Present));
                overlap_means.extend(frames.mean_overlap());
                scored.strict.frames = frames.present();
                scored.odd += frames.odd;
                scored.frames.push((frames, run.omitted));
                Ok(())
            }),
        };
        let added = overlaps.as_mut().map_or(Ok(()), |all| {
            let covered = subject.truth.covered.as_deref().map(|covered| &covered[run.omitted..]);
            all.add(pair, covered, size)
        });
        if let (Err(what), Family::Other, None) = (&added, family, plan.rules) {
            notes.push(format!("{}: no AO and SR: {what}", path.display()));
            overlaps = None;
        } else if let Err(what) = outcome.and(added) {
            problems.file(path, what);
            sound = false;
        }
    }
    let seconds = files.seconds.as_deref().map_or_else(Vec::new, |file| seconds(file, problems));
    if !sound {
        return None;
    }
    scored.curves = score::mean_curves(&curves.iter().collect::<Vec<_>>());
    scored.strict_curves = score::mean_curves(&strict.iter().collect::<Vec<_>>());
    scored.scores = Scores::of(scored.scores.frames, &scored.curves);
    scored.scores.mean_overlap = score::mean(&overlap_means);
    scored.strict = Scores::of(scored.strict.frames, &scored.strict_curves);
    if let Some(mut overlaps) = overlaps {
        overlaps.seconds = seconds.clone();
        scored.curves.got10k_success = overlaps.curve();
        scored.scores = with_overlaps(scored.scores, overlaps.scores());
        scored.strict = with_overlaps(scored.strict, overlaps.strict());
        scored.overlaps_odd = overlaps.odd;
        scored.overlaps = Some(overlaps);
    }
    if plan.rules == Some(Rules::Got10k) {
        scored.scores.speed_fps = toolkit::speed(&seconds);
    }
    Some(scored)
}

fn with_overlaps(scores: Scores, overlaps: Scores) -> Scores {
    let Scores { ao, sr50, sr75, got10k_frames, speed_fps, .. } = overlaps;
    Scores { ao, sr50, sr75, got10k_frames, speed_fps, ..scores }
}

/// The frames of a result that are compared: without those that are not tracked (`initOmit`).
fn run(rules: Rules, subject: &Subject, found: Vec<[f64; 4]>, path: &Path, notes: &mut Vec<String>) -> Run {
    let frames = subject.truth.boxes.len();
    let omitted = subject.family.omitted(&subject.name, frames);
    if omitted == 0 || rules == Rules::Got10k && found.len() != frames - omitted {
        return Run { found, omitted: 0 };
    }
    if found.len() == frames {
        let what = "starts at the first frame: its first boxes are skipped, as the rules skip those frames";
        notes.push(format!("{}: {what}", path.display()));
        return Run { found: found[omitted..].to_vec(), omitted };
    }
    Run { found, omitted }
}

/// The size of a sequence's frames: as its data set says, else what the first one's header says.
fn size(subject: &Subject) -> Option<(f64, f64)> {
    subject.truth.size.or_else(|| {
        let bytes = (!subject.frames.is_empty()).then(|| subject.frames.file(0).read().ok()).flatten()?;
        dimensions(&bytes).ok().map(|(width, height)| (f64::from(width), f64::from(height)))
    })
}

/// All numbers of a file of seconds, whose columns are runs.
fn seconds(file: &Path, problems: &mut Problems) -> Vec<f64> {
    let text = match text::read(file) {
        Ok(text) => text,
        Err(error) => {
            problems.text(file, &error);
            return Vec::new();
        }
    };
    let mut all = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for field in line.split([',', '\t', ' ', ';']).filter(|field| !field.trim().is_empty()) {
            match field.trim().parse() {
                Ok(value) => all.push(value),
                Err(_) => {
                    problems.line(file, at + 1, format_args!("`{}` is no number of seconds", excerpt(field)));
                    return all;
                }
            }
        }
    }
    all
}

/// The scores of all sequences: the mean of their curves, and of all overlaps together.
pub(super) fn overall(plan: Plan, sequences: &[&Scored]) -> Scored {
    let frames = |part: fn(&Scored) -> usize| sequences.iter().map(|one| part(one)).sum();
    let mean = |part: fn(&Scored) -> &Curves| {
        let with: Vec<&Curves> =
            sequences.iter().map(|one| part(one)).filter(|curves| !curves.success.is_empty()).collect();
        score::mean_curves(&with)
    };
    let (mut curves, strict_curves) = (mean(|one| &one.curves), mean(|one| &one.strict_curves));
    let mut scores = Scores::of(frames(|one| one.scores.frames), &curves);
    let mut strict = Scores::of(frames(|one| one.strict.frames), &strict_curves);
    let overlaps: Vec<&Overlaps> = sequences.iter().filter_map(|one| one.overlaps.as_ref()).collect();
    let joined = (!overlaps.is_empty()).then(|| Overlaps::joined(overlaps.into_iter()));
    if let Some(joined) = &joined {
        curves.got10k_success = joined.curve();
        scores = with_overlaps(scores, joined.scores());
        strict = with_overlaps(strict, joined.strict());
    } else if plan.rules == Some(Rules::Got10k) {
        let speeds: Vec<f64> = sequences.iter().filter_map(|one| one.scores.speed_fps).collect();
        scores.speed_fps = score::mean(&speeds);
    }
    let mut all =
        Scored { name: format!("all {}", sequences.len()), scores, curves, strict, strict_curves, ..Scored::default() };
    for one in sequences {
        all.odd += one.odd;
        all.overlaps_odd += one.overlaps_odd;
    }
    all.overlaps = joined;
    all
}
