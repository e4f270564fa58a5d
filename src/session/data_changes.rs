//! What differs between the data that a run was made with and the data that it goes on with.

use super::changes::Change;
use crate::{
    data::dataset::{Dataset, Digest},
    train::checkpoint::Metadata,
};
use std::collections::BTreeMap;

/// What validation's sets are called after, so that one that serves both is there twice.
const VAL: &str = "validation data ";
pub(super) const TRAIN: &str = "training data ";

/// The content of each data set, by what it is for and its name.
pub(super) type Digests = BTreeMap<String, Digest>;

/// The content of the sets to train and to validate on, with their labels.
pub(super) fn digests(train: &[Dataset], val: &[Dataset]) -> Digests {
    let mut digests = Digests::new();
    for (what, sets) in [(TRAIN, train), (VAL, val)] {
        for set in sets {
            let name = format!("{what}{}", set.name);
            // A set may be named twice, with two lists.
            let free = |name: &String| !digests.contains_key(name);
            let again = (2..).map(|n| format!("{name} ({n})"));
            let name = std::iter::once(name.clone()).chain(again).find(free).unwrap_or(name);
            digests.insert(name, set.digest());
        }
    }
    digests
}

/// The sets whose content is another than when the checkpoint was `made`. Sets that only one of the two has are the
/// experiment's change, not theirs.
pub(super) fn data_changes(made: &Metadata, now: &Digests) -> Vec<Change> {
    let Some(before) = &made.data else { return Vec::new() };
    let both = now.iter().filter_map(|(name, now)| Some((name, before.get(name)?, now)));
    let change = |(name, before, now): (&String, &Digest, &Digest)| {
        let what = before.changes(now);
        let harmless = name.starts_with(VAL).then_some("validations change, training does not");
        (before != now).then(|| Change { text: format!("{name}: {}", what.join("; ")), harmless })
    };
    both.filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(boxes: u64) -> Digest {
        Digest { sequences: 2, frames: 9, names: 1, files: 2, boxes, labels: 0 }
    }

    #[test]
    fn only_sets_that_both_have_can_have_changed() {
        let set = |name: &str, boxes| (name.to_string(), digest(boxes));
        let mut made = Metadata::new("hiptrack/x".into(), 1, String::new());
        let now = Digests::from([set("training data A", 1), set("training data B", 1), set("validation data A", 1)]);
        assert_eq!(data_changes(&made, &now), [], "an older program did not say");
        made.data =
            Some(Digests::from([set("training data A", 7), set("validation data A", 7), set("training data C", 7)]));
        let changes = data_changes(&made, &now);
        assert_eq!(changes.len(), 2);
        assert!(changes[0].text.starts_with("training data A: other boxes") && changes[0].harmless.is_none());
        assert!(changes[1].text.starts_with("validation data A: ") && changes[1].harmless.is_some());
        made.data = Some(now.clone());
        assert_eq!(data_changes(&made, &now), []);
    }
}
