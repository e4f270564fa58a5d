//! The whole model, and its pass over a batch of clips.

use super::clip::{ClipInput, ClipOutput, ForwardOptions, FrameOutput, StepSeed};
use super::config::{ClassInput, Config};
use super::film::Film;
use super::heads::{BoxHead, ConditionHead, ConditionPrediction, Tower};
use super::layers::Statistics;
use super::memory::MemoryEntry;
use super::params::{Params, Scope};
use super::prompts::PromptNetwork;
use super::towers::SideBySide;
use super::vit::{Backbone, BackboneOutput};
use crate::data::random::CounterRng;
use crate::failure::Result;
use crate::native;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, Tensor};

/// Sets the draws of dropout apart from all others of a run.
const DROPOUT: u64 = 0x6472_6F70_6F75_7400;

/// libtorch has one generator a process: whoever reseeds it holds this until its last draw.
static GENERATOR: Mutex<()> = Mutex::new(());

fn reseed(step: StepSeed) -> MutexGuard<'static, ()> {
    let guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(CounterRng::new(&[step.seed, step.step, DROPOUT]).bits() as i64);
    guard
}

/// HIPTrack, or without historical prompts OSTrack, each with or without a condition head.
#[derive(Debug)]
pub struct Hiptrack {
    config: Config,
    params: Params,
    backbone: Backbone,
    box_head: BoxHead,
    prompts: Option<PromptNetwork>,
    condition_head: Option<ConditionHead>,
    film: Option<Film>,
}

impl Hiptrack {
    /// A model with weights drawn from `seed`, on `device`. All its parameters are trainable.
    ///
    /// # Errors
    /// A configuration whose sizes do not fit.
    pub fn new(config: &Config, seed: u64, device: Device) -> Result<Self> {
        Self::with(Params::new(device), config, seed)
    }

    /// The names and shapes of a model's tensors, without the memory that these would take.
    ///
    /// # Errors
    /// A configuration whose sizes do not fit.
    pub fn sketch(config: &Config) -> Result<Params> {
        Ok(Self::with(Params::sketch(), config, 0)?.params)
    }

    fn with(mut params: Params, config: &Config, seed: u64) -> Result<Self> {
        config.check()?;
        let mut root = Scope::root(&mut params, seed);
        let dim = config.dim;
        let backbone = Backbone::new(root.at("backbone"), config);
        let box_head = BoxHead::new(root.at("box_head"), config);
        let prompts = config.prompts.as_ref().map(|prompts| PromptNetwork::new(&mut root, config, prompts));
        let condition_head =
            config.class_head.as_ref().map(|head| ConditionHead::new(root.at("cls_head"), config, head));
        let film = config.class_head.as_ref().filter(|head| head.film);
        let film = film.map(|head| Film::new(root.at("film"), dim, head));
        params.arrange()?;
        let config = config.clone();
        Ok(Self { config, params, backbone, box_head, prompts, condition_head, film })
    }

    /// The model's sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The model's tensors.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The historical prompt network; OSTrack has none.
    pub fn prompts(&self) -> Option<&PromptNetwork> {
        self.prompts.as_ref()
    }

    /// Follows the object through the search frames of each clip.
    ///
    /// The backbone sees all frames of all clips in one pass. With historical prompts the frames then follow each other:
    /// the first reads the template's memory, the later ones the memory of the search frames before them, written with
    /// the boxes predicted there. Gradients flow through the memory. Without, no frame knows of another: the heads see
    /// all of them in one pass too. Nothing waits for the device.
    ///
    /// # Errors
    /// Crops or boxes whose shape does not fit the configuration.
    pub fn forward(&self, input: &ClipInput, options: &ForwardOptions) -> Result<ClipOutput> {
        input.check(&self.config)?;
        let _generator = options.dropout.map(reseed);
        let _pass = native::Pass::begin();
        let on_gpu = self.params.device().is_cuda();
        let towers = self.centre_towers().filter(|_| on_gpu).map(SideBySide::new);
        let _sharing = self.share(input.frames() as usize, towers.as_ref())?;
        let features = self.backbone(&input.template, &input.search.flatten(0, 1), options);
        let search = self.search_features(&features);
        // What reads them converts them, each time anew.
        let half = on_gpu && native::autocast_is_on();
        let search = if half { search.to_kind(Kind::BFloat16) } else { search };
        let predicted = self.conditions(input, &features, options);
        let (frames, memory) = match &self.prompts {
            Some(prompts) => self.follow(prompts, input, (&features, &search), predicted, towers.as_ref(), options),
            None => (self.read_with(&search, predicted, towers.as_ref(), options).split(input.batch()), Vec::new()),
        };
        towers.map_or(Ok(()), |towers| towers.finish(options.statistics))?;
        Ok(ClipOutput { frames, tokens: features.tokens, removed: features.removed, memory })
    }

    /// On a GPU, parameters are converted once a pass and their gradients summed once, as every launch counts there. On a
    /// CPU nothing would be gained.
    fn share(&self, frames: usize, towers: Option<&SideBySide<'_>>) -> Result<Option<native::Sharing>> {
        if !self.params.device().is_cuda() {
            return Ok(None);
        }
        let each = if self.prompts.is_some() { frames } else { 1 };
        let uses = self.params.parameters().filter_map(|(name, tensor)| {
            let (layer, part) = name.rsplit_once('.')?;
            let weight = self.params.get(&format!("{layer}.weight"))?;
            let times = match name {
                _ if part != "weight" && part != "bias" => return None,
                _ if name.starts_with("backbone.patch_embed.") || name.starts_with("key_proj.") => 2,
                _ if name.starts_with("backbone.") || name.starts_with("key_comp.") => 1,
                _ if name.starts_with("cls_head.") => self.uses_of_condition_head(name, each),
                // These are used through their copies.
                _ if towers.is_some_and(|towers| towers.holds(name)) => return None,
                _ => each,
            };
            // Those of normalisations have one dimension.
            Some(native::Use { tensor, times, product: weight.dim() > 1 })
        });
        Ok(Some(native::Sharing::begin(
            &uses.chain(towers.into_iter().flat_map(|towers| towers.uses(each))).collect::<Vec<_>>(),
        )?))
    }

    /// The towers of the box head, where it is a centre head.
    pub(super) fn centre_towers(&self) -> Option<[&Tower; 3]> {
        self.box_head.centre_towers()
    }

    /// The condition head, where it reads the fused feature.
    fn fused_head(&self) -> Option<&ConditionHead> {
        self.condition_head.as_ref().filter(|head| head.tokens.input() == ClassInput::Fused)
    }

    /// Whether the conditions of all frames are predicted together, after the last: where they are read off the fused feature,
    /// no frame's box depends on its condition, and on a GPU. On a CPU the products of one frame and of several may differ
    /// in their last bits.
    fn tells_at_once(&self) -> bool {
        self.film.is_none() && self.params.device().is_cuda() && self.fused_head().is_some()
    }

    /// How often a pass over `frames` uses the parameter `name` of the condition head.
    fn uses_of_condition_head(&self, name: &str, frames: usize) -> usize {
        match self.fused_head() {
            // Template and search crops go through the stem one after the other.
            None if name.starts_with("cls_head.stem.") => 2,
            None => 1,
            Some(_) if self.tells_at_once() && !name.starts_with("cls_head.pooling.") => 1,
            Some(_) => frames,
        }
    }

    /// The conditions of all frames of `outputs`, read off their `features` `[B, C]`.
    fn tell(&self, outputs: &mut [FrameOutput], features: &[Tensor], options: &ForwardOptions) {
        let (Some(head), Some(first)) = (self.fused_head(), features.first()) else { return };
        let batch = first.size()[0];
        let predicted = head.forward(&Tensor::cat(features, 0), options.dropout.is_some()).split(batch);
        for (output, predicted) in outputs.iter_mut().zip(predicted) {
            (output.logits, output.severity) = (Some(predicted.logits), predicted.severity);
        }
    }

    /// One frame after the other, each with what is remembered of those before it.
    fn follow(
        &self,
        prompts: &PromptNetwork,
        input: &ClipInput,
        (features, search): (&BackboneOutput, &Tensor),
        predicted: Option<ConditionPrediction>,
        towers: Option<&SideBySide<'_>>,
        options: &ForwardOptions,
    ) -> (Vec<FrameOutput>, Vec<MemoryEntry>) {
        let (frames, batch) = (input.frames(), input.batch());
        let mut predicted = predicted.map(|predicted| predicted.split(batch)).into_iter().flatten();
        let (keys, values) = prompts.query(search);
        // Split once, not cut out frame by frame: the gradient of each cut would be as large as all of them.
        let [searches, keys, values] = [search, &keys, &values].map(|all| all.split(batch, 0));

        let template = self.template_features(features).narrow(0, 0, batch);
        let mut memory = vec![prompts.remember_template(&input.template, &input.template_boxes, &template, options)];
        let (mut outputs, mut read_later): (Vec<FrameOutput>, Vec<Tensor>) = (Vec::new(), Vec::new());
        for frame in 0..frames {
            let at = frame as usize;
            let (search, key, value) = (&searches[at], &keys[at], &values[at]);
            let read: Vec<_> = if frame == 0 { memory.iter().collect() } else { memory[1..].iter().collect() };
            let (fused, prompt) = prompts.fuse(search, key, value, &read);
            let output = match self.tells_at_once() {
                true => {
                    let pooled = mean(&fused);
                    read_later.extend(self.fused_head().map(|head| head.tokens.of_map(&fused, &pooled)));
                    self.located(&fused, pooled, None, towers, options)
                }
                false => self.read_with(&fused, predicted.next(), towers, options),
            };
            let output = FrameOutput { prompt: Some(prompt), ..output };
            if frame + 1 < frames {
                let removed: Vec<_> = features.removed.iter().map(|all| all.narrow(0, frame * batch, batch)).collect();
                let image = input.search.get(frame);
                let key = key.shallow_clone();
                memory.push(prompts.remember(&image, search, key, &output.boxes, &removed, options));
            }
            outputs.push(output);
        }
        self.tell(&mut outputs, &read_later, options);
        (outputs, memory)
    }

    /// The same pass without gradients, dropout or changes to the running statistics.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn evaluate(&self, input: &ClipInput, options: &ForwardOptions) -> Result<ClipOutput> {
        let (statistics, class_statistics) = (Statistics::Running, Statistics::Running);
        let options = ForwardOptions { dropout: None, statistics, class_statistics, recompute: false, ..*options };
        tch::no_grad(|| self.forward(input, &options))
    }

    /// The backbone's features of `template` `[B, 3, T, T]` and `search` `[N·B, 3, S, S]` (frame-major).
    pub fn backbone(&self, template: &Tensor, search: &Tensor, options: &ForwardOptions) -> BackboneOutput {
        self.backbone_observed(template, search, options, |_| ())
    }

    /// As [`backbone`](Self::backbone); `observe` is shown the tokens `[N·B, tokens left, C]` after each block.
    pub fn backbone_observed(
        &self,
        template: &Tensor,
        search: &Tensor,
        options: &ForwardOptions,
        observe: impl FnMut(&Tensor),
    ) -> BackboneOutput {
        match options.frozen_backbone {
            true => tch::no_grad(|| self.backbone.forward(template, search, options, false, observe)),
            false => self.backbone.forward(template, search, options, options.dropout.is_some(), observe),
        }
    }

    /// The search part of the backbone's features as maps `[B, C, G, G]`.
    pub fn search_features(&self, features: &BackboneOutput) -> Tensor {
        let (template, grid) = (self.config.template_grid(), self.config.search_grid());
        as_map(&features.tokens.narrow(1, template * template, grid * grid), grid)
    }

    /// The template part of the backbone's features as maps.
    pub fn template_features(&self, features: &BackboneOutput) -> Tensor {
        let grid = self.config.template_grid();
        as_map(&features.tokens.narrow(1, 0, grid * grid), grid)
    }

    /// The conditions of all frames `[N·B, ..]`, frame-major, of a head that reads the backbone's tokens; none of one that
    /// reads the fused feature.
    fn conditions(
        &self,
        input: &ClipInput,
        features: &BackboneOutput,
        options: &ForwardOptions,
    ) -> Option<ConditionPrediction> {
        self.conditions_of(&input.template, &input.search.flatten(0, 1), features, options)
    }

    /// The conditions of `search` `[N·B, 3, S, S]` (frame-major) and `template` `[B, 3, T, T]` with these `features`.
    pub(super) fn conditions_of(
        &self,
        template: &Tensor,
        search: &Tensor,
        features: &BackboneOutput,
        options: &ForwardOptions,
    ) -> Option<ConditionPrediction> {
        let head = self.condition_head.as_ref().filter(|head| head.tokens.input() == ClassInput::Tokens)?;
        let frames = search.size()[0] / template.size()[0];
        let own = head.tokens.own([template, search], options.class_statistics);
        let own = own.map(|[template, search]| Tensor::cat(&[template.repeat([frames, 1, 1]), search], 1));
        let pooled = head.tokens.of_tokens(&features.tokens, own.as_ref(), self.config.template_grid().pow(2));
        Some(head.forward(&pooled, options.dropout.is_some()))
    }

    /// Box, maps and logits of `fused` `[B, C, G, G]`: search features, joined by their prompt where there is one
    /// ([`PromptNetwork::fuse`]). A condition head that reads something else says nothing.
    pub fn read(&self, fused: &Tensor, options: &ForwardOptions) -> FrameOutput {
        self.read_with(fused, None, None, options)
    }

    /// The same, with the conditions `predicted` of the frame where its head does not read them off `fused`, and by the box
    /// head's `towers` where they are side by side.
    pub(super) fn read_with(
        &self,
        fused: &Tensor,
        predicted: Option<ConditionPrediction>,
        towers: Option<&SideBySide<'_>>,
        options: &ForwardOptions,
    ) -> FrameOutput {
        let pooled = mean(fused);
        let predicted = predicted.or_else(|| {
            let head = self.fused_head()?;
            Some(head.forward(&head.tokens.of_map(fused, &pooled), options.dropout.is_some()))
        });
        self.located(fused, pooled, predicted, towers, options)
    }

    /// The box of `fused`, whose mean is `pooled`, with the conditions `predicted` of it.
    fn located(
        &self,
        fused: &Tensor,
        pooled: Tensor,
        predicted: Option<ConditionPrediction>,
        towers: Option<&SideBySide<'_>>,
        options: &ForwardOptions,
    ) -> FrameOutput {
        let (logits, severity) =
            predicted.map_or((None, None), |predicted| (Some(predicted.logits), predicted.severity));
        let found = match (&self.film, &logits) {
            (Some(film), Some(logits)) => {
                self.box_head.forward(&film.forward(fused, logits), towers, options.statistics)
            }
            _ => self.box_head.forward(fused, towers, options.statistics),
        };
        FrameOutput {
            boxes: found.boxes,
            score_map: found.score,
            size_map: found.size,
            offset_map: found.offset,
            corners: found.corners,
            pooled,
            logits,
            severity,
            prompt: None,
        }
    }
}

/// The mean `[B, C]` f32 of a map `[B, C, G, G]`.
fn mean(map: &Tensor) -> Tensor {
    map.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
}

/// Tokens `[B, G², C]` as a map `[B, C, G, G]`.
fn as_map(tokens: &Tensor, grid: i64) -> Tensor {
    let (batch, width) = (tokens.size()[0], tokens.size()[2]);
    tokens.transpose(1, 2).reshape([batch, width, grid, grid])
}
