//! Losses and parts of the model, function by function.

use crate::golden::{Comparison, Golden, Tolerance, absolute, floats, relative};
use crate::recipe;
use tch::{Kind, Tensor};
use trackflow::loss::{ClassLoss, focal, heatmap, overlap};
use trackflow::model::keep_rate::keep_rate;
use trackflow::model::mask::{MaskClamp, centre_mask, corner_mask, without_removed};
use trackflow::model::memory;

const EXACT: Tolerance = absolute(0.0);

/// The value of `loss` at `x`, and its gradient there.
fn with_gradient(x: &Tensor, loss: impl Fn(&Tensor) -> Tensor) -> (Tensor, Tensor) {
    let x = x.copy().set_requires_grad(true);
    let loss = loss(&x);
    loss.backward();
    (loss.detach(), x.grad())
}

pub fn heat_maps(golden: &Golden) {
    let mut compare = Comparison::default();
    for (boxes, maps) in [("heatmap.boxes_xywh", "heatmap.maps"), ("heatmap.half.boxes", "heatmap.half.maps")] {
        compare.tensor(maps, &heatmap::heatmap(golden.get(boxes), 24), golden.get(maps), EXACT);
    }
    for (boxes, centres) in
        [("heatmap.boxes_xywh", "heatmap.center_int"), ("heatmap.half.boxes", "heatmap.half.center_int")]
    {
        let maps = heatmap::heatmap(golden.get(boxes), 24);
        let peaks: Vec<i64> = Vec::try_from(maps.flatten(1, 2).argmax(1, false)).unwrap();
        for (at, (centre, peak)) in golden.floats(centres).chunks_exact(2).zip(peaks).enumerate() {
            let inside = centre.iter().all(|value| (0.0..24.0).contains(value));
            let (y, x) = ((peak / 24) as f64, (peak % 24) as f64);
            let height = maps.double_value(&[at as i64, peak / 24, peak % 24]);
            if inside {
                compare.values(&format!("{centres}[{at}]"), &[x, y, height], &[centre[0], centre[1], 1.0], EXACT);
            } else {
                compare.values(&format!("{centres}[{at}] peaks"), &[f64::from(u8::from(height < 1.0))], &[1.0], EXACT);
            }
        }
    }
    // That the reference could draw every map; ours knows no failure.
    compare.tensor("ok", &golden.get("heatmap.ok").ones_like(), golden.get("heatmap.ok"), EXACT);
    let size = golden.get("heatmap.boxes_xywh").narrow(1, 2, 2) * 24.0;
    let radius = heatmap::gaussian_radius(&size);
    compare.tensor("radius", &radius, golden.get("heatmap.radius_float"), absolute(1e-6));
    compare.finish("heat maps");
}

pub fn focal_loss(golden: &Golden) {
    let mut compare = Comparison::default();
    let frame = |key: &str| golden.get(key).squeeze_dim(1).unsqueeze(0);
    let target = frame("focal.target");
    let (loss, gradient) = with_gradient(&frame("focal.pred"), |x| focal::focal(x, &target).sum(Kind::Float));
    compare.tensor("loss", &loss, golden.get("focal.loss"), relative(1e-6));
    compare.tensor("gradient", &gradient, golden.get("focal.grad"), Tolerance { absolute: 1e-6, relative: 1e-5 });
    let without = focal::focal(&frame("focal.pred"), &(&target * 0.9));
    compare.tensor("no peak", &without, golden.get("focal.nopos.loss"), relative(1e-6));
    let edge = focal::focal(&frame("focal.edge.pred"), &frame("focal.edge.target"));
    compare.tensor("edge", &edge, golden.get("focal.edge.loss"), relative(1e-6));
    compare.finish("focal loss");
}

pub fn generalised_iou(golden: &Golden) {
    let mut compare = Comparison::default();
    let other = golden.get("giou.boxes2");
    let (giou, iou) = overlap::generalised_iou(golden.get("giou.boxes1"), other);
    compare.tensor("giou", &giou, golden.get("giou.giou"), absolute(1e-6));
    compare.tensor("iou", &iou, golden.get("giou.iou"), absolute(1e-6));
    // The reference's two forms of a box that is a point: no overlap, and no size to measure it by.
    let point = Tensor::from_slice(&[0.5f32; 4]).view([1, 4]);
    let (giou, iou) = overlap::generalised_iou(&point, &point);
    let both = Tensor::cat(&[giou, iou], 0);
    compare.tensor("a point", &both, golden.get("giou.degenerate_same_point"), EXACT);
    let mean = |x: &Tensor| {
        let loss: Tensor = 1 - overlap::generalised_iou(x, other).0;
        loss.mean(Kind::Float)
    };
    let (loss, gradient) = with_gradient(golden.get("giou.boxes1"), mean);
    compare.tensor("loss", &loss, golden.get("giou.loss"), absolute(1e-6));
    compare.tensor("gradient", &gradient, golden.get("giou.grad1"), Tolerance { absolute: 1e-6, relative: 1e-5 });
    compare.finish("generalised IoU");
}

pub fn class_losses(golden: &Golden) {
    let mut compare = Comparison::default();
    let labels = golden.get("cls.labels").unsqueeze(0);
    for (key, class_loss) in [
        ("ce", ClassLoss::CrossEntropy),
        ("focal", ClassLoss::Focal { alpha: 0.25, gamma: 2.0 }),
        ("smooth", ClassLoss::Smooth { smoothing: 0.1 }),
    ] {
        let loss = |x: &Tensor| {
            let components = class_loss.components(&x.unsqueeze(0), &labels, None, None);
            (components.sum / components.labelled).sum(Kind::Float)
        };
        let (loss, gradient) = with_gradient(golden.get("cls.logits"), loss);
        compare.tensor(key, &loss, golden.get(&format!("cls.{key}.loss")), relative(1e-6));
        compare.tensor(key, &gradient, golden.get(&format!("cls.{key}.grad")), absolute(1e-6));
    }
    compare.finish("class losses");
}

pub fn masks(golden: &Golden) {
    let mut compare = Comparison::default();
    let sums = |mask: &Tensor| mask.sum_dim_intlist([1i64, 2, 3].as_slice(), false, Kind::Int64);
    let mask = centre_mask(golden.get("mask.pred_boxes_cxcywh"), 384, MaskClamp::Reference);
    compare.tensor("sums", &sums(&mask), golden.get("mask.sums"), EXACT);
    let bits: Vec<u8> = Vec::try_from(golden.get("mask.packbits").reshape([-1])).unwrap();
    let expected: Vec<f64> =
        bits.iter().flat_map(|byte| (0..8).map(move |bit| f64::from(byte >> (7 - bit) & 1))).collect();
    compare.values("pixels", &floats(&mask), &expected, EXACT);
    let removed = golden.get("mask_ce.indices").unsqueeze(0).repeat([10, 1]);
    let thinned = without_removed(mask, &[removed], 24);
    compare.tensor("with elimination", &sums(&thinned), golden.get("mask_ce.sums"), EXACT);
    let corner = corner_mask(golden.get("mask_xywh.boxes"), 384, MaskClamp::Reference);
    compare.tensor("template", &sums(&corner), golden.get("mask_xywh.sums"), EXACT);
    compare.finish("masks");
}

pub fn keep_rates(golden: &Golden) {
    let have: Vec<f64> = (0..=110).map(|epoch| keep_rate(epoch, 20, 80, 0.7)).collect();
    let mut compare = Comparison::default();
    compare.values("epoch", &have, &golden.floats("keep_rate.e0_110_w20_t100_b0.7"), absolute(1e-12));
    compare.finish("keep rates");
}

pub fn memory_affinity_and_readout(golden: &Golden) {
    let input = |name: &str, shape: &[i64]| recipe::input(&format!("func.hip.{name}"), 1, shape);
    let affinity = memory::affinity(&input("mk", &[2, 64, 48]), &input("qk", &[2, 64, 16]));
    let mut compare = Comparison::default();
    compare.tensor("affinity", &affinity.transpose(1, 2), golden.get("hip.affinity"), absolute(2e-6));
    let read = memory::readout(&affinity, &input("mv", &[2, 6, 48]));
    let prompt = Tensor::cat(&[read, input("qv", &[2, 6, 16])], 1);
    compare.tensor("readout", &prompt, golden.get("hip.readout"), absolute(5e-6));
    compare.finish("memory");
}
