//! Benchmark scores as a page: success, precision and normalised precision of one or more trackers, and tables.

use super::{
    page::{END, beginning, charts, section, table},
    svg::{Axes, Curve, escape, lines_within},
};

/// A tracker's name, its score as a share of 1, and the points of its curve, shares of 1 too.
pub type PlotCurve = (String, f64, Vec<(f64, f64)>);

/// A plot of the field's: what it shows, over which bounds, and what trackers are sorted by.
#[derive(Clone, Debug)]
pub struct Plot {
    /// `success`, `precision`, …
    pub title: &'static str,
    /// What stands below it.
    pub across: &'static str,
    /// The last bound; the first is 0.
    pub to: f64,
    /// A curve for each tracker.
    pub curves: Vec<PlotCurve>,
}

/// What is said of one data set.
#[derive(Clone, Debug, Default)]
pub struct SetScores {
    /// The data set.
    pub name: String,
    /// Its plots; those without a curve are not drawn.
    pub plots: Vec<Plot>,
    /// Tables below them: title, head, rows.
    pub tables: Vec<(String, Vec<String>, Vec<Vec<String>>)>,
    /// What a reader should know of the numbers.
    pub notes: Vec<String>,
}

/// The page over all data sets.
pub fn page(title: &str, caption: &str, sets: &[SetScores]) -> String {
    let mut html = beginning(title, caption);
    for set in sets {
        let mut body = charts(set.plots.iter().map(|plot| picture(&set.name, plot)));
        for (title, head, rows) in &set.tables {
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            body += &format!("<h3>{}</h3>{}", escape(title), table(&head, rows));
        }
        if !set.notes.is_empty() {
            let lines: String = set.notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
            body += &format!("<ul>{lines}</ul>");
        }
        html += &section(&escape(&set.name), &body);
    }
    html + END
}

/// One plot, the best tracker first in its legend, as `name [57.0]`.
fn picture(set: &str, plot: &Plot) -> String {
    let mut sorted: Vec<(usize, &PlotCurve)> = plot.curves.iter().enumerate().collect();
    sorted.sort_by(|(_, a), (_, b)| b.1.total_cmp(&a.1));
    let curves: Vec<Curve> = sorted
        .into_iter()
        .map(|(at, (name, score, points))| Curve {
            name: format!("{name} [{:.1}]", 100.0 * score),
            points: points.iter().map(|(x, y)| (*x, 100.0 * y)).collect(),
            // A tracker keeps its colour from plot to plot.
            colour: at,
            dash: at / 6,
            ..Curve::default()
        })
        .collect();
    let title = format!("{set}: {}", plot.title);
    let axes = Axes { title: &title, across: plot.across, up: "frames, %", level: None };
    lines_within(&axes, &curves, [[0.0, plot.to], [0.0, 100.0]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::report::export;

    #[test]
    fn trackers_stand_in_the_order_of_their_scores_and_plots_become_pictures() {
        let curve = |name: &str, score: f64| (name.to_owned(), score, vec![(0.0, 1.0), (0.5, score), (1.0, 0.0)]);
        let plots = vec![
            Plot {
                title: "success",
                across: "overlap",
                to: 1.0,
                curves: vec![curve("a<b", 0.25), curve("best", 0.571)],
            },
            Plot { title: "precision", across: "pixels", to: 50.0, curves: Vec::new() },
        ];
        let rows = vec![vec!["best".to_owned(), "57.10".to_owned()]];
        let tables = vec![("all".to_owned(), vec!["tracker".to_owned(), "AUC".to_owned()], rows)];
        let set = SetScores { name: "OTB".into(), plots, tables, notes: vec!["1 < 2".into()] };
        let html = page("Scores", "2 trackers", &[set]);
        assert!(html.find("best [57.1]").unwrap() < html.find("a&lt;b [25.0]").unwrap());
        // Fractions below, whole numbers of per cent beside.
        assert!(html.contains(">0.2</text>") && html.contains(">100</text>") && html.contains("1 &lt; 2"));
        let pictures = export::pictures(&html).unwrap();
        assert_eq!(pictures.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["otb-success"]);
    }
}
