//! A transformer block of the backbone: attention, candidate elimination, MLP; kept for the backward pass or computed
//! again in it.

use super::config::Config;
use super::drop_path::DropPath;
use super::elimination::{Cut, cut, kept_count, take_tokens};
use super::init::Init;
use super::layers::{LayerNorm, Linear, attention};
use super::params::Scope;
use crate::native;
use std::sync::{Arc, OnceLock};
use tch::Tensor;

const ZERO: Init = Init::Constant(0.0);

/// timm's 0.02 for the linear layers of ViT-B, and for other widths what keeps their outputs as large as there: with
/// 0.02 the blocks of a narrow ViT would start as next to nothing.
fn linear(dim: i64) -> Init {
    Init::Normal(0.02 * (768.0 / dim as f64).sqrt())
}

/// The tokens on their way through the blocks.
pub(super) struct Stream {
    pub tokens: Tensor,
    /// How many of them are template tokens; they come first.
    pub template: i64,
    /// `[B, search tokens left]` i64: their places in the full grid. None while all are there in order.
    pub places: Option<Tensor>,
    /// Per eliminating block `[B, n]` i64: what it dropped, by place in the full grid.
    pub removed: Vec<Tensor>,
}

impl Stream {
    /// How many search tokens are left.
    pub fn search(&self) -> i64 {
        self.tokens.size()[1] - self.template
    }

    /// Remembers the places of what a block dropped, and of what is left.
    fn note(&mut self, cut: Cut) {
        let place = |index: Tensor| match &self.places {
            Some(places) => places.gather(1, &index, false),
            None => index,
        };
        self.removed.push(place(cut.removed));
        self.places = Some(place(cut.kept));
    }
}

/// What a pass over the blocks is asked for.
pub(super) struct Pass<'a> {
    /// Overrules the blocks' own rates.
    pub keep_rate: Option<f64>,
    /// Whether drop-path is on.
    pub stochastic: bool,
    /// Whether the blocks' inner results are computed again for the backward pass instead of being kept.
    pub recompute: bool,
    /// The template tokens whose attention ranks the search tokens; none for all.
    pub rows: Option<&'a [i64]>,
}

/// What a block does in one pass beyond what its weights say.
struct Plan {
    /// Which samples keep attention and MLP.
    drops: [DropPath; 2],
    /// How many tokens are the template's.
    template: i64,
    /// How many search tokens stay; none for all.
    keep: Option<i64>,
    /// Which those are.
    cut: OnceLock<Cut>,
    /// The template tokens whose attention decides that; none for all.
    rows: Option<Vec<i64>>,
}

/// A block with its plan, to be computed again by whatever thread of libtorch runs the backward pass.
struct RecomputedBlock {
    block: Arc<Block>,
    plan: Plan,
}

// SAFETY: a plan's one thing that is written, the cut, is behind a lock and there after the first pass; from then on
// its tensors are only read, and their reference counts are atomic in libtorch.
unsafe impl Sync for RecomputedBlock {}

impl RecomputedBlock {
    fn of(&self, tokens: &Tensor) -> Tensor {
        self.block.through(tokens, &self.plan)
    }
}

#[derive(Debug)]
pub(super) struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: i64,
    drop_path: f64,
    /// The share of search tokens that this block keeps; 1 for a block that eliminates none.
    keep: f64,
}

// SAFETY: a pass only reads the parameters, whose reference counts are atomic in libtorch; they are written when no pass
// is under way.
unsafe impl Sync for Block {}

impl Block {
    pub fn new(mut scope: Scope<'_>, config: &Config, layer: usize) -> Self {
        let Config { dim, heads, .. } = *config;
        let elimination = &config.elimination;
        let keep = elimination.layers.iter().position(|&l| l == layer).map_or(1.0, |at| elimination.keep[at]);
        Self {
            norm1: LayerNorm::new(scope.at("norm1"), dim),
            qkv: Linear::new(scope.at("attn.qkv"), dim, 3 * dim, linear(dim), ZERO),
            proj: Linear::new(scope.at("attn.proj"), dim, dim, linear(dim), ZERO),
            norm2: LayerNorm::new(scope.at("norm2"), dim),
            fc1: Linear::new(scope.at("mlp.fc1"), dim, config.mlp_dim(), linear(dim), ZERO),
            fc2: Linear::new(scope.at("mlp.fc2"), config.mlp_dim(), dim, linear(dim), ZERO),
            heads,
            drop_path: config.drop_path_at(layer),
            keep,
        }
    }

    /// What this pass draws and drops in this block, before anything is computed.
    fn plan(&self, stream: &Stream, pass: &Pass<'_>) -> Plan {
        let rate = if pass.stochastic { self.drop_path } else { 0.0 };
        let (samples, search) = (stream.tokens.size()[0], stream.search());
        // The rate of the pass overrules that of the block, but only in a block that eliminates at all.
        let keep = if self.keep < 1.0 { kept_count(search, pass.keep_rate.unwrap_or(self.keep)) } else { search };
        Plan {
            drops: [DropPath::draw(samples, rate), DropPath::draw(samples, rate)],
            template: stream.template,
            keep: (keep < search).then_some(keep),
            rows: pass.rows.map(<[i64]>::to_vec),
            cut: OnceLock::new(),
        }
    }

    /// Takes the tokens through the block.
    pub fn forward(self: &Arc<Self>, stream: &mut Stream, pass: &Pass<'_>) {
        let plan = self.plan(stream, pass);
        let cut = if pass.recompute {
            let part = Arc::new(RecomputedBlock { block: self.clone(), plan });
            let again = part.clone();
            stream.tokens = native::recompute(&stream.tokens, &self.parameters(), move |tokens| again.of(tokens));
            part.plan.cut.get().cloned()
        } else {
            stream.tokens = self.through(&stream.tokens, &plan);
            plan.cut.into_inner()
        };
        if let Some(cut) = cut {
            stream.note(cut);
        }
    }

    /// What becomes of `tokens`. The first time, the plan learns which of them were dropped; from then on it says so.
    fn through(&self, tokens: &Tensor, plan: &Plan) -> Tensor {
        let [attention, mlp] = &plan.drops;
        let tokens = match plan.keep {
            None => attention.add(tokens, |tokens| self.attend(&self.norm1.forward(tokens)).0),
            Some(keep) => {
                // Every sample's queries and keys rank its candidates, whether or not its path is dropped.
                let (attended, query, key) = self.attend(&self.norm1.forward(tokens));
                let tokens = attention.add_scaled(tokens, attended);
                let cut = plan.cut.get_or_init(|| {
                    let query = match &plan.rows {
                        Some(rows) => {
                            Tensor::cat(&rows.iter().map(|&at| query.narrow(2, at, 1)).collect::<Vec<_>>(), 2)
                        }
                        None => query.narrow(2, 0, plan.template),
                    };
                    cut(&query, &key, plan.template, keep)
                });
                let search = tokens.narrow(1, plan.template, tokens.size()[1] - plan.template);
                Tensor::cat(&[tokens.narrow(1, 0, plan.template), take_tokens(&search, &cut.kept)], 1)
            }
        };
        mlp.add(&tokens, |tokens| self.fc2.forward(&self.fc1.forward(&self.norm2.forward(tokens)).gelu("none")))
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let Self { norm1, qkv, proj, norm2, fc1, fc2, .. } = self;
        let norms = [norm1, norm2].map(LayerNorm::parameters);
        norms.into_iter().chain([qkv, proj, fc1, fc2].map(Linear::parameters)).flatten().collect()
    }

    /// Multi-head self-attention of `x` `[B, N, C]`: the result, and queries and keys `[B, heads, N, head_dim]`.
    fn attend(&self, x: &Tensor) -> (Tensor, Tensor, Tensor) {
        let size = x.size();
        let (batch, count, width) = (size[0], size[1], size[2]);
        let qkv = self.qkv.forward(x).view([batch, count, 3, self.heads, width / self.heads]).permute([2, 0, 3, 1, 4]);
        // Not `get(0)` to `get(2)`: the gradient of each would be as large as all three.
        let [query, key, value] =
            <[Tensor; 3]>::try_from(qkv.unbind(0)).unwrap_or_else(|_| unreachable!("three parts"));
        let joined = attention(&query, &key, &value);
        (self.proj.forward(&joined), query, key)
    }
}
