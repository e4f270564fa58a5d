//! Keys that nobody asked for, and which key was probably meant. That is known only when everything was read: a key may
//! belong to another section.

use super::{
    field::{Field, FieldType},
    node::{KeyValue, Origin, Value},
    suggest::{did_you_mean, nearest, similarity},
};
use crate::text::excerpt;

/// Keys of other sections are suggested when there are not more of them that fit.
const MOST_ELSEWHERE: usize = 3;

/// Keys of the same section go before those of others from this similarity on.
const CLOSE_HERE: f64 = 0.8;

/// Keys of other sections are suggested for a misspelling from this similarity on.
const SIMILAR_ELSEWHERE: f64 = 0.9;

/// A key that nobody asked for.
#[derive(Clone, Debug)]
pub(super) struct Unknown {
    pub origin: Origin,
    /// The dotted path of the key.
    pub path: String,
    /// As long as there is only one key below it, so is the path that was probably meant as a whole.
    whole: String,
    key: String,
    known: Vec<&'static str>,
}

impl Unknown {
    pub fn new(section: &str, entry: &KeyValue, known: &[&'static str]) -> Self {
        let key = excerpt(&entry.key);
        let path = if section.is_empty() { key.to_string() } else { format!("{section}.{key}") };
        let (mut whole, mut node) = (path.clone(), &entry.node);
        while let Value::Map(entries) = &node.value
            && let [only] = entries.as_slice()
        {
            whole = format!("{whole}.{}", only.key);
            node = &only.node;
        }
        Self { origin: entry.origin.clone(), path, whole, key: entry.key.clone(), known: known.to_vec() }
    }

    /// `unknown key; did you mean X?`, given all keys that anybody asked for.
    pub fn message(&self, fields: &[Field]) -> String {
        format!("unknown key{}", self.hint(fields))
    }

    fn hint(&self, fields: &[Field]) -> String {
        let elsewhere: Vec<&str> = fields.iter().filter(|field| !is_named_by_users(field)).map(|f| &*f.path).collect();
        let meant = |keys: Vec<&str>| (1..=MOST_ELSEWHERE).contains(&keys.len()).then(|| one_or_other(&keys));
        let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_string();
        let among = |fits: &dyn Fn(&str) -> bool| {
            let mut keys: Vec<&str> = elsewhere.iter().copied().filter(|path| fits(path)).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        let is_deeper = self.whole != self.path;
        if is_deeper && let Some(hint) = meant(among(&|path| plain(path) == plain(&self.whole))) {
            return hint;
        }
        if let Some(known) = self.known.iter().find(|known| plain(known) == plain(&self.key)) {
            return one_or_other(&[known]);
        }
        // One letter more or less in this section comes before the same word in another.
        let close = self.known.iter().find(|known| similarity(known, &self.key) >= CLOSE_HERE);
        if let Some(known) = close.filter(|_| !is_deeper) {
            return one_or_other(&[known]);
        }
        let wanted = last(&self.whole);
        if let Some(hint) = meant(among(&|path| plain(&last(path)) == plain(&wanted))) {
            return hint;
        }
        if nearest(&self.key, self.known.iter().copied()).is_none()
            && let Some(hint) = meant(among(&|path| similarity(&last(path), &wanted) >= SIMILAR_ELSEWHERE))
        {
            return hint;
        }
        did_you_mean(&self.key, self.known.iter().copied())
    }
}

fn one_or_other(keys: &[&str]) -> String {
    format!("; did you mean {}?", keys.join(" or "))
}

/// A key without what people get wrong first: its case, and what stands between its words.
fn plain(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Whether it lies below a name that a user chose: nobody means that of another.
fn is_named_by_users(field: &Field) -> bool {
    field.type_ == FieldType::Section || field.path.starts_with("TRAIN.PHASES.")
}

#[cfg(test)]
mod tests {
    use crate::{Diagnostics, Node, Section};

    fn message(file: &str, set: &str) -> String {
        let mut node = Node::parse("x.yaml", file).unwrap();
        if !set.is_empty() {
            node.set(set).unwrap();
        }
        let diagnostics = Diagnostics::new();
        let mut root = Section::root(&diagnostics, &node);
        let mut train = root.section("TRAIN");
        train.value("BATCH_SIZE", 16usize);
        train.value("LR", 0.1);
        train.close();
        let mut data = root.section("DATA");
        for name in ["TEMPLATE", "SEARCH"] {
            let mut crop = data.section(name);
            crop.value("SIZE", 1usize);
            crop.close();
        }
        data.close();
        root.close();
        assert!(!diagnostics.is_clean());
        diagnostics.finish().unwrap_err().message
    }

    #[test]
    fn a_key_is_suggested_wherever_it_belongs_and_whether_it_is_set_or_not() {
        let file = "TRAIN: {BATCH_SIZE: 8, LR: 0.2}";
        for (set, hint) in [
            ("batch_size=4", "batch_size: unknown key; did you mean TRAIN.BATCH_SIZE?"),
            ("bacth_size=4", "bacth_size: unknown key; did you mean TRAIN.BATCH_SIZE?"),
            ("train.batch_size=4", "train: unknown key; did you mean TRAIN.BATCH_SIZE?"),
            ("DATA.BATCH-SIZE=4", "DATA.BATCH-SIZE: unknown key; did you mean TRAIN.BATCH_SIZE?"),
            ("TRAIN.BATCHSIZE=4", "TRAIN.BATCHSIZE: unknown key; did you mean BATCH_SIZE?"),
            ("TRAIN.SIZES=4", "TRAIN.SIZES: unknown key; did you mean DATA.SEARCH.SIZE or DATA.TEMPLATE.SIZE?"),
            ("DATA.SEARCH.SIZES=4", "DATA.SEARCH.SIZES: unknown key; did you mean SIZE?"),
            ("TRAIN.lr=4", "TRAIN.lr: unknown key; did you mean LR?"),
            ("size=4", "size: unknown key; did you mean DATA.SEARCH.SIZE or DATA.TEMPLATE.SIZE?"),
            ("TRIAN.LR=4", "TRIAN: unknown key; did you mean TRAIN.LR?"),
            ("TRAIN.XYZ=4", "TRAIN.XYZ: unknown key; known: BATCH_SIZE, LR"),
        ] {
            assert_eq!(message(file, set), format!("--set {set}: {hint}"));
        }
        assert_eq!(
            message("TRAIN: {bs: 1, BATCH_SIZE: 8}", ""),
            "x.yaml:1:9: TRAIN.bs: unknown key; known: BATCH_SIZE, LR"
        );
    }
}
