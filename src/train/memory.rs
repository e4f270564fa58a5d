//! How much memory a training step takes, from the model's sizes: what is kept for the backward pass, layer by layer, and
//! what lives as long as the run.

use super::{
    experiment::{Experiment, Phase},
    network,
    tasks::TaskWeighting,
};
use crate::{
    failure::Result,
    model::{Config, Hiptrack, Params},
    native,
};

/// What the program and libtorch take by themselves: their code and tables, oneDNN's kernels and buffers, threads.
/// It is what a step of the smallest shipped experiment leaves beside its own few megabytes; on a GPU it is not in the
/// GPU's memory.
const PROGRAM: u64 = 170 << 20;

/// A part of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What takes it.
    pub what: &'static str,
    /// How it comes about.
    pub how: String,
    /// Bytes where the step computes.
    pub bytes: u64,
}

/// The memory of a training step in the phase that takes the most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepMemory {
    /// The phase.
    pub phase: String,
    /// What takes it, largest things named by themselves.
    pub parts: Vec<Taken>,
    /// Bytes in the host's memory of a copy of all tensors, which exists while a checkpoint is written.
    pub checkpoint: u64,
}

impl StepMemory {
    /// All of the step's own.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// The memory of a step of `experiment`, on a GPU or on the CPU.
///
/// # Errors
/// Sizes of the model that do not fit together.
pub fn step_memory(experiment: &Experiment, on_gpu: bool) -> Result<StepMemory> {
    let config = network::config(experiment);
    let params = Hiptrack::sketch(&config)?;
    let phases = experiment.training.phases.iter().map(|phase| of_phase(experiment, &config, &params, phase, on_gpu));
    let most = phases.max_by_key(StepMemory::bytes);
    Ok(most.unwrap_or_else(|| StepMemory { phase: String::new(), parts: Vec::new(), checkpoint: 0 }))
}

fn numbers(params: &Params, of: impl Fn(&str) -> bool) -> u64 {
    params.parameters().filter(|(name, _)| of(name)).map(|(_, tensor)| tensor.numel() as u64).sum()
}

fn of_phase(experiment: &Experiment, config: &Config, params: &Params, phase: &Phase, on_gpu: bool) -> StepMemory {
    let training = &experiment.training;
    let bf16 = training.precision.autocast;
    let model: u64 = params.iter().map(|(_, tensor, _)| 4 * tensor.numel() as u64).sum();
    let trained = numbers(params, |name| phase.trains(name));
    // One set of gradients is there when a step ends, one for each part that is computed beside others, one more where
    // parts follow each other; and those of both tasks, where they are compared or kept from opposing each other.
    let apart = training.weighting == TaskWeighting::PcGrad || training.analysis_interval > 0;
    let sets = training.replicas as u64 * if apart { 3 } else { 1 } + u64::from(training.accumulate > 1);
    let averaged = if training.ema_decay > 0.0 { model } else { 0 };
    let clips = training.clips_per_rank().div_ceil(training.accumulate.max(1)) as u64;
    let step = Step { config, params, phase, frames: experiment.data.search_frames as u64, bf16, on_gpu };
    let recompute = training.activation_checkpointing;
    let (kept, passing) = step.activations(recompute);
    let backbone = if step.trains("backbone.") { "backbone trains" } else { "backbone frozen" };
    let how = format!(
        "{clips} clips of {} search frames, {}, {backbone}{}",
        step.frames,
        if bf16 { "bfloat16" } else { "f32" },
        if recompute && step.trains("backbone.") { ", blocks computed again" } else { "" },
    );
    let millions = |count: u64| format!("{:.1} M numbers", count as f64 / 1e6);
    let mut parts = vec![
        Taken { what: "model", how: millions(model / 4), bytes: model },
        Taken { what: "gradients", how: format!("{sets} × {}", millions(trained)), bytes: 4 * sets * trained },
        Taken { what: "optimizer's moments", how: format!("2 × {}", millions(trained)), bytes: 8 * trained },
        Taken { what: "averaged weights", how: "TRAIN.EMA_DECAY".into(), bytes: averaged },
        Taken { what: "activations", how, bytes: clips * kept },
        Taken { what: "results in passing", how: "of the largest layer".into(), bytes: clips * passing },
        Taken {
            what: "weights made ready",
            how: step.ready().1.into(),
            bytes: training.replicas as u64 * step.ready().0,
        },
    ];
    if !on_gpu {
        parts.push(Taken { what: "program and libtorch", how: "code, tables, buffers".into(), bytes: PROGRAM });
    }
    parts.retain(|part| part.bytes > 0);
    StepMemory { phase: phase.name.clone(), parts, checkpoint: model + 8 * trained + averaged }
}

/// A training step in one phase.
struct Step<'a> {
    config: &'a Config,
    params: &'a Params,
    phase: &'a Phase,
    /// Search frames of a clip.
    frames: u64,
    bf16: bool,
    on_gpu: bool,
}

/// A convolution of the model.
struct Convolution<'a> {
    name: &'a str,
    from: u64,
    to: u64,
    /// Whether the program's own fast convolution does it, on the CPU (`native::convolution`).
    fast: bool,
}

impl Step<'_> {
    /// Whether any parameter trains whose name begins so.
    fn trains(&self, prefix: &str) -> bool {
        self.params.parameters().any(|(name, _)| name.starts_with(prefix) && self.phase.trains(name))
    }

    /// Bytes of a number that a product or a convolution gives.
    fn width(&self) -> u64 {
        if self.bf16 { 2 } else { 4 }
    }

    fn convolutions(&self) -> impl Iterator<Item = Convolution<'_>> {
        self.params.parameters().filter_map(|(name, tensor)| {
            let &[to, from, side, _] = tensor.size().as_slice() else { return None };
            let wide = side == 3 && from >= 256 && to >= 256;
            let fast = native::HAS_OWN && wide && !self.bf16 && !self.on_gpu;
            Some(Convolution { name, from: from as u64, to: to as u64, fast })
        })
    }

    /// Bytes per clip: kept from the forward to the backward pass, and the most that passes by beside it.
    fn activations(&self, recompute: bool) -> (u64, u64) {
        let (blocks, in_block) = self.backbone(recompute);
        let (prompts, in_layer) = self.maps();
        let (class, in_class) = self.class_blocks();
        (blocks + prompts + class + self.affinity(), in_block.max(in_layer).max(in_class))
    }

    /// Of the ViT. For each token a block keeps the inputs of both normalisations, their results (the inputs of the
    /// linear layers), queries, keys and values, the attention's result, and the MLP's hidden layer before and after
    /// its activation. Computed again, a block keeps its input alone, and one block's worth passes by. A frozen backbone
    /// keeps nothing; the hidden layer, twice, and the tokens pass by. The keep rate is taken as 1, as in the first
    /// epochs.
    fn backbone(&self, recompute: bool) -> (u64, u64) {
        let [input, block, in_passing] = self.block();
        let depth = self.config.depth as u64;
        match (self.trains("backbone."), recompute) {
            (false, _) => (input, in_passing),
            (true, false) => (depth * block + 2 * input, in_passing),
            (true, true) => (depth * input + 2 * input, block + in_passing),
        }
    }

    /// Of a block of the backbone, or of the condition head: its input, all that it keeps, and what passes by.
    fn block(&self) -> [u64; 3] {
        let (template, search) = (self.config.template_grid().pow(2), self.config.search_grid().pow(2));
        let tokens = self.frames * (template + search) as u64;
        let (dim, hidden) = (self.config.dim as u64, self.config.mlp_dim() as u64);
        // The inputs of normalisations stay f32 in every precision.
        let block = tokens * (2 * dim * 4 + (6 * dim + 2 * hidden) * self.width());
        [tokens * dim * 4, block, tokens * (2 * dim * 4 + 2 * hidden * self.width())]
    }

    /// Of the condition head's own blocks.
    fn class_blocks(&self) -> (u64, u64) {
        let blocks = self.config.class_head.as_ref().map_or(0, |head| head.blocks) as u64;
        let [input, block, in_passing] = self.block();
        match (blocks, self.trains("cls_head.")) {
            (0, _) => (0, 0),
            (_, false) => (input, in_passing),
            (_, true) => (blocks * block + 2 * input, in_passing),
        }
    }

    /// Of everything else, which works on maps: a convolution keeps its result for what follows (its normalisation, or
    /// its activation), a normalised one also what the activation makes of that; the first of a chain its input. The
    /// fast convolution's gradient is computed for all calls at once, until when it keeps the gradient of each result
    /// (`native/convolution.cpp`).
    fn maps(&self) -> (u64, u64) {
        let search = self.config.search_size as u64;
        let grid = self.config.search_grid() as u64;
        let prompts = ["HIP.", "key_proj.", "key_comp.", "searchRegionFusion."];
        let whole = self.trains("backbone.");
        let fused = whole || prompts.iter().any(|prefix| self.trains(prefix));
        let (mut kept, mut passing) = (0, 0);
        for convolution in self.convolutions().filter(|convolution| !convolution.name.starts_with("backbone.")) {
            let Convolution { name, from, to, fast } = convolution;
            let own = name.split('.').next().unwrap_or_default();
            let needed = self.trains(&format!("{own}."))
                || if prompts[..3].iter().any(|p| name.starts_with(p)) { whole } else { fused };
            let side = match name.strip_prefix("HIP.encoder.").and_then(|rest| rest.split('.').next()) {
                Some("conv1") => search / 2,
                Some("layer1") => search / 4,
                Some("layer2") => search / 8,
                _ => stem_layer(name).map_or(grid, |layer| search >> layer),
            };
            let normalised = name.starts_with("HIP.encoder.conv1")
                || name.starts_with("HIP.encoder.layer")
                || (["box_head.", "cls_head."].iter().any(|head| name.starts_with(head))
                    && name.ends_with(".0.weight"));
            let first = match name {
                "HIP.encoder.conv1.weight" => from * search * search,
                "HIP.encoder.fuser.block1.conv1.weight" | "searchRegionFusion.conv1.weight" => 2 * from * side * side,
                _ => 0,
            };
            let places = side * side;
            let results = to * places * (1 + u64::from(normalised) + u64::from(fast));
            if needed {
                kept += self.frames * (results + first) * self.width();
            }
            // The fast convolution's planes are four times the maps, and it sees all frames of a clip at once for the
            // gradient; libtorch's own unfolds nothing.
            let planes = if fast { 4 * self.frames } else { 1 };
            passing = passing.max((from + to) * places * planes * self.width());
        }
        if let Some(stem) = self.convolutions().find(|convolution| convolution.name == "HIP.encoder.conv1.weight") {
            // Its pooling keeps where each largest value was, in 8 bytes.
            let pooled = (search / 4).pow(2) * stem.to;
            kept += if whole || self.trains("HIP.") { self.frames * pooled * (8 + self.width()) } else { 0 };
        }
        (kept, passing)
    }

    /// Of the memory's readout: how much each place of a frame takes from each of the frames before it.
    fn affinity(&self) -> u64 {
        if !self.params.parameters().any(|(name, _)| name.starts_with("key_proj.")) {
            return 0;
        }
        let places = (self.config.search_grid() as u64).pow(2);
        // The first frame reads the template, the others all search frames before them.
        let entries = 1 + (1..self.frames).sum::<u64>();
        let newest = 2 * self.frames.saturating_sub(1).max(1);
        (entries + newest) * places * places * 4
    }

    /// Copies of weights in another form that live as long as a step.
    fn ready(&self) -> (u64, &'static str) {
        if self.bf16 {
            return (2 * numbers(self.params, |_| true), "bfloat16 copies");
        }
        let fast = self.convolutions().filter(|convolution| convolution.fast);
        // 16 numbers for the 9 of a kernel, and the gradient of one while it is computed.
        let sizes: Vec<u64> = fast.map(|convolution| 4 * 16 * convolution.from * convolution.to).collect();
        (sizes.iter().sum::<u64>() + sizes.iter().max().copied().unwrap_or(0), "for fast convolutions")
    }
}

/// Which of the condition head's own convolutions `name` belongs to, from 1.
fn stem_layer(name: &str) -> Option<u32> {
    name.strip_prefix("cls_head.stem.conv")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{settings::Node, train::experiment::HEADS};

    fn shipped(name: &str) -> Experiment {
        let path = format!("{}/configs/hiptrack/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        Experiment::from_node(&Node::parse(name, &std::fs::read_to_string(path).unwrap()).unwrap()).unwrap()
    }

    fn with(name: &str, clips: usize, frozen: bool, change: impl Fn(&mut Experiment)) -> StepMemory {
        let mut experiment = shipped(name);
        experiment.training.batch_size = clips;
        for phase in &mut experiment.training.phases {
            phase.trains = if frozen { HEADS.map(String::from).to_vec() } else { vec![String::new()] };
        }
        change(&mut experiment);
        step_memory(&experiment, false).unwrap()
    }

    /// Peaks that `trackflow bench step` measured on two cores, in bytes.
    #[test]
    fn a_step_takes_what_was_measured_within_a_quarter() {
        let again = |experiment: &mut Experiment| experiment.training.activation_checkpointing = true;
        let measured = [
            (with("hiptrack_cls", 1, true, |_| ()), 2_082_803_712),
            (with("hiptrack_cls", 2, true, |_| ()), 2_823_880_704),
            (with("hiptrack_cls", 1, false, |_| ()), 5_312_868_352),
            (with("hiptrack_cls", 1, false, again), 3_596_288_000),
            (with("demo", 16, true, |_| ()), 246_099_968),
            (with("demo", 16, false, |_| ()), 364_851_200),
            (with("demo", 4, true, |_| ()), 192_430_080u64),
            (with("demo", 4, false, |_| ()), 213_921_792),
        ];
        for (index, (step, bytes)) in measured.iter().enumerate() {
            let off = step.bytes() as f64 / *bytes as f64;
            assert!((0.75..=1.25).contains(&off), "{index}: {off} {step:#?}");
        }
    }

    #[test]
    fn every_choice_counts() {
        let plain = with("hiptrack_cls", 4, false, |_| ());
        let part = |step: &StepMemory, what: &str| step.parts.iter().find(|p| p.what == what).map_or(0, |p| p.bytes);
        let averaged = with("hiptrack_cls", 4, false, |e| e.training.ema_decay = 0.999);
        assert_eq!(averaged.bytes() - plain.bytes(), part(&plain, "model"));
        let halves = with("hiptrack_cls", 4, false, |e| e.training.accumulate = 2);
        assert_eq!(2 * part(&halves, "activations"), part(&plain, "activations"));
        let surgery = with("hiptrack_cls", 4, false, |e| e.training.weighting = TaskWeighting::PcGrad);
        assert_eq!(part(&surgery, "gradients"), 3 * part(&plain, "gradients"));
        let bf16 = with("hiptrack_cls", 4, false, |e| e.training.precision.autocast = true);
        assert!(part(&bf16, "activations") < part(&plain, "activations"));
        let mut gpu = shipped("hiptrack_cls");
        gpu.training.batch_size = 4;
        assert!(step_memory(&gpu, true).unwrap().parts.iter().all(|part| part.what != "program and libtorch"));
    }

    #[test]
    fn a_sketch_has_the_tensors_of_the_model() {
        let config = Config::small();
        let sketch = Hiptrack::sketch(&config).unwrap();
        let model = Hiptrack::new(&config, 1, tch::Device::Cpu).unwrap();
        let list = |params: &Params| params.iter().map(|(n, t, r)| (n.to_string(), t.size(), r)).collect::<Vec<_>>();
        assert_eq!(list(&sketch), list(model.params()));
    }
}
