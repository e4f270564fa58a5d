//! Plain OSTrack on the device against the reference's golden values (`TRACKFLOW_GOLDEN_OSTRACK`, default
//! `../shared/golden_ostrack`).

use super::{Precision, TOLERANCE, difference, files, name, recipe};
use std::collections::{BTreeMap, HashMap};
use tch::{Device, Kind, Tensor};
use trackflow::{
    loss::{Target, Weights, loss},
    model::{ClipInput, Config, ForwardOptions, Hiptrack},
};

/// Compares all goldens that are there in these precisions; whether all of it fits.
pub fn check(device: Device, precisions: &[Precision]) -> bool {
    let mut ok = true;
    for (seed, path) in files("TRACKFLOW_GOLDEN_OSTRACK", "../shared/golden_ostrack") {
        let golden: HashMap<_, _> = Tensor::read_safetensors(&path).unwrap().into_iter().collect();
        let facts = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
        let model = Hiptrack::new(&Config::ostrack(), 0, device).unwrap();
        let weights: Vec<(String, Tensor)> = model
            .params()
            .iter()
            .map(|(name, tensor, _)| (name.to_owned(), recipe::weight(name, seed, &tensor.size())))
            .collect();
        let report = model.params().load(weights.iter().map(|(name, tensor)| (name.as_str(), tensor))).unwrap();
        assert!(report.is_exact(), "{report:?}");
        let there = |tensor: Tensor| tensor.to_device(device);
        let search = recipe::input(facts["search_input"].as_str().unwrap(), seed, &[2, 3, 256, 256]);
        let input = ClipInput {
            template: there(recipe::input("input.template", seed, &[2, 3, 128, 128])),
            search: there(search.unsqueeze(0)),
            // Nobody looks at them.
            template_boxes: Tensor::full([2, 4], f64::NAN, (Kind::Float, device)),
        };
        let boxes = there(golden["in.search_boxes_xywh"].unsqueeze(0));
        let target = Target { soft: None, boxes, labels: Tensor::full([1, 2], -100, (Kind::Int64, device)) };
        let options = ForwardOptions { keep_rate: Some(1.0), ..ForwardOptions::evaluation() };
        for precision in precisions {
            let output = tch::no_grad(|| precision.forward(device, || model.forward(&input, &options))).unwrap();
            let components = loss(&output, &target, &Weights::reference()).unwrap();
            let frame = &output.frames[0];
            let parts = [
                ("boxes", &frame.boxes, "pred_boxes"),
                ("score", &frame.score_map, "score_map"),
                ("size", &frame.size_map, "size_map"),
                ("offset", &frame.offset_map, "offset_map"),
            ];
            let mut found: BTreeMap<_, _> =
                parts.map(|(kind, have, part)| (kind, difference(have, &golden[&format!("k10.{part}")]))).into();
            let expected = facts["k10.losses"]["total"].as_f64().unwrap();
            found.insert("losses", (components.report().unwrap().total / expected - 1.0).abs());
            let tolerance = TOLERANCE[usize::from(precision.autocast)];
            let fits = found.values().all(|difference| *difference <= tolerance);
            ok &= fits;
            let precision = if precision.autocast { "bf16" } else { "fp32" };
            let line = serde_json::json!({
                "program": "trackflow", "check": "ostrack k10", "seed": seed, "device": name(device),
                "precision": precision, "tolerance": tolerance, "ok": fits, "differences": found,
            });
            println!("{line}");
        }
    }
    ok
}
