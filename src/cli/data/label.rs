//! `trackflow data label`: first condition labels from boxes and pixels alone.

use crate::{
    data::{
        condition::Condition,
        dataset::{self, Dataset, Roots},
        labelling::{self, Agreement, LabelOptions, Labelled, RULES, agreement, untold},
        labels,
    },
    failure::{Failure, Result},
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::{fmt::Write, path::PathBuf, time::Instant};

/// `trackflow data label`.
#[derive(Debug, Args)]
#[command(after_help = rules())]
pub(super) struct LabelArgs {
    /// Data sets by their names in an experiment; also folder:PATH and packed:PATH
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Folder to write to, as <sequence>/<sequence>.jsonl: the CLS_ANN_DIR of an experiment
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Leave frames in which nothing is found without a label, instead of calling them normal
    #[arg(long = "only_found", alias = "only-found")]
    only_found: bool,
    /// Replace label files that are there already
    #[arg(long)]
    force: bool,
    /// Also print how far the labels agree with those in this folder
    #[arg(long = "compare", value_name = "DIR")]
    compare: Option<PathBuf>,
}

/// The rules as they are, for `--help`.
fn rules() -> String {
    let mut text = "A frame shows a condition where:\n".to_string();
    for rule in RULES {
        let _ = writeln!(text, "  {:<20} {}", rule.condition.name(), rule.when);
    }
    let names: Vec<&str> = untold().map(Condition::name).collect();
    let _ = write!(
        text,
        "Boxes and pixels are not enough to detect: {}. Labels do not name these, and what a label does not name counts as \
         absent. docs/labels.md says where the thresholds come from and how far such labels agree with known ones.",
        names.join(", ")
    );
    text
}

/// Labels the data sets, and says what was found.
///
/// # Errors
/// 66 for data that is missing or has faults, 74 for labels that are there already and are not these.
pub(super) fn label(args: &LabelArgs) -> Result<()> {
    let roots = Roots::open(args.data_dir.as_deref())?;
    let mut sets = dataset::load(&args.names, &roots)?;
    sets.iter().for_each(|set| println!("{}", set.summary()));
    sets.iter().flat_map(|set| &set.notes).for_each(|note| println!("note: {note}"));
    if let Some(folder) = args.compare.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(Failure::input(format!("{}: no such folder; --compare names one with labels", folder.display())));
    }
    let frames: usize = sets.iter().map(Dataset::frames).sum();
    let bar = ProgressBar::new(frames as u64);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} frames {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(args.names.join(", "));
    let start = Instant::now();
    let options = LabelOptions { only_found: args.only_found, force: args.force };
    let done = labelling::label(&sets, &args.out, &options, |count| bar.inc(count as u64));
    bar.finish_and_clear();
    let done = done?;
    report(&done, start.elapsed().as_secs_f64());
    if done.written + done.kept == 0 {
        println!("no label was written: no frame shows the object or can be read");
        return Ok(());
    }
    // As training will read them; what was kept may have been changed by hand.
    let read = labels::attach(&mut sets, &args.out)?;
    read.notes.iter().for_each(|note| println!("note: {note}"));
    println!("\n{read}");
    table(&sets);
    limits(args, &sets);
    if let Some(folder) = &args.compare {
        let mut others = dataset::load(&args.names, &roots)?;
        let report = labels::attach(&mut others, folder)?;
        report.notes.iter().for_each(|note| println!("note: {note}"));
        compare(&agreement(&sets, &others), folder);
    }
    Ok(())
}

fn report(done: &Labelled, seconds: f64) {
    let Labelled { written, kept, without, frames, hidden, not_found, unreadable, examples, .. } = done;
    println!("labelled {frames} frames of {written} sequences in {seconds:.1} s");
    if *kept > 0 {
        println!("kept     {kept} sequences that were labelled already");
    }
    if *hidden > 0 {
        println!("skipped  {hidden} frames that do not show the object");
    }
    if *not_found > 0 {
        println!("skipped  {not_found} frames in which nothing was found (--only_found)");
    }
    if *without > 0 {
        println!("no file  for {without} sequences without a frame to label");
    }
    for (rule, count) in RULES.iter().zip(done.untold).filter(|(_, count)| *count > 0) {
        println!("not detected {}: {count} frames give nothing to measure ({})", rule.condition, rule.source);
    }
    if *unreadable > 0 {
        eprintln!("warning: frames that cannot be read and have no label: {unreadable}");
        examples.iter().for_each(|line| eprintln!("  {line}"));
        if *unreadable > examples.len() {
            eprintln!("  and {} more", unreadable - examples.len());
        }
    }
}

/// What the labels in the folder say, those of earlier calls included.
fn table(sets: &[Dataset]) {
    let (mut shows, mut class, mut labelled) = ([0usize; Condition::COUNT], [0usize; Condition::COUNT], 0usize);
    for sequence in sets.iter().flat_map(|set| &set.sequences) {
        for frame in 0..sequence.len() {
            let (all, one) = (sequence.labels.conditions(frame), sequence.labels.of(frame));
            labelled += usize::from(!all.is_empty());
            all.iter().for_each(|condition| shows[condition.index()] += 1);
            one.iter().for_each(|condition| class[condition.index()] += 1);
        }
    }
    println!("  {:<22}{:>10}{:>9}  {:>10}  where", "condition", "frames", "", "its class");
    for condition in Condition::ALL {
        let (count, of) = (shows[condition.index()], class[condition.index()]);
        let rule = RULES.iter().find(|rule| rule.condition == condition).map(|rule| rule.when);
        if rule.is_some() || count > 0 {
            let share = 100.0 * count as f64 / labelled.max(1) as f64;
            let when = rule.unwrap_or(if condition == Condition::Normal { "none of these" } else { "by hand" });
            println!("  {:<22}{count:>10}{share:>7.1} %  {of:>10}  {when}", condition.name());
        }
    }
}

fn limits(args: &LabelArgs, sets: &[Dataset]) {
    let names: Vec<&str> = untold().map(Condition::name).collect();
    let (last, first) = names.split_last().unwrap_or((&"", &[]));
    let as_normal = match args.only_found {
        true => "frames in which nothing was found have no label",
        false => "a frame that shows nothing else is called normal here (--only_found leaves it unlabelled)",
    };
    println!(
        "\nnot detected: {} and {last}, for which boxes and pixels are not enough; {as_normal}.\n         These are first labels: correct \
         what matters, and measure on labels of people",
        first.join(", ")
    );
    let pictures = sets.iter().filter(|set| set.images).count();
    if pictures > 0 {
        println!("         {pictures} of the sets are single pictures, in which no scale varies");
    }
    let folder = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
    println!("used     as DATA.TRAIN.CLS_ANN_DIR or DATA.VAL.CLS_ANN_DIR: {}", folder.display());
}

fn compare(all: &[Agreement; Condition::COUNT], folder: &std::path::Path) {
    println!("\nbeside the labels in {}, {} frames that both label", folder.display(), all[0].frames);
    println!("  {:<22}{:>10}{:>10}{:>10}{:>11}{:>9}", "condition", "there", "here", "both", "precision", "recall");
    for (condition, counts) in Condition::ALL.into_iter().zip(all) {
        let percent = |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.1} %", 100.0 * share));
        let Agreement { found, true_frames, both, .. } = counts;
        let (precision, recall) = (percent(counts.precision()), percent(counts.recall()));
        println!("  {:<22}{true_frames:>10}{found:>10}{both:>10}{precision:>11}{recall:>9}", condition.name());
    }
}
