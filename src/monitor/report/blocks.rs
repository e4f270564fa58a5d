//! The gradients of both tasks, block by block and over time.

use super::{
    gradients::{Row, group_rows},
    groups::Group,
    history::History,
    markers::{Series, bars},
    page::{charts, table},
    svg::{Axes, Curve, fixed, lines, short},
};

/// Sums over blocks, which stand beside the blocks in a table but not in a picture.
const SUMS: [&str; 2] = ["backbone", "all"];

/// The section of the page, of the groups in which two tasks were compared.
pub(super) fn blocks(groups: &[Group]) -> String {
    let two =
        |run: &&History| run.gradients.iter().flat_map(|one| &one.blocks).any(|(_, [_, class, _], _)| *class > 0.0);
    let mut body = String::new();
    for (colour, group) in groups.iter().enumerate() {
        let runs: Vec<History> = group.runs.iter().filter(two).cloned().collect();
        if !runs.is_empty() {
            body += &of_group(&Group { runs, ..group.clone() }, colour);
        }
    }
    if body.is_empty() {
        return body;
    }
    body + "<p class=\"about\">Norms before clipping and cosines are means over the run's comparisons; cls : box is \
            λ‖∇L_cls‖ : ‖∇L_box‖; opposed is the share of comparisons in which the tasks' gradients pointed apart (a cosine \
            below 0). L = L_box + λ·L_cls, so ∇L is the sum of the two.</p>"
}

fn of_group(group: &Group, colour: usize) -> String {
    let rows = group_rows(&group.runs);
    let single: Vec<&Row> = rows.iter().filter(|row| !SUMS.contains(&row.block.as_str())).collect();
    let names: Vec<String> = single.iter().map(|row| row.block.clone()).collect();
    let series = [("‖∇L_box‖", 0), ("λ‖∇L_cls‖", 1), ("‖∇L‖", 2)].map(|(name, which)| Series {
        name: name.into(),
        colour: which,
        values: single.iter().map(|row| Some(row.ranges[which])).collect(),
    });
    let title = format!("{}: gradients by block and task", group.name);
    let picture = bars(&title, "norm before clipping, mean of the run", &names, &series, None, |v| short(v, 3));
    let title = format!("{}: do the tasks agree? Their gradients over the backbone", group.name);
    let axes = Axes { title: &title, across: "step", up: "cosine", level: Some(0.0) };
    let agreement = lines(&axes, &[Curve { colour, ..group.curve("", cosine) }]);
    let share = |row: &Row| row.opposed.map_or("–".into(), |share| format!("{:.0} %", 100.0 * share));
    let cells = |row: &Row| {
        let [first, class, _] = row.norms;
        let ratio = if first > 0.0 && class > 0.0 { fixed(class / first, 2) } else { "–".into() };
        vec![row.block.clone(), ratio, row.cosine.map_or("–".into(), |cosine| fixed(cosine, 2)), share(row)]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let table = table(&["block", "cls : box", "cosine", "opposed"], &cells);
    charts([picture, format!("<div>{agreement}{table}</div>")])
}

/// The cosine over the backbone by step.
fn cosine(run: &History) -> Vec<(f64, f64)> {
    let of = |one: &super::history::Gradients| {
        one.blocks.iter().find(|(name, ..)| name == "backbone").and_then(|(.., cosine)| *cosine)
    };
    run.gradients.iter().filter_map(|one| Some((one.step, of(one)?))).collect()
}
