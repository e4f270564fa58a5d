//! Which losses of several runs may be compared: those that are the same sum of the same terms.

use super::{groups::Group, history::History};
use crate::{settings::Node, train::experiment::defaults::display};
use std::collections::BTreeSet;

/// Keys of an experiment that decide what the loss of the box task is.
const BOX: [&str; 3] = ["TRAIN.GIOU_WEIGHT", "TRAIN.L1_WEIGHT", "TRAIN.FOCAL_WEIGHT"];

/// The same for the loss of the class task.
const CLASS: [&str; 6] = [
    "TRAIN.MTL_MODE",
    "TRAIN.CLS_LOSS_TYPE",
    "TRAIN.CLS_FOCAL_ALPHA",
    "TRAIN.CLS_FOCAL_GAMMA",
    "TRAIN.CLS_LABEL_SMOOTHING",
    "TRAIN.SEVERITY_WEIGHT",
];

/// Why values of a loss are not comparable between runs; empty where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Incomparable {
    /// Of the box loss.
    pub box_loss: Vec<String>,
    /// Of the class loss.
    pub class: Vec<String>,
    /// Of the total.
    pub total: Vec<String>,
}

impl Incomparable {
    /// What differs between the runs of `groups`.
    pub fn between(groups: &[Group]) -> Self {
        let runs: Vec<&History> = groups.iter().flat_map(|group| &group.runs).collect();
        let nodes: Vec<Option<Node>> =
            runs.iter().map(|run| Node::read(&run.folder.join("experiment.yaml")).ok()).collect();
        let value = |node: &Option<Node>, key: &&str| {
            let mut node = node.as_ref()?;
            for part in key.split('.') {
                node = node.get(part)?;
            }
            Some(display(node))
        };
        let differing = |keys: &[&'static str]| -> Vec<String> {
            let differs = |key: &&&str| {
                let known = nodes.iter().filter(|node| node.is_some());
                known.map(|node| value(node, key)).collect::<BTreeSet<_>>().len() > 1
            };
            keys.iter().filter(differs).map(|key| (*key).to_string()).collect()
        };
        let box_loss = differing(&BOX);
        // A class loss that a run has not is no other one.
        let class = if groups.iter().all(Group::has_classes) { differing(&CLASS) } else { Vec::new() };
        let mut total = [box_loss.clone(), class.clone()].concat();
        let weights = |run: &&History| {
            let weight = if run.has_classes() { run.steps.last().map_or(0.0, |step| step.class_weight) } else { 0.0 };
            weight.to_bits()
        };
        if runs.iter().map(weights).collect::<BTreeSet<_>>().len() > 1 {
            total.push("λ".into());
        }
        Self { box_loss, class, total }
    }

    /// The name of an axis, with a remark where its values are not comparable.
    pub fn axis(name: &str, why: &[String]) -> String {
        if why.is_empty() { name.to_string() } else { format!("{name}; not comparable between runs") }
    }

    /// The remark about all of them, for below the curves; empty where everything may be compared.
    pub fn remark(&self) -> String {
        let one = |name: &str, why: &[String]| {
            (!why.is_empty())
                .then(|| format!("{name} is not comparable between these runs, which differ in {}", why.join(", ")))
        };
        let all = [
            one("the total loss", &self.total),
            one("the loss of the box task", &self.box_loss),
            one("the loss of the class task", &self.class),
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        if all.is_empty() {
            String::new()
        } else {
            format!(" Note: {}. IoU and accuracy are comparable.", all.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::report::history::{Pass, Step};

    #[test]
    fn losses_of_other_weights_are_not_comparable_and_it_is_said_of_which() {
        let home = tempfile::tempdir().unwrap();
        let run = |name: &str, text: &str, class_weight: f64| {
            let folder = home.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("experiment.yaml"), text).unwrap();
            let values = [("Accuracy".to_string(), 0.5)].into();
            let passes = vec![Pass { values, ..Pass::default() }];
            let steps = vec![Step { class_weight, ..Step::default() }];
            let run = History { name: name.into(), folder, passes, steps, ..History::default() };
            Group { name: name.into(), runs: vec![run] }
        };
        let plain = "TRAIN: {L1_WEIGHT: 5.0, CLS_LOSS_TYPE: CE}";
        let same = Incomparable::between(&[run("a", plain, 0.5), run("b", plain, 0.5)]);
        assert_eq!((same.remark(), same), (String::new(), Incomparable::default()));
        let other = Incomparable::between(&[run("c", plain, 0.5), run("d", plain, 2.0)]);
        assert_eq!((&other.total[..], other.box_loss.len(), other.class.len()), (&["λ".to_string()][..], 0, 0));
        let all = run("e", "TRAIN: {L1_WEIGHT: 1.0, CLS_LOSS_TYPE: FOCAL}", 0.5);
        let found = Incomparable::between(&[run("f", plain, 0.5), all]);
        assert_eq!(found.total, ["TRAIN.L1_WEIGHT", "TRAIN.CLS_LOSS_TYPE"]);
        assert!(found.remark().contains("the loss of the box task is not comparable"), "{}", found.remark());
        assert_eq!(Incomparable::axis("L_box", &found.box_loss), "L_box; not comparable between runs");
    }
}
