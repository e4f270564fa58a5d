//! The golden files, and comparisons that say which value is off by how much.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// One golden file. It knows which of its values were read, so that none is forgotten.
pub struct Golden {
    tensors: BTreeMap<String, Tensor>,
    facts: serde_json::Value,
    read: RefCell<BTreeSet<String>>,
}

/// The folder of goldens, whether it exists or not.
pub fn folder() -> PathBuf {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/golden");
    std::env::var_os("TRACKFLOW_GOLDEN").map_or_else(default, PathBuf::from)
}

/// The folder of goldens of plain OSTrack, whether it exists or not.
pub fn ostrack_folder() -> PathBuf {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/golden_ostrack");
    std::env::var_os("TRACKFLOW_GOLDEN_OSTRACK").map_or_else(default, PathBuf::from)
}

/// The seeds for which there are goldens of the whole model in `folder`.
pub fn seeds(folder: &Path) -> Vec<u64> {
    let seed = |name: String| name.strip_prefix("seed")?.strip_suffix(".safetensors")?.parse().ok();
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut seeds: Vec<u64> = names.filter_map(|entry| seed(entry.file_name().into_string().ok()?)).collect();
    seeds.sort_unstable();
    seeds
}

impl Golden {
    /// Values of single functions, pixels included.
    pub fn functions() -> Self {
        let path = folder().join("func.npz");
        Self::new(Tensor::read_npz(&path).unwrap(), &path)
    }

    /// Values of the whole model in `folder`.
    pub fn model(folder: &Path, seed: u64) -> Self {
        let path = folder.join(format!("seed{seed}.safetensors"));
        Self::new(Tensor::read_safetensors(&path).unwrap(), &path)
    }

    fn new(tensors: Vec<(String, Tensor)>, path: &Path) -> Self {
        let text = std::fs::read_to_string(path.with_extension("json")).unwrap_or_else(|_| "null".into());
        let facts = serde_json::from_str(&text).unwrap();
        Self { tensors: tensors.into_iter().collect(), facts, read: RefCell::default() }
    }

    pub fn get(&self, key: &str) -> &Tensor {
        self.read.borrow_mut().insert(key.to_owned());
        self.tensors.get(key).unwrap_or_else(|| panic!("the golden file has no {key}"))
    }

    pub fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The keys that start with `prefix`, without it.
    pub fn under(&self, prefix: &str) -> Vec<&str> {
        self.keys().filter_map(|key| key.strip_prefix(prefix)).collect()
    }

    pub fn floats(&self, key: &str) -> Vec<f64> {
        floats(self.get(key))
    }

    pub fn bytes(&self, key: &str) -> Vec<u8> {
        Vec::try_from(self.get(key).flatten(0, -1)).unwrap()
    }

    /// A fact beside the values.
    pub fn fact(&self, key: &str) -> &serde_json::Value {
        self.facts.get(key).unwrap_or_else(|| panic!("no {key} beside the goldens"))
    }

    /// A list of names in the facts beside the values.
    pub fn names(&self, key: &str) -> Vec<String> {
        let names = self.facts[key].as_array().unwrap_or_else(|| panic!("no list {key} beside the goldens"));
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// Fails when a value that belongs to `covers` was not read.
    pub fn check_read(&self, covers: &[&str], elsewhere: &[&str]) {
        let read = self.read.borrow();
        let mine = |key: &&str| covers.iter().any(|p| matches(p, key)) && !elsewhere.iter().any(|p| matches(p, key));
        let forgotten: Vec<_> = self.keys().filter(mine).filter(|key| !read.contains(*key)).collect();
        assert!(forgotten.is_empty(), "golden values that were not read: {}", forgotten.join(", "));
    }
}

/// Whether `key` has the form of `pattern`, in which one `*` stands for anything.
pub fn matches(pattern: &str, key: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => key.len() >= start.len() + end.len() && key.starts_with(start) && key.ends_with(end),
        None => pattern == key,
    }
}

/// All values, row-major.
pub fn floats(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).reshape([-1])).unwrap()
}

/// How far a value may be off: `absolute + relative · |expected|`.
#[derive(Clone, Copy)]
pub struct Tolerance {
    pub absolute: f64,
    pub relative: f64,
}

pub const fn absolute(absolute: f64) -> Tolerance {
    Tolerance { absolute, relative: 0.0 }
}

pub const fn relative(relative: f64) -> Tolerance {
    Tolerance { absolute: 0.0, relative }
}

/// Collects every difference, so that one run tells all of them.
#[derive(Default)]
pub struct Comparison {
    wrong: Vec<String>,
    checked: usize,
}

impl Comparison {
    pub fn values(&mut self, what: &str, have: &[f64], expected: &[f64], tolerance: Tolerance) {
        self.checked += 1;
        if have.len() != expected.len() {
            self.wrong.push(format!("{what}: {} values, expected {}", have.len(), expected.len()));
            return;
        }
        let excess = |(have, expected): (&f64, &f64)| {
            if have.is_nan() && expected.is_nan() || have == expected {
                return 0.0;
            }
            let allowed = tolerance.absolute + tolerance.relative * expected.abs();
            let excess = (have - expected).abs() / allowed;
            if excess.is_nan() { f64::INFINITY } else { excess }
        };
        let worst = have.iter().zip(expected).map(excess).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((at, excess)) = worst
            && excess > 1.0
        {
            let (have, expected) = (have[at], expected[at]);
            self.wrong.push(format!("{what}[{at}]: {have:e}, expected {expected:e} ({excess:.1} times the tolerance)"));
        }
    }

    pub fn tensor(&mut self, what: &str, have: &Tensor, expected: &Tensor, tolerance: Tolerance) {
        if have.numel() != expected.numel() {
            self.wrong.push(format!("{what}: shape {:?}, expected {:?}", have.size(), expected.size()));
            return;
        }
        self.values(what, &floats(have), &floats(expected), tolerance);
    }

    /// Fails when something was wrong, or when nothing was compared.
    pub fn finish(self, what: &str) {
        assert!(self.checked > 0, "{what}: nothing was compared");
        assert!(self.wrong.is_empty(), "{what}:\n{}", self.wrong.join("\n"));
        println!("{what}: {} comparisons", self.checked);
    }
}
