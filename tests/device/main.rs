//! Model and losses on a device, in f32 and bfloat16, against the reference's golden values. This executable needs
//! nothing but libtorch and the goldens, so it can be carried to another machine:
//!
//! - `TRACKFLOW_TEST_DEVICE`: `cpu` (the default) or `cuda:N`;
//! - `TRACKFLOW_GOLDEN`: the folder of goldens (default `../shared/golden`), `TRACKFLOW_GOLDEN_OSTRACK` that of plain
//!   OSTrack's.
//!
//! It prints one JSON object a comparison. On the CPU only bfloat16 is compared: `parity` has f32, with a tighter bound.

mod ostrack;
#[path = "../parity/recipe.rs"]
#[allow(dead_code, reason = "parity uses more of it")]
mod recipe;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};
use tch::{Device, Kind, Tensor};
use trackflow::{
    loss::{LossComponents, Target, Weights, loss},
    model::{ClipInput, ClipOutput, Config, ForwardOptions, Hiptrack, MaskClamp},
    train::{device::DeviceChoice, precision::Precision},
};

/// What a value may be off by: in f32 and in bfloat16.
const TOLERANCE: [f64; 2] = [1e-4, 2e-2];
/// What the norm of a gradient may be off by, relative, in f32.
const GRADIENT: f64 = 1e-3;

struct Case {
    seed: u64,
    golden: HashMap<String, Tensor>,
    names: serde_json::Value,
    model: Hiptrack,
    input: ClipInput,
    target: Target,
}

/// The goldens in the folder that `variable` names, by seed.
fn files(variable: &str, usual: &str) -> Vec<(u64, PathBuf)> {
    let folder =
        std::env::var_os(variable).map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(usual), PathBuf::from);
    let seed =
        |path: &Path| path.file_name()?.to_str()?.strip_prefix("seed")?.strip_suffix(".safetensors")?.parse().ok();
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.filter_map(|entry| Some((seed(&entry.path())?, entry.path()))).collect();
    found.sort();
    if found.is_empty() {
        eprintln!("SKIPPED: no seed<N>.safetensors in {} ({variable} names the folder)", folder.display());
    }
    found
}

impl Case {
    fn new(seed: u64, path: &Path, device: Device) -> Self {
        let golden: HashMap<_, _> = Tensor::read_safetensors(path).unwrap().into_iter().collect();
        let names = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let model = Hiptrack::new(&Config::reference(), 0, device).unwrap();
        let weights: Vec<(String, Tensor)> = model
            .params()
            .iter()
            .map(|(name, tensor, _)| (name.to_owned(), recipe::weight(name, seed, &tensor.size())))
            .collect();
        let report = model.params().load(weights.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
        assert!(report.is_exact(), "{report:?}");
        let frames: Vec<_> =
            (0..5).map(|at| recipe::input(&format!("input.search.{at}"), seed, &[2, 3, 384, 384])).collect();
        let there = |tensor: &Tensor| tensor.to_device(device);
        Self {
            seed,
            input: ClipInput {
                template: there(&recipe::input("input.template", seed, &[2, 3, 192, 192])),
                search: there(&Tensor::stack(&frames, 0)),
                template_boxes: there(&golden["in.template_boxes_xywh"]),
            },
            target: Target {
                soft: None,
                boxes: there(&golden["in.search_boxes_xywh"]),
                labels: there(&golden["in.cls_labels"]),
            },
            names: serde_json::from_str(&names).unwrap(),
            golden,
            model,
        }
    }

    /// Compares a pass at `keep_rate`, prints what was found, and says whether all of it fits.
    fn check(&self, tag: &str, keep_rate: f64, precision: Precision) -> bool {
        let device = self.model.params().device();
        let options =
            ForwardOptions { keep_rate: Some(keep_rate), masks: MaskClamp::Reference, ..ForwardOptions::evaluation() };
        let with_gradients = device.is_cuda() && !precision.autocast;
        let pass = || {
            let output = precision.forward(device, || self.model.forward(&self.input, &options)).unwrap();
            let components = loss(&output, &self.target, &Weights::reference()).unwrap();
            (output, components)
        };
        let (output, components) = if with_gradients { pass() } else { tch::no_grad(pass) };
        let mut found = self.forward(tag, &output);
        found.insert("losses", self.losses(tag, &components));
        let tolerance = TOLERANCE[usize::from(precision.autocast)];
        let mut ok = found.values().all(|difference| *difference <= tolerance);
        if with_gradients {
            let difference = self.gradients(&tag.replace('k', "grad"), &components);
            ok &= difference <= GRADIENT;
            found.insert("gradients", difference);
        }
        let precision = if precision.autocast { "bf16" } else { "fp32" };
        let line = serde_json::json!({
            "program": "trackflow", "check": tag, "seed": self.seed, "device": name(device), "precision": precision,
            "tolerance": tolerance, "ok": ok, "differences": found,
        });
        println!("{line}");
        ok
    }

    /// The largest absolute differences by kind of value; of the removed tokens, how many are others.
    fn forward(&self, tag: &str, output: &ClipOutput) -> BTreeMap<&'static str, f64> {
        let mut found = BTreeMap::new();
        for (at, frame) in output.frames.iter().enumerate() {
            let logits = frame.logits.as_ref().unwrap();
            for (kind, have, part) in [
                ("boxes", &frame.boxes, "pred_boxes"),
                ("score", &frame.score_map, "score_map"),
                ("size", &frame.size_map, "size_map"),
                ("offset", &frame.offset_map, "offset_map"),
                ("logits", logits, "cls_logits"),
            ] {
                let difference = difference(have, &self.golden[&format!("{tag}.f{at}.{part}")]);
                let worst = found.entry(kind).or_insert(0.0);
                *worst = difference.max(*worst);
            }
            for (layer, removed) in output.removed.iter().enumerate() {
                let (have, _) = removed.narrow(0, 2 * at as i64, 2).sort(1, false);
                let expected = &self.golden[&format!("{tag}.f{at}.removed{layer}.sorted")];
                let wrong = have.to_device(Device::Cpu).ne_tensor(expected).sum(Kind::Int64).int64_value(&[]);
                *found.entry("removed").or_insert(0.0) += wrong as f64;
            }
        }
        found
    }

    /// The largest relative difference of the sums of box task, class loss and both.
    fn losses(&self, tag: &str, components: &LossComponents) -> f64 {
        let report = components.report().unwrap();
        let expected: Vec<f64> =
            Vec::try_from(self.golden[&format!("{tag}.losses_sum")].to_kind(Kind::Double)).unwrap();
        let have = [5.0 * report.box_task, 5.0 * report.class, report.objective];
        have.iter().zip(expected).map(|(have, expected)| (have / expected - 1.0).abs()).fold(0.0, f64::max)
    }

    /// The largest relative difference of the norms of gradients that are more than noise.
    fn gradients(&self, tag: &str, components: &LossComponents) -> f64 {
        let names = self.names["grad.param_names"].as_array().unwrap();
        let params = self.model.params();
        let inputs: Vec<&Tensor> = names.iter().map(|name| params.get(name.as_str().unwrap()).unwrap()).collect();
        let gradients = Tensor::run_backward(&[&components.objective], &inputs, false, false);
        let expected = &self.golden[&format!("{tag}.total.l2")].to_kind(Kind::Double);
        let expected = Vec::<f64>::try_from(expected).unwrap();
        let mut worst = 0.0;
        for ((name, gradient), expected) in names.iter().zip(&gradients).zip(expected) {
            // The gate of the places has a gradient that is a small rest of large terms.
            if gradient.defined() && expected > 1e-3 && !name.as_str().unwrap().contains(".SpatialGate.") {
                let have = gradient.to_kind(Kind::Double).norm().double_value(&[]);
                worst = f64::max(worst, (have / expected - 1.0).abs());
            }
        }
        worst
    }
}

/// The largest absolute difference; infinite when there is a NaN.
fn difference(have: &Tensor, expected: &Tensor) -> f64 {
    let have = have.detach().to_device(Device::Cpu).to_kind(Kind::Double).reshape([-1]);
    let largest = (have - expected.to_kind(Kind::Double).reshape([-1])).abs().max().double_value(&[]);
    if largest.is_nan() { f64::INFINITY } else { largest }
}

fn name(device: Device) -> String {
    match device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "cpu".into(),
    }
}

#[test]
fn the_device_computes_what_the_reference_computes() {
    let wanted = std::env::var("TRACKFLOW_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
    let device = wanted.parse::<DeviceChoice>().unwrap().open().unwrap_or_else(|failure| panic!("{failure}"));
    let exact = Precision::default();
    exact.apply_tf32().unwrap();
    let mut ok = true;
    for (seed, path) in files("TRACKFLOW_GOLDEN", "../shared/golden") {
        let case = Case::new(seed, &path, device);
        if device.is_cuda() {
            ok &= case.check("k10", 1.0, exact) & case.check("k07", 0.7, exact);
        }
        // Which tokens are eliminated is decided by gaps that bfloat16 cannot tell, so all stay.
        ok &= case.check("k10", 1.0, Precision { autocast: true, ..exact });
    }
    let half = Precision { autocast: true, ..exact };
    let precisions = [exact, half];
    ok &= ostrack::check(device, if device.is_cuda() { &precisions } else { &precisions[1..] });
    assert!(ok, "see the lines with \"ok\":false");
}
