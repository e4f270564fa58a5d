//! What came out: a row for each run, and the groups compared.

use super::{
    groups::{Group, mean_and_deviation, paired_test},
    history::History,
    page::{SUMMARY, table},
    svg::{escape, fixed, short},
};

/// The measures of a validation: key, name, digits, factor and unit.
const MEASURES: [(&str, &str, usize, f64, &str); 2] =
    [("IoU", "IoU", 3, 1.0, ""), ("Accuracy", "accuracy", 1, 100.0, " %")];

/// The section of the page.
pub(super) fn results(groups: &[Group]) -> String {
    let mut head = vec!["run", "seed", "epochs", "steps"];
    let classes = groups.iter().any(Group::has_classes);
    if classes {
        head.push("λ");
    }
    head.extend(["IoU before", "IoU", "best IoU"]);
    if classes {
        head.extend(["accuracy before", "accuracy", "best accuracy"]);
    }
    head.push("training clips/s");
    let mut rows = Vec::new();
    for group in groups {
        rows.extend(group.runs.iter().map(|run| row(run, classes)));
        if group.runs.len() > 1 {
            rows.push(summary(group, classes));
        }
    }
    let caption = match groups.iter().any(|group| group.runs.len() > 1) {
        true => {
            "<p class=\"about\">IoU and accuracy are those of validations: before training, last, best. Training clips/s: clips of training steps per second of these steps, waiting for data included, validation not. Several runs: mean ± standard deviation.</p>"
        }
        false => {
            "<p class=\"about\">IoU and accuracy are those of validations: before training, last, best. Training clips/s: clips of training steps per second of these steps, waiting for data included, validation not.</p>"
        }
    };
    table(&head, &rows) + caption + &shared(groups) + &comparison(groups)
}

/// Which runs were validated on what they were trained on.
fn shared(groups: &[Group]) -> String {
    let line = |run: &History| {
        let [shared, all] = run.shared?;
        Some(format!(
            "<li>{}: validation shares {shared} of {all} sequences with training; on these it measures memorised \
             training data.</li>",
            escape(&run.name)
        ))
    };
    let lines: String = groups.iter().flat_map(|group| &group.runs).filter_map(line).collect();
    if lines.is_empty() { lines } else { format!("<ul>{lines}</ul>") }
}

/// Before training, last and best, where there are such.
fn three(run: &History, key: &str, scale: f64) -> [Option<f64>; 3] {
    let curve: Vec<(f64, f64)> =
        run.curve(key, true).into_iter().map(|(epoch, value)| (epoch, scale * value)).collect();
    let before = curve.first().filter(|(epoch, _)| *epoch == 0.0).map(|(_, value)| *value);
    let values = || curve.iter().map(|(_, value)| *value);
    let best = if key.starts_with("Loss") { values().reduce(f64::min) } else { values().reduce(f64::max) };
    [before, values().next_back(), best]
}

fn row(run: &History, classes: bool) -> Vec<String> {
    let epochs = run.passes.iter().map(|pass| pass.epoch).max().unwrap_or_default();
    let seed = run.seed.map_or("–".into(), |seed| seed.to_string());
    let mut row = vec![run.name.clone(), seed, epochs.to_string(), run.steps.len().to_string()];
    let has_classes = run.has_classes();
    if classes {
        let factor = run.steps.last().map(|step| step.class_weight).filter(|_| has_classes);
        row.push(factor.map_or("–".into(), |factor| short(factor, 3)));
    }
    for (key, _, digits, scale, unit) in MEASURES.into_iter().filter(|(key, ..)| classes || *key != "Accuracy") {
        let cell = |value: Option<f64>| value.map_or("–".into(), |value| fixed(value, digits) + unit);
        row.extend(three(run, key, scale).map(cell));
    }
    row.push(run.rate().map_or("–".into(), |rate| fixed(rate, 1)));
    row
}

/// Means of a group, of the last values with their standard deviations.
fn summary(group: &Group, classes: bool) -> Vec<String> {
    let mean = |of: &dyn Fn(&History) -> Option<f64>, digits: usize, unit: &str, deviates: bool| {
        let values: Vec<f64> = group.runs.iter().filter_map(of).collect();
        match mean_and_deviation(&values) {
            None => "–".into(),
            Some((mean, deviation)) if deviates => {
                format!("{} ± {}{unit}", fixed(mean, digits), fixed(deviation, digits))
            }
            Some((mean, _)) => fixed(mean, digits) + unit,
        }
    };
    let mut row = vec![format!("{SUMMARY}{}", group.name), String::new(), String::new(), String::new()];
    if classes {
        row.push(String::new());
    }
    for (key, _, digits, scale, unit) in MEASURES.into_iter().filter(|(key, ..)| classes || *key != "Accuracy") {
        row.extend([0, 1, 2].map(|which| mean(&|run| three(run, key, scale)[which], digits, unit, which == 1)));
    }
    row.push(mean(&|run| run.rate(), 1, "", false));
    row
}

/// Two groups beside each other, by their last validations.
fn comparison(groups: &[Group]) -> String {
    let [first, second] = groups else { return String::new() };
    let mut rows = Vec::new();
    for (key, name, digits, scale, unit) in MEASURES {
        let of = |group: &Group| group.last(key).into_iter().map(|value| scale * value).collect::<Vec<f64>>();
        let (a, b) = (of(first), of(second));
        let (Some((mean, _)), Some((other, _))) = (mean_and_deviation(&a), mean_and_deviation(&b)) else { continue };
        let p = paired_test(&a, &b).map_or("–".into(), |p| fixed(p, 3));
        let display = |value: f64| fixed(value, digits) + unit;
        let sign = if mean > other { "+" } else { "" };
        rows.push(vec![name.into(), display(mean), display(other), sign.to_string() + &display(mean - other), p]);
    }
    if rows.is_empty() {
        return String::new();
    }
    let caption = match (first.runs.len(), second.runs.len()) {
        (a, b) if a == b && a > 1 => {
            let least = 2.0 / f64::from(1u32 << a.min(31));
            format!(
                "Means of the last validations. p: two-sided paired randomisation test over {a} pairs of runs, in the \
                 order in which they were named; the least that {a} pairs can give is {}.",
                short(least, 2)
            )
        }
        _ => {
            "Means of the last validations; no test: it needs two pairs of runs or more, as many on either side.".into()
        }
    };
    let head = ["last validation", &first.name, &second.name, "difference", "p"];
    format!("{}<p class=\"about\">{caption}</p>", table(&head, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_validated_on_its_training_data_is_said_to_be() {
        let run = |shared| History { name: "a<b".into(), shared, ..History::default() };
        let group = |shared| Group { name: "g".into(), runs: vec![run(shared)] };
        assert!(
            results(&[group(Some([12, 250]))]).contains("a&lt;b: validation shares 12 of 250 sequences with training")
        );
        assert!(!results(&[group(None)]).contains("shares"));
    }
}
