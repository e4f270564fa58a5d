//! What the toolkits computed, and what the program says.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How far a value in per cent may be off: single precision.
const PER_CENT: f64 = 1e-4;
/// The same for shares in double precision.
const SHARE: f64 = 1e-12;

pub fn folder() -> PathBuf {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/golden_scores");
    std::env::var_os("TRACKFLOW_GOLDEN_SCORES").map_or_else(default, PathBuf::from)
}

pub struct Golden {
    expected: Value,
}

impl Golden {
    pub fn open() -> Option<Self> {
        let text = std::fs::read_to_string(folder().join("expected.json")).ok()?;
        Some(Self { expected: serde_json::from_str(&text).unwrap() })
    }

    /// Every set and its rules, but for the set of what is refused.
    pub fn sets(&self) -> Vec<(String, Vec<String>)> {
        let sets = self.expected["sets"].as_object().unwrap();
        let rules = |set: &Value| set["rules"].as_object().map(|rules| rules.keys().cloned().collect::<Vec<_>>());
        sets.iter().filter_map(|(name, set)| Some((name.clone(), rules(set)?))).collect()
    }
}

/// The name of a golden set here, and the data folder that it is found below.
fn here(set: &str) -> (&str, &str) {
    match set {
        "otb" => ("OTB", "data"),
        "lasot" => ("LASOT_test", "data"),
        "lasot_extension_subset" => ("LASOT_EXT", "data"),
        "uav" => ("UAV123", "data"),
        "nfs" => ("NFS", "data"),
        "tnl2k" => ("TNL2K", "data"),
        "tc128" => ("TC128", "data"),
        "trackingnet" => ("TRACKINGNET", "data"),
        "vot" => ("VOT", "data"),
        "got10k_val" => ("GOT10K_official_val", "data"),
        "negative_size" => ("GOT10K_official_val", "data/negative_size"),
        other => (other, "data"),
    }
}

pub fn evaluate(arguments: &[&str], json: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trackflow"));
    command.env("TRACKFLOW_CACHE", "").arg("evaluate").args(arguments).arg("--out").arg(json);
    command.output().unwrap()
}

fn scored(set: &str, data: &str, results: &str, arguments: &[&str]) -> Value {
    let home = tempfile::tempdir().unwrap();
    let json = home.path().join("scores.json");
    let (data, results) = (folder().join(data), folder().join(results));
    let fixed = ["--dataset", set, "--data_dir", data.to_str().unwrap(), "--results", results.to_str().unwrap()];
    let output = evaluate(&[&fixed[..], arguments].concat(), &json);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap()
}

const KEYS: [(&str, &str); 10] = [
    ("AUC", "auc"),
    ("OP50", "op50"),
    ("OP75", "op75"),
    ("P", "precision"),
    ("Pnorm", "normalised_precision"),
    ("AO", "ao"),
    ("SR50", "sr50"),
    ("SR75", "sr75"),
    ("speed_fps", "speed_fps"),
    ("mean_overlap_of_valid", "mean_overlap"),
];

struct Comparison {
    factor: f64,
    tolerance: f64,
    wrong: Vec<String>,
    compared: usize,
}

impl Comparison {
    fn value(&mut self, what: &str, have: &Value, expected: &Value, factor: f64) {
        self.compared += 1;
        match (have.as_f64(), expected.as_f64()) {
            (None, None) => {}
            (Some(have), Some(expected)) if (have * factor - expected).abs() <= self.tolerance => {}
            _ => self.wrong.push(format!("{what}: {have} × {factor}, expected {expected}")),
        }
    }

    fn scores(&mut self, what: &str, have: &Value, expected: &Value) {
        for (key, value) in expected.as_object().unwrap() {
            if let "frames" | "length" = key.as_str() {
                // The toolkit's length leaves out the first frame.
                let count = have["frames"].as_u64().unwrap() - u64::from(key == "length");
                assert_eq!(Some(count), value.as_u64(), "{what}: {key}");
                continue;
            }
            let (_, ours) = KEYS.iter().find(|(theirs, _)| theirs == key).unwrap_or_else(|| panic!("{what}: {key}?"));
            let factor = if *ours == "speed_fps" { 1.0 } else { self.factor };
            self.value(&format!("{what}.{key}"), &have[ours], value, factor);
        }
    }
}

/// Compares all values of a set by a rule.
pub fn check(set: &str, rule: &str) {
    let golden = Golden::open().unwrap().expected["sets"][set].clone();
    let expected = &golden["rules"][rule];
    let (name, data) = here(set);
    let results = expected["results"].as_str().or(golden["results"].as_str()).unwrap();
    let base = rule.split('_').next().unwrap();
    let mut arguments = vec!["--rules", base];
    if rule.ends_with("_exclude_invalid_frames") {
        arguments.push("--exclude_invalid_frames");
    }
    let have = scored(name, data, results, &arguments);
    let shares = base == "got10k";
    let (factor, tolerance) = if shares { (1.0, SHARE) } else { (100.0, PER_CENT) };
    let mut comparison = Comparison { factor, tolerance, wrong: Vec::new(), compared: 0 };
    comparison.scores("overall", &have["overall"], &expected["overall"]);
    let sequences = expected["sequences"].as_object().unwrap();
    let ours = have["sequences"].as_array().unwrap();
    assert_eq!(ours.len(), sequences.len());
    for (name, expected) in sequences {
        let one = ours.iter().find(|one| one["name"] == name.as_str()).unwrap_or_else(|| panic!("no {name}"));
        comparison.scores(name, one, expected);
    }
    for (curve, expected) in expected["curves"].as_object().into_iter().flatten() {
        let key = if shares && curve == "success" { "got10k_success" } else { curve };
        let (have, expected) = (&have["overall"]["curves"][key], expected.as_array().unwrap());
        assert_eq!(have.as_array().map(Vec::len), Some(expected.len()), "{curve}");
        for (at, expected) in expected.iter().enumerate() {
            comparison.value(&format!("{curve}[{at}]"), &have[at], expected, factor);
        }
    }
    assert!(comparison.compared > 5, "hardly anything was compared");
    assert!(comparison.wrong.is_empty(), "{set}, {rule}:\n{}", comparison.wrong.join("\n"));
}

/// Every case that the toolkits fail on is refused, with the reason and the file.
pub fn refused() {
    let home = tempfile::tempdir().unwrap();
    let (data, results) = (folder().join("data"), folder().join("results/refused"));
    let errors = Golden::open().unwrap().expected["sets"]["refused"]["errors"].clone();
    for (rules, cases) in errors.as_object().unwrap() {
        for case in cases.as_object().unwrap().keys() {
            let arguments = ["--dataset", "refused", "--data_dir", data.to_str().unwrap(), "--rules", rules];
            let more = ["--results", results.to_str().unwrap(), "--sequence", case];
            let output = evaluate(&[&arguments[..], &more].concat(), &home.path().join("s.json"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(66), "{rules} {case}: {said}");
            let reason = match case.as_str() {
                "nan_result" => "nan",
                "nan_truth" => "of the ground truth is nan",
                "negative_size" => "negative size",
                "one_frame" => "only the first box",
                other => panic!("a case that no reason is known for: {other}"),
            };
            assert!(said.to_lowercase().contains(reason), "{rules} {case}: {said}");
        }
    }
}

/// TrackingNet's test set shows the first box only.
pub fn test_sets() {
    let home = tempfile::tempdir().unwrap();
    let (data, results) = (folder().join("data"), folder().join("results/trackingnet_test"));
    let arguments = ["--dataset", "TRACKINGNET_test", "--data_dir", data.to_str().unwrap()];
    let more = ["--results", results.to_str().unwrap()];
    let output = evaluate(&[&arguments[..], &more].concat(), &home.path().join("s.json"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(66), "{said}");
    assert!(said.contains("only the first box"), "{said}");
}

/// The same ground truth at 240 frames a second, as corners, gives the same scores.
pub fn nfs_as_published() {
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(folder().join("data/nfs_published"), home.path().join("NFS")).unwrap();
    let published = scored("NFS", home.path().to_str().unwrap(), "results/nfs", &["--rules", "hiptrack"]);
    let plain = scored("NFS", "data", "results/nfs", &["--rules", "hiptrack"]);
    assert_eq!(published["overall"], plain["overall"]);
}

/// By default GOT-10k has both kinds of scores; a result of pytracking's form is one run of the toolkit's.
pub fn got10k_in_both_forms() {
    let both = scored("GOT10K_official_val", "data", "results/got10k_val_flat", &[]);
    let toolkit = scored("GOT10K_official_val", "data", "results/got10k_val/GOT-10k/golden", &["--rules", "got10k"]);
    let one = |document: &Value, name: &str, key: &str| {
        document["sequences"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()[key].as_f64().unwrap()
    };
    for name in ["GOT-10k_Val_000001", "GOT-10k_Val_000008"] {
        assert!((one(&both, name, "ao") - one(&toolkit, name, "ao")).abs() < 1e-12, "{name}");
    }
    assert!(both["overall"]["auc"].is_f64() && toolkit["overall"]["auc"].is_null());
}
