//! `trackflow data stats`: what a data set holds, as a table and a picture.

use crate::{
    data::{
        condition::Condition,
        dataset::{self, Roots},
        labels,
        stats::{Histogram, Stats},
    },
    failure::{Failure, Result},
    monitor::report::{
        export::{self, pictures, sheet},
        markers::{Series, bars},
    },
};
use clap::Args;
use std::path::{Path, PathBuf};

/// `trackflow data stats`.
#[derive(Debug, Args)]
pub(super) struct StatsArgs {
    /// Data sets by their names in an experiment; also folder:PATH
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Folder that holds the data sets (default: what configs/paths.yaml says, else ./data)
    #[arg(long = "data_dir", alias = "data-dir")]
    data_dir: Option<PathBuf>,
    /// Folder of condition labels, below the data folder or absolute (default: conditions, where it is there)
    #[arg(long = "cls_ann_dir", alias = "cls-ann-dir", value_name = "DIR")]
    labels: Option<PathBuf>,
    /// Figure to write: .svg, .pdf or .png
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints the numbers of the named data sets together, and draws them when asked to.
///
/// # Errors
/// 66 for data that is missing or has faults, 74 when the picture cannot be written.
pub(super) fn stats(args: &StatsArgs) -> Result<()> {
    if let Some(out) = &args.out
        && export::form(out)? != "svg"
    {
        export::check()?;
    }
    let roots = Roots::open(args.data_dir.as_deref())?;
    let mut sets = dataset::load(&args.names, &roots)?;
    let folder = roots.base.join(args.labels.as_deref().unwrap_or(Path::new("conditions")));
    let labels = (args.labels.is_some() || folder.is_dir()).then(|| labels::attach(&mut sets, &folder));
    let mut lines: Vec<String> = sets.iter().map(|set| set.summary()).collect();
    lines.extend(sets.iter().flat_map(|set| set.notes.iter().map(|note| format!("note: {note}"))));
    match labels {
        Some(Ok(report)) => {
            lines.push(format!("condition labels: {} of {} frames", report.labelled_frames, report.frames));
            lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
        }
        // Labels that were not asked for may be those of other sets.
        Some(Err(failure)) if args.labels.is_some() => return Err(failure),
        _ => lines.push("no condition labels (--cls_ann_dir)".into()),
    }
    let stats = Stats::of(&sets);
    lines.iter().for_each(|line| println!("{line}"));
    let panels = panels(&stats);
    for Bars { title, bars } in &panels {
        println!("\n{title}");
        let total: u64 = bars.iter().map(|(_, count)| count).sum();
        for (name, count) in bars {
            println!("  {name:<22} {count:>10}  {:>5.1} %", 100.0 * *count as f64 / total.max(1) as f64);
        }
    }
    if let Some(out) = &args.out {
        let figures: String = panels.iter().map(figure).collect();
        let sheet = sheet("stats", &args.names.join(", "), &lines, &pictures(&figures)?);
        export::write_one(&sheet, out)
            .map_err(|failure| Failure { message: format!("{failure}; name another --out"), ..failure })?;
        println!("\nfigure: {}", out.display());
    }
    Ok(())
}

/// Counts by name, under a title.
struct Bars {
    title: String,
    bars: Vec<(String, u64)>,
}

/// The counts as a chart of reports.
fn figure(panel: &Bars) -> String {
    let names: Vec<String> = panel.bars.iter().map(|(name, _)| name.replace('_', " ")).collect();
    let values = panel.bars.iter().map(|(_, count)| Series::value(&[*count as f64])).collect();
    let total = panel.bars.iter().map(|(_, count)| count).sum::<u64>().max(1) as f64;
    let series = Series { name: String::new(), colour: 0, values };
    bars(&panel.title, "count", &names, &[series], None, |count| format!("{count:.0} ({:.1} %)", 100.0 * count / total))
}

/// How many frame sizes are listed.
const SIZES: usize = 8;

fn panels(stats: &Stats) -> Vec<Bars> {
    let plain = |edge: f64| edge.to_string();
    let percent = |edge: f64| format!("{:.0} %", 100.0 * edge);
    let with_mean = |title: &str, histogram: &Histogram, mean: &dyn Fn(f64) -> String| match histogram.mean() {
        Some(value) => format!("{title}, mean {}", mean(value)),
        None => title.to_string(),
    };
    let bars = |title: String, bars: Vec<(String, u64)>| Bars { title, bars };
    let two = |value: f64| format!("{value:.2}");
    let mut panels = vec![
        bars(with_mean("frames per sequence", &stats.lengths, &|m| format!("{m:.0}")), stats.lengths.bins(plain)),
        bars("sequences by size of their first frame".into(), sizes(stats)),
        bars(
            with_mean("side of the box / side of the frame", &stats.scale, &|m| format!("{:.1} %", 100.0 * m)),
            stats.scale.bins(percent),
        ),
        bars(with_mean("width / height of the box", &stats.aspect, &two), stats.aspect.bins(plain)),
        bars(with_mean("motion of the box per frame / its side", &stats.motion, &two), stats.motion.bins(plain)),
    ];
    if stats.labelled > 0 {
        let counts = Condition::ALL.iter().zip(stats.conditions).map(|(c, count)| (c.name().to_string(), count));
        panels.push(bars(format!("conditions of {} labelled frames", stats.labelled), counts.collect()));
    }
    panels
}

fn sizes(stats: &Stats) -> Vec<(String, u64)> {
    let all = stats.sizes_by_count();
    let name = |size: &Option<(u32, u32)>| match size {
        Some((width, height)) => format!("{width} x {height}"),
        None => "unreadable".to_string(),
    };
    let mut named: Vec<(String, u64)> = all.iter().take(SIZES).map(|(size, count)| (name(size), *count)).collect();
    if all.len() > SIZES {
        let rest = all[SIZES..].iter().map(|(_, count)| count).sum();
        named.push((format!("{} other sizes", all.len() - SIZES), rest));
    }
    named
}
