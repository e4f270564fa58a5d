//! The comparison of both tasks' gradients as a table: the newest, and over the whole run.

use super::{History, markers::Series};
use std::{fmt::Write, slice};

/// One block over all comparisons.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its name.
    pub block: String,
    /// Norms of the box's, the weighted class's and the whole gradient, and the cosine, in the newest comparison of the
    /// first run.
    newest: ([f64; 3], Option<f64>),
    /// Mean norms over the comparisons of all runs.
    pub norms: [f64; 3],
    /// The same with the lowest and the highest mean of a run.
    pub ranges: [[f64; 3]; 3],
    /// Mean cosine.
    pub cosine: Option<f64>,
    /// Share of the comparisons in which the tasks opposed each other (a cosine below 0).
    pub opposed: Option<f64>,
}

/// The blocks of the first run's newest comparison, in its order, over all comparisons of `runs`.
pub(super) fn group_rows(runs: &[History]) -> Vec<Row> {
    let Some(newest) = runs.first().and_then(|run| run.gradients.last()) else { return Vec::new() };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let row = |(block, norms, cosine): &(String, [f64; 3], Option<f64>)| {
        let of = |run: &History| -> Vec<([f64; 3], Option<f64>)> {
            let blocks = run.gradients.iter().flat_map(|one| &one.blocks);
            blocks.filter(|(name, ..)| name == block).map(|(_, norms, cosine)| (*norms, *cosine)).collect()
        };
        let all: Vec<Vec<_>> = runs.iter().map(of).filter(|own| !own.is_empty()).collect();
        let ranges = [0, 1, 2].map(|which| {
            let means = all.iter().map(|own| mean(&own.iter().map(|(norms, _)| norms[which]).collect::<Vec<_>>()));
            Series::value(&means.collect::<Vec<_>>()).unwrap_or_default()
        });
        let cosines: Vec<f64> = all.iter().flatten().filter_map(|(_, cosine)| *cosine).collect();
        let has = !cosines.is_empty();
        let opposed = cosines.iter().filter(|cosine| **cosine < 0.0).count() as f64 / cosines.len().max(1) as f64;
        Row {
            block: block.clone(),
            newest: (*norms, *cosine),
            norms: ranges.map(|[mean, ..]| mean),
            ranges,
            cosine: has.then(|| mean(&cosines)),
            opposed: has.then_some(opposed),
        }
    };
    newest.blocks.iter().map(row).collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.3}"))
}

/// A table for people. Says so where the run has compared nothing.
pub fn gradients_text(run: &History) -> String {
    let (all, mut text) = (&run.gradients, format!("{}\n", run.name));
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return text + "  no gradients were compared; TRAIN.GRAD_ANALYSIS_INTERVAL: 50 does it every 50 steps\n";
    };
    let (count, from, to) = (all.len(), first.step, last.step);
    let _ = writeln!(text, "  {count} comparisons, steps {from} to {to}; norms before clipping, L = L_box + λ·L_cls");
    let head = ["‖∇L_box‖", "λ‖∇L_cls‖", "‖∇L‖", "cosine"];
    let heads: String = head.iter().map(|name| format!("{name:>11}")).collect();
    let _ = writeln!(text, "  {:<22}{:^44}  {:^44}", "", "newest", "mean of the run");
    let _ = writeln!(text, "  {:<22}{heads}  {heads}   opposed", "block");
    for row in group_rows(slice::from_ref(run)) {
        let side = |(norms, cosine): ([f64; 3], Option<f64>)| -> String {
            let norms: String = norms.iter().map(|norm| format!("{norm:>11.3e}")).collect();
            format!("{norms}{:>11}", number(cosine))
        };
        let opposed = row.opposed.map_or("-".into(), |share| format!("{:.0} %", 100.0 * share));
        let _ =
            writeln!(text, "  {:<22}{}  {}{opposed:>10}", row.block, side(row.newest), side((row.norms, row.cosine)));
    }
    text
}

/// Every comparison of every run as comma-separated values.
pub fn gradients_table(runs: &[History]) -> String {
    let mut text = "run,step,block,box_norm,class_norm,norm,cosine\n".to_string();
    for run in runs {
        for one in &run.gradients {
            for (block, [first, second, whole], cosine) in &one.blocks {
                let cosine = cosine.map_or(String::new(), |cosine| cosine.to_string());
                let name = run.name.replace('"', "\"\"");
                let _ = writeln!(text, "\"{name}\",{},{block},{first},{second},{whole},{cosine}", one.step);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::report::Gradients;

    fn comparison(step: f64, norm: f64, cosine: Option<f64>) -> Gradients {
        Gradients { step, blocks: vec![("backbone.blocks.0".into(), [norm, norm / 2.0, norm * 1.5], cosine)] }
    }

    #[test]
    fn the_newest_and_the_mean_stand_side_by_side() {
        let mut run = History { name: "a".into(), ..History::default() };
        assert!(gradients_text(&run).contains("GRAD_ANALYSIS_INTERVAL"));
        run.gradients =
            vec![comparison(0.0, 2.0, Some(-0.5)), comparison(5.0, 4.0, Some(0.25)), comparison(9.0, 6.0, None)];
        let text = gradients_text(&run);
        let row: Vec<&str> = text.lines().last().unwrap_or_default().split_whitespace().collect();
        let expected = ["6.000e0", "3.000e0", "9.000e0", "-", "4.000e0", "2.000e0", "6.000e0", "-0.125", "50", "%"];
        assert_eq!((row[0], &row[1..]), ("backbone.blocks.0", &expected[..]), "{text}");
        let table = gradients_table(&[run]);
        assert_eq!(table.lines().nth(1), Some("\"a\",0,backbone.blocks.0,2,1,3,-0.5"));
        assert_eq!(table.lines().nth(3), Some("\"a\",9,backbone.blocks.0,6,3,9,"));
    }
}
