//! The golden files, and comparisons that say which value is off by how much.

use std::collections::HashMap;
use std::path::PathBuf;
use tch::{Kind, Tensor};

/// One golden file.
pub struct Golden {
    tensors: HashMap<String, Tensor>,
}

/// The folder of goldens, if there is one.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("TRACKFLOW_GOLDEN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/golden"), PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no goldens at {} (TRACKFLOW_GOLDEN names the folder)", folder.display());
    None
}

/// The seeds for which there are goldens of the whole model.
pub fn seeds() -> Vec<u64> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut seeds: Vec<u64> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().ok()?;
            name.strip_prefix("seed")?.strip_suffix(".safetensors")?.parse().ok()
        })
        .collect();
    seeds.sort_unstable();
    assert!(!seeds.is_empty(), "the folder of goldens has no seed<N>.safetensors");
    seeds
}

impl Golden {
    /// The file `<name>.safetensors` of the golden folder.
    pub fn open(name: &str) -> Option<Self> {
        let path = folder()?.join(name).with_extension("safetensors");
        let tensors = Tensor::read_safetensors(path).unwrap().into_iter().collect();
        Some(Self { tensors })
    }

    pub fn get(&self, key: &str) -> &Tensor {
        self.tensors.get(key).unwrap_or_else(|| panic!("the golden file has no {key}"))
    }

    pub fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    /// The keys that start with `prefix`, without it.
    pub fn under(&self, prefix: &str) -> Vec<&str> {
        self.tensors.keys().filter_map(|key| key.strip_prefix(prefix)).collect()
    }

    pub fn floats(&self, key: &str) -> Vec<f64> {
        floats(self.get(key))
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
