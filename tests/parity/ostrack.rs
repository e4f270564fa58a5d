//! Plain OSTrack at full size: backbone, maps, boxes, losses, gradients, batch statistics, one step.

use crate::golden::{Comparison, Golden, Tolerance, absolute, floats, relative};
use crate::network::{head, mean_std, norm, recipe_model};
use crate::recipe;
use std::path::Path;
use tch::{Device, Kind, Tensor};
use trackflow::loss::{LossComponents, Target, Weights, heatmap, loss};
use trackflow::model::keep_rate::keep_rate;
use trackflow::model::{
    ClipInput, ClipOutput, Config, ForwardOptions, Hiptrack, Statistics, TemplateRange, resize_positions, template_rows,
};
use trackflow::train::experiment::Experiment;
use trackflow::train::network;
use trackflow::train::optimizer::{AdamW, AdamWOptions};

const EXACT: Tolerance = absolute(0.0);
/// Backbone features, values up to 7; and everything with batch statistics.
const FEATURES: Tolerance = absolute(2e-5);
/// Maps and boxes.
const MAPS: Tolerance = absolute(1e-5);
const LOSS: Tolerance = relative(1e-5);
const GRADIENT: Tolerance = relative(1e-3);

/// The experiment that ships with the program, which is the goldens'.
fn experiment() -> Experiment {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/ostrack/vitb_256_mae_ce_32x4_ep300.yaml");
    Experiment::read(&path, &[]).unwrap()
}

struct Case<'a> {
    golden: &'a Golden,
    model: Hiptrack,
    input: ClipInput,
    target: Target,
}

impl<'a> Case<'a> {
    fn new(golden: &'a Golden, seed: u64) -> Self {
        let config = network::config(&experiment());
        assert_eq!(config, Config::ostrack());
        let search = golden.fact("search_input").as_str().unwrap();
        let input = ClipInput {
            template: recipe::input("input.template", seed, &[2, 3, 128, 128]),
            search: recipe::input(search, seed, &[2, 3, 256, 256]).unsqueeze(0),
            // Nobody looks at them.
            template_boxes: Tensor::full([2, 4], f64::NAN, (Kind::Float, Device::Cpu)),
        };
        let boxes = golden.get("in.search_boxes_xywh").unsqueeze(0);
        let labels = Tensor::full([1, 2], -100, (Kind::Int64, Device::Cpu));
        let mut compare = Comparison::default();
        for (what, tensor) in [("template", &input.template), ("search", &input.search)] {
            compare.tensor(what, &head(tensor, 16), golden.get(&format!("in.{what}.head16")), EXACT);
        }
        compare.finish("inputs");
        Self { golden, model: recipe_model(&config, seed), input, target: Target { soft: None, boxes, labels } }
    }

    fn pass(&self, options: &ForwardOptions) -> (ClipOutput, LossComponents) {
        let output = self.model.forward(&self.input, options).unwrap();
        let components = loss(&output, &self.target, &Weights::reference()).unwrap();
        (output, components)
    }

    fn compare_forward(&self, tag: &str, output: &ClipOutput, tolerance: Tolerance, compare: &mut Comparison) {
        assert_eq!(output.frames.len(), 1);
        let frame = &output.frames[0];
        for (part, have) in [
            ("pred_boxes", &frame.boxes),
            ("score_map", &frame.score_map),
            ("size_map", &frame.size_map),
            ("offset_map", &frame.offset_map),
        ] {
            let key = format!("{tag}.{part}");
            compare.tensor(&key, have, self.golden.get(&key), tolerance);
        }
    }

    fn compare_losses(&self, tag: &str, components: &LossComponents, compare: &mut Comparison) {
        let part = |at: i64| floats(&components.per_frame.select(1, at))[0];
        let have = [part(0), part(1), part(2), components.objective.double_value(&[]), part(4)];
        compare.values(tag, &have, &self.golden.floats(&format!("{tag}.losses")), LOSS);
        let fact = &self.golden.fact(&format!("{tag}.losses"))["total"];
        compare.values(tag, &[components.report().unwrap().total], &[fact.as_f64().unwrap()], LOSS);
    }

    /// The backbone's own pass.
    fn compare_backbone(&self, tag: &str, keep_rate: f64, compare: &mut Comparison) {
        let golden = self.golden;
        let key = |part: &str| format!("backbone.{tag}.{part}");
        let (mut stats, mut counts) = (Vec::new(), Vec::new());
        let output = tch::no_grad(|| {
            let search = self.input.search.get(0);
            self.model.backbone_observed(&self.input.template, &search, &options(keep_rate), |tokens| {
                stats.extend(floats(&mean_std(&tokens.reshape([1, -1]))));
                counts.push(tokens.size()[1] as f64);
            })
        });
        compare.values(&key("stats"), &stats, &golden.floats(&key("block_mean_std")), FEATURES);
        compare.values(&key("tokens"), &counts, &golden.floats(&key("block_tokens")), EXACT);
        compare.tensor(&key("out"), &output.tokens, golden.get(&key("out")), FEATURES);
        let cuts = golden.under(&key("removed")).len();
        assert_eq!(output.removed.len(), cuts, "{tag}: cuts");
        for (layer, removed) in output.removed.iter().enumerate() {
            let key = key(&format!("removed{layer}.sorted"));
            compare.tensor(&key, &removed.sort(1, false).0, golden.get(&key), EXACT);
        }
    }

    /// The gradients of everything, and the names that they belong to.
    fn compare_gradients(
        &self,
        tag: &str,
        components: &LossComponents,
        compare: &mut Comparison,
    ) -> (Vec<String>, Vec<Tensor>) {
        let golden = self.golden;
        let names = golden.names("grad.param_names");
        let own: Vec<&str> = self.model.params().parameters().map(|(name, _)| name).collect();
        assert_eq!(names, own, "all parameters, in the reference's order");
        let inputs: Vec<&Tensor> = names.iter().map(|name| self.model.params().get(name).unwrap()).collect();
        let gradients = Tensor::run_backward(&[&components.objective], &inputs, false, false);
        let expected = golden.floats(&format!("{tag}.l2"));
        assert_eq!(expected.len(), names.len());
        let noise = golden.names("trainbn.grad.zero_in_theory");
        for ((name, gradient), expected) in names.iter().zip(&gradients).zip(expected) {
            let zero = tag == "trainbn.grad" && noise.contains(name);
            let tolerance = if zero { absolute(1e-3) } else { GRADIENT };
            compare.values(&format!("{tag} {name}"), &[norm(gradient)], &[expected], tolerance);
        }
        let without: Vec<_> =
            names.iter().zip(&gradients).filter(|(_, x)| !x.defined()).map(|(name, _)| name.clone()).collect();
        assert_eq!(without, golden.names("grad.without_gradient"));
        compare_heads(golden, &format!("{tag}.head16/"), &names, &gradients, compare);
        (names, gradients)
    }
}

/// The first values of those tensors that the goldens hold under `prefix`.
fn compare_heads(golden: &Golden, prefix: &str, names: &[String], tensors: &[Tensor], compare: &mut Comparison) {
    let watched = golden.under(prefix);
    assert_eq!(watched.len(), 9, "{prefix}");
    for name in watched {
        let at = names.iter().position(|candidate| candidate == name).unwrap();
        let expected = golden.floats(&format!("{prefix}{name}"));
        let largest = expected.iter().fold(0f64, |largest, value| largest.max(value.abs()));
        let have = floats(&head(&tensors[at], 16));
        compare.values(&format!("{prefix}{name}"), &have, &expected, absolute(1e-4 * largest));
    }
}

/// The reference's evaluation at a keep rate, with gradients.
fn options(keep_rate: f64) -> ForwardOptions {
    ForwardOptions { keep_rate: Some(keep_rate), ..ForwardOptions::evaluation() }
}

/// What needs no model: heat maps, positions, template tokens, schedules.
pub fn parts(golden: &Golden, seed: u64) {
    let mut compare = Comparison::default();
    let maps = heatmap::heatmap(golden.get("in.search_boxes_xywh"), 16);
    compare.tensor("heat maps", &maps, golden.get("target.score_map"), absolute(1e-6));
    let peaks: Vec<f64> = floats(&maps.eq(1.0).sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Int64));
    compare.values("peaks", &peaks, &[1.0, 1.0], EXACT);

    let pretrained = recipe::weight("backbone.pos_embed", seed, &[1, 197, 768]).narrow(1, 1, 196);
    for (part, grid) in [("z", 8), ("x", 16)] {
        let (key, resized) = (format!("pretrain.pos_embed_{part}"), resize_positions(&pretrained, grid));
        let first = resized.get(0).narrow(1, 0, 8);
        compare.tensor(&key, &first, golden.get(&format!("{key}.first8")), absolute(1e-7));
        let all = mean_std(&resized);
        compare.tensor(&key, &all, golden.get(&format!("{key}.mean_std")), absolute(1e-7));
    }

    let masks = golden.fact("masks").as_object().unwrap();
    for (range, name) in [(TemplateRange::CentrePoint, "CTR_POINT"), (TemplateRange::CentreRect, "CTR_REC")] {
        for size in [112, 128, 192, 224] {
            // The reference knows CTR_REC on no grid of 14.
            let Some(expected) = masks.get(&format!("{name}.{size}")).and_then(|rows| rows.get(0)) else {
                assert_eq!((name, size), ("CTR_REC", 224));
                continue;
            };
            let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
            let have = template_rows(range, size / 16).unwrap();
            let have: Vec<f64> = have.into_iter().map(|row| row as f64).collect();
            compare.values(&format!("{name}.{size}"), &have, &expected, EXACT);
        }
    }
    for warm in [50, 80] {
        let key = format!("keep_rate.start20_warm{warm}_base0.7");
        let expected: Vec<f64> = serde_json::from_value(golden.fact(&key).clone()).unwrap();
        let have: Vec<f64> = (0..expected.len() as u32).map(|epoch| keep_rate(epoch, 20, warm, 0.7)).collect();
        compare.values(&key, &have, &expected, absolute(1e-12));
    }
    for (layer, rate) in golden.fact("drop_path").as_object().unwrap() {
        let have = Config::ostrack().drop_path_at(layer.parse().unwrap());
        compare.values(&format!("drop-path {layer}"), &[have], &[rate.as_f64().unwrap()], absolute(1e-8));
    }
    schedule(golden, &mut compare);
    compare.finish("parts");
}

/// What the shipped experiment makes of learning rates and weight decay.
fn schedule(golden: &Golden, compare: &mut Comparison) {
    let training = experiment().training;
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    let optimizer = golden.fact("optimizer");
    let [phase] = training.phases.as_slice() else { panic!("one phase") };
    let have = [phase.lr, phase.lr * training.backbone_multiplier];
    for (at, lr) in have.into_iter().enumerate() {
        let group = &optimizer["groups"][at];
        let expected = [number(&group["lr"]), number(&group["weight_decay"])];
        compare.values(&format!("group {at}"), &[lr, training.weight_decay], &expected, relative(1e-12));
    }
    let (drop, gamma) = (number(&optimizer["step_size"]), number(&optimizer["gamma"]));
    let factors = [drop - 0.01, drop].map(|epoch| training.schedule.factor(epoch, phase.epochs));
    compare.values("schedule", &factors, &[1.0, gamma], relative(1e-12));
}

/// The model without elimination: backbone, forward, losses, gradients, and the step that they make.
pub fn keeping_all(golden: &Golden, seed: u64) {
    let case = Case::new(golden, seed);
    let mut compare = Comparison::default();
    case.compare_backbone("ce10", 1.0, &mut compare);
    let (output, components) = case.pass(&options(1.0));
    case.compare_forward("k10", &output, MAPS, &mut compare);
    case.compare_losses("k10", &components, &mut compare);
    drop(output);
    let (names, gradients) = case.compare_gradients("grad10", &components, &mut compare);
    step(&case, &names, &gradients, &mut compare);
    compare.finish("k10");
}

/// The same with elimination, without the step.
pub fn eliminating(golden: &Golden, seed: u64) {
    let case = Case::new(golden, seed);
    let mut compare = Comparison::default();
    case.compare_backbone("ce07", 0.7, &mut compare);
    let (output, components) = case.pass(&options(0.7));
    case.compare_forward("k07", &output, MAPS, &mut compare);
    case.compare_losses("k07", &components, &mut compare);
    drop(output);
    case.compare_gradients("grad07", &components, &mut compare);
    compare.finish("k07");
}

/// The whole model with batch statistics; nothing is frozen, nothing dropped.
pub fn batch_statistics(golden: &Golden, seed: u64) {
    let case = Case::new(golden, seed);
    let params = case.model.params();
    let options = ForwardOptions { statistics: Statistics::BatchAndUpdate, ..options(1.0) };
    let mut compare = Comparison::default();
    let (output, components) = case.pass(&options);
    case.compare_forward("trainbn", &output, FEATURES, &mut compare);
    case.compare_losses("trainbn", &components, &mut compare);
    drop(output);
    case.compare_gradients("trainbn.grad", &components, &mut compare);

    let names = golden.names("trainbn.buffer_names");
    let have: Vec<f64> = names.iter().map(|name| norm(params.get(name).unwrap())).collect();
    compare.values("buffers", &have, &golden.floats("trainbn.buffers_after.l2"), LOSS);
    let watched = golden.under("trainbn.buf/");
    assert_eq!(watched.len(), 4);
    for name in watched {
        compare.tensor(name, params.get(name).unwrap(), golden.get(&format!("trainbn.buf/{name}")), FEATURES);
    }
    let batches = golden.fact("trainbn.num_batches_tracked")[0].as_f64().unwrap();
    for (name, tensor, _) in params.iter().filter(|(name, ..)| name.ends_with(".num_batches_tracked")) {
        compare.values(name, &floats(tensor), &[batches], EXACT);
    }
    compare.finish("trainbn");
}

/// One AdamW step from `gradients`.
fn step(case: &Case<'_>, names: &[String], gradients: &[Tensor], compare: &mut Comparison) {
    let (golden, training) = (case.golden, experiment().training);
    let params = case.model.params();
    let parameter = |name: &String| params.get(name).unwrap();
    let before: Vec<Tensor> = names.iter().map(|name| parameter(name).detach().copy()).collect();
    let options = AdamWOptions {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: training.weight_decay,
        clip_norm: training.clip_norm,
    };
    let named = names.iter().map(|name| (name.clone(), parameter(name).shallow_clone())).collect();
    let mut optimizer = AdamW::new(options, named, Device::Cpu);
    let groups = &golden.fact("optimizer")["groups"];
    for (at, group) in [false, true].into_iter().enumerate() {
        let slots = optimizer.slots.iter().filter(|slot| slot.backbone == group);
        let (count, elements) = slots.fold((0, 0), |(n, sum), slot| (n + 1, sum + slot.parameter.numel()));
        let expected = ["tensors", "elements"].map(|key| groups[at][key].as_f64().unwrap());
        compare.values(&format!("group {at}"), &[f64::from(count), elements as f64], &expected, EXACT);
    }
    let lr = training.phases[0].lr;
    let backbone_lr = lr * training.backbone_multiplier;
    let update = optimizer.update(gradients, None, lr, backbone_lr).unwrap();
    compare.values("norm", &floats(&update.norm), &golden.floats("step.grad_total_norm"), relative(1e-4));
    // The first moment after one step is a tenth of the clipped gradient.
    let clipped: Vec<Tensor> = optimizer.slots.iter().map(|slot| &slot.exp_avg / (1.0 - 0.9)).collect();
    compare_heads(golden, "step.clipped_grad.head16/", names, &clipped, compare);

    let after: Vec<Tensor> = names.iter().map(|name| parameter(name).detach().shallow_clone()).collect();
    let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
    let deltas: Vec<Tensor> = before.iter().zip(&after).map(|(a, b)| double(b) - double(a)).collect();
    let [norms, new] = [&deltas, &after].map(|all| all.iter().map(norm).collect::<Vec<f64>>());
    compare.values("changes", &norms, &golden.floats("step.delta_l2"), relative(1e-2));
    compare.values("new", &new, &golden.floats("step.new_l2"), relative(1e-6));
    let all = norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt();
    compare.values("all changes", &[all], &golden.floats("step.delta_l2_all"), relative(1e-4));
    for name in golden.under("step.delta.head16/") {
        let at = names.iter().position(|candidate| candidate == name).unwrap();
        let rate = if name.starts_with("backbone.") { backbone_lr } else { lr };
        for (what, tensors) in [("delta", &deltas), ("new", &after)] {
            let key = format!("step.{what}.head16/{name}");
            compare.values(&key, &floats(&head(&tensors[at], 16)), &golden.floats(&key), absolute(5e-2 * rate));
        }
    }
}
