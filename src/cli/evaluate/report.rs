//! `evaluate --report`: plots, one page, and tables for papers.

use super::{
    Board,
    groups::Group,
    print::{cell, columns, oddities},
    scoring::{Plan, Scored},
};
use crate::{
    failure::{Failure, Result},
    monitor::report::{
        export,
        scores::{Plot, SetScores, page},
    },
    track::score::{Curves, Scores, overlap_bounds, pixel_bounds, share_bounds},
};
use std::{collections::BTreeSet, fmt::Write as _, path::Path};

/// Writes `report.html`, every plot as SVG and PNG, `scores.csv` and `scores.tex` into `folder`.
///
/// # Errors
/// 74 when one of them cannot be written.
pub(super) fn write(folder: &Path, plan: Plan, boards: &[Board], groups: &[Group], notes: &[String]) -> Result<()> {
    let failed = |error: std::io::Error| {
        Failure::output(format!("{}: cannot be written: {error}; name another folder with --report", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let sets: BTreeSet<&str> = boards.iter().map(|board| board.set.as_str()).collect();
    let all: Vec<SetScores> = sets.iter().map(|set| of_set(set, plan, boards, groups)).collect();
    let trackers: BTreeSet<&str> = boards.iter().map(|board| board.tracker.as_str()).collect();
    let title = format!("Scores of {}", trackers.into_iter().collect::<Vec<_>>().join(", "));
    let rules = format!("by the rules of {:?}", plan.main()).to_lowercase();
    let metadata = format!("{rules} · trackflow {}", env!("CARGO_PKG_VERSION"));
    let mut html = page(&title, &metadata, &all);
    // They are of all data sets together.
    if !notes.is_empty() {
        let last = SetScores { name: "Notes".into(), notes: notes.to_vec(), ..SetScores::default() };
        html = page(&title, &metadata, &[all, vec![last]].concat());
    }
    let count = export::write(&export::pictures(&html)?, folder)?;
    let put = |name: &str, text: String| std::fs::write(folder.join(name), text).map_err(failed);
    put("report.html", html)?;
    put("scores.csv", csv(boards, groups))?;
    put("scores.tex", tex(plan, boards))?;
    println!(
        "report: {} ({count} plots, each as SVG, PDF and PNG; scores.csv, scores.tex)",
        folder.join("report.html").display()
    );
    Ok(())
}

fn of_set(set: &str, plan: Plan, boards: &[Board], groups: &[Group]) -> SetScores {
    let boards: Vec<&Board> = boards.iter().filter(|board| board.set == set).collect();
    let plot = |title,
                across,
                to: f64,
                bounds: Vec<f64>,
                part: fn(&Curves) -> &Vec<f64>,
                score: fn(&Scores) -> Option<f64>| {
        let curve = |board: &&Board| {
            let points: Vec<(f64, f64)> =
                bounds.iter().copied().zip(part(&board.overall.curves).iter().copied()).collect();
            score(&board.overall.scores)
                .filter(|_| !points.is_empty())
                .map(|score| (board.tracker.clone(), score, points))
        };
        Plot { title, across, to, curves: boards.iter().filter_map(curve).collect() }
    };
    let hundredths = (0..101).map(|at| f64::from(at) / 100.0).collect();
    let plots = vec![
        plot("success", "overlap above", 1.0, overlap_bounds().collect(), |c| &c.success, |s| s.auc),
        plot(
            "precision",
            "pixels between centres, at most",
            50.0,
            pixel_bounds().collect(),
            |c| &c.precision,
            |s| s.precision,
        ),
        plot(
            "normalised precision",
            "share of the object's size between centres, at most",
            0.5,
            share_bounds().collect(),
            |c| &c.normalised_precision,
            |s| s.normalised_precision,
        ),
        plot("success by GOT-10k", "overlap above", 1.0, hundredths, |c| &c.got10k_success, |s| s.ao),
    ];
    let overall: Vec<(String, &Scored)> = boards.iter().map(|board| (board.tracker.clone(), &board.overall)).collect();
    let mut tables = vec![table(plan, "all sequences", "tracker", &overall)];
    for group in groups.iter().filter(|group| group.set == set) {
        let several = boards.len() > 1;
        let name = |part: &str, tracker: &str| if several { format!("{part}: {tracker}") } else { part.to_owned() };
        let rows: Vec<(String, &Scored)> =
            group.rows.iter().map(|(part, tracker, one)| (name(part, tracker), one)).collect();
        tables.push(table(plan, &group.title, "part", &rows));
    }
    let notes = boards.iter().flat_map(|board| {
        let lines = oddities(plan, &board.overall).into_iter();
        lines.map(|line| format!("{}: {}", board.tracker, line.trim_start_matches(['*', ' '])))
    });
    SetScores { name: set.to_owned(), plots, tables, notes: notes.collect() }
}

type Table = (String, Vec<String>, Vec<Vec<String>>);

fn table(plan: Plan, title: &str, what: &str, rows: &[(String, &Scored)]) -> Table {
    let columns = columns(rows.iter().map(|(_, one)| *one));
    let head = [what, "frames"].into_iter().chain(columns.iter().map(|(title, _)| *title)).map(str::to_owned).collect();
    let row = |(name, one): &(String, &Scored)| {
        let values = columns.iter().map(|(_, value)| cell(plan, one, *value));
        [name.clone(), one.scores.frames.to_string()].into_iter().chain(values).collect()
    };
    (title.to_owned(), head, rows.iter().map(row).collect())
}

/// Everything as comma-separated values, in per cent to four decimals.
fn csv(boards: &[Board], groups: &[Group]) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let every = boards.iter().flat_map(|board| board.sequences.iter().chain([&board.overall]));
    let columns = columns(every.chain(groups.iter().flat_map(|group| group.rows.iter().map(|(.., one)| one))));
    let titles: String = columns.iter().map(|(title, _)| format!(",{title}")).collect();
    let mut text = format!("dataset,tracker,part,frames{titles}\n");
    let mut row = |set: &str, tracker: &str, part: &str, one: &Scored| {
        let values: String = columns
            .iter()
            .map(|(_, value)| value(&one.scores).map_or(",".into(), |value| format!(",{:.4}", 100.0 * value)))
            .collect();
        let (set, tracker, part) = (quoted(set), quoted(tracker), quoted(part));
        let _ = writeln!(text, "{set},{tracker},{part},{}{values}", one.scores.frames);
    };
    for board in boards {
        row(&board.set, &board.tracker, "all", &board.overall);
        board.sequences.iter().for_each(|one| row(&board.set, &board.tracker, &one.name, one));
    }
    for group in groups.iter().filter(|group| group.title != "by sequence") {
        for (part, tracker, one) in &group.rows {
            row(&group.set, tracker, &format!("{}: {part}", group.title), one);
        }
    }
    text
}

/// A `tabular`: a row for each tracker, the columns of each data set beside each other, the best in bold.
fn tex(plan: Plan, boards: &[Board]) -> String {
    let escaped = |text: &str| {
        let special = |c: char| match c {
            '_' | '&' | '%' | '#' | '$' | '{' | '}' => format!("\\{c}"),
            '\\' => "\\textbackslash{}".into(),
            '~' => "\\textasciitilde{}".into(),
            '^' => "\\textasciicircum{}".into(),
            c => c.to_string(),
        };
        text.chars().map(special).collect::<String>()
    };
    let mut sets: Vec<&str> = Vec::new();
    let mut trackers: Vec<&str> = Vec::new();
    for board in boards {
        sets.extend((!sets.contains(&board.set.as_str())).then_some(board.set.as_str()));
        trackers.extend((!trackers.contains(&board.tracker.as_str())).then_some(board.tracker.as_str()));
    }
    let of_set =
        |set: &str| boards.iter().filter(|board| board.set == set).map(|board| &board.overall).collect::<Vec<_>>();
    let blocks: Vec<_> = sets.iter().map(|set| (*set, columns(of_set(set).into_iter()))).collect();
    let count: usize = blocks.iter().map(|(_, columns)| columns.len()).sum();
    let mut text = format!("% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{l{}}}\n\\toprule\n", "r".repeat(count));
    for (set, columns) in &blocks {
        let _ = write!(text, " & \\multicolumn{{{}}}{{c}}{{{}}}", columns.len(), escaped(set));
    }
    text += " \\\\\nTracker";
    for (title, _) in blocks.iter().flat_map(|(_, columns)| columns) {
        let _ = write!(text, " & {title}");
    }
    text += " \\\\\n\\midrule\n";
    for tracker in &trackers {
        text += &escaped(tracker);
        for (set, columns) in &blocks {
            let board = boards.iter().find(|board| board.set == *set && board.tracker == *tracker);
            for (_, value) in columns {
                let display = |one: &Scored| cell(Plan { strict: false, ..plan }, one, *value);
                let best = of_set(set).into_iter().filter_map(|one| value(&one.scores)).fold(f64::MIN, f64::max);
                let own = board.map(|board| &board.overall);
                let text_of = own.map_or("-".into(), display);
                let is_best = trackers.len() > 1 && own.and_then(|one| value(&one.scores)) == Some(best);
                let _ = match is_best {
                    true => write!(text, " & \\textbf{{{text_of}}}"),
                    false => write!(text, " & {text_of}"),
                };
            }
        }
        text += " \\\\\n";
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}
