//! Turns a graph into workers with their channels.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};

use super::care::{Builder, Care, Recipe};
use super::notice::Tell;
use super::panics::guard;
use super::token::{Cancel, Parts, StopToken};
use super::turnstile::Turnstile;
use super::worker::{Work, Worker, of_stage, panicked};
use crate::channel::metered::{Receiver, Resizer, channel};
use crate::channel::order::{Inlet, Junction, Tail};
use crate::channel::outbox::{Outbox, Outlets, Route};
use crate::channel::queue::{End, Mouth, queue};
use crate::failure::{Failure, Result};
use crate::pipeline::graph::{Graph, Node};
use crate::stage::handling::Handling;
use crate::stage::item::Item;
use crate::stage::kind::{Role, World};
use crate::stats::report::{Board, ChannelMeter, StageMeter, StageStats};

/// The workers of one stage, and how to get more of them.
pub(crate) struct Crew {
    pub(crate) workers: Vec<Worker>,
    pub(crate) care: Arc<Care>,
    /// Only for stages that can have several workers. It holds ends of channels, so it must go when the stage ends.
    pub(crate) recruit: Option<Recruit>,
    pub(crate) cancel: Cancel,
    /// Whether it belongs to those that prepare, which are left behind when the run ends and they hang.
    pub(crate) prepares: bool,
}

/// Makes worker number n of a stage.
pub(crate) type Recruit = Box<dyn Fn(usize) -> Result<Worker> + Send>;

/// What all workers of a run have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) stop: StopToken,
    pub(crate) parts: Parts,
    pub(crate) tell: Tell,
    pub(crate) cores: usize,
    /// Where one stage works at a time.
    pub(crate) turnstile: Option<Arc<Turnstile>>,
}

/// The channels and permits of a graph before they are handed out.
struct Wires {
    /// Per stage and input.
    receivers: Vec<Vec<Option<Receiver<Item>>>>,
    outlets: Vec<Outlets>,
    /// Per stage: those of the segments that it heads.
    permits: Vec<Vec<Arc<Mouth<()>>>>,
    /// Per stage and input, for tails.
    releases: Vec<Vec<Option<End<()>>>>,
    sizes: Sizes,
}

/// What can change the capacities of a run, and keeps nothing open.
#[derive(Default)]
pub(crate) struct Sizes {
    /// Each channel with the stage that fills it.
    channels: Vec<(usize, Resizer<Item>)>,
    /// The permits of each segment, in the order of [`Graph::segments`].
    windows: Vec<Weak<Mouth<()>>>,
}

impl Sizes {
    /// Gives every channel the capacity that its stage has in `new`, and every segment its window, where `old` has another.
    pub(crate) fn change<C: World>(&self, old: &Graph<C>, new: &Graph<C>, cores: usize) {
        for (stage, channel) in &self.channels {
            let capacity = new.nodes()[*stage].capacity;
            if old.nodes()[*stage].capacity != capacity {
                channel.resize(capacity);
            }
        }
        let segments = old.segments(cores).into_iter().zip(new.segments(cores));
        for (window, (before, now)) in self.windows.iter().zip(segments) {
            if let Some(permits) = window.upgrade().filter(|_| before.window != now.window) {
                permits.resize(now.window);
            }
        }
    }
}

impl Wires {
    fn lay<C: World>(graph: &Graph<C>, common: &Common, saves: &[bool], board: &mut Board) -> Self {
        let token = |index: usize| if saves[index] { common.parts.saving() } else { common.parts.preparing() };
        let count = graph.nodes().len();
        let empty = |index: usize| graph.inputs(index).iter().map(|_| None).collect::<Vec<_>>();
        let mut wires = Self {
            receivers: (0..count).map(empty).collect(),
            outlets: Vec::with_capacity(count),
            permits: vec![Vec::new(); count],
            releases: (0..count).map(|index| graph.inputs(index).iter().map(|_| None).collect()).collect(),
            sizes: Sizes::default(),
        };
        for segment in graph.segments(common.cores) {
            let (mouth, end) = queue(segment.window);
            wires.sizes.windows.push(Arc::downgrade(&mouth));
            wires.permits[segment.head].push(mouth);
            wires.releases[segment.tail][segment.input] = Some(end);
        }
        for (index, node) in graph.nodes().iter().enumerate() {
            let mut senders = Vec::new();
            for consumer in graph.consumers(index) {
                let Some(input) = graph.inputs(consumer).iter().position(|&input| input == index) else { continue };
                let (sender, receiver, stats) = channel(node.capacity, &token(index));
                let receiver = match saves[consumer] && !saves[index] {
                    true => receiver.across(&token(consumer), &common.parts.cut),
                    false => receiver,
                };
                let to = graph.nodes()[consumer].id.clone();
                board.channels.push(ChannelMeter { from: node.id.clone(), to, stats });
                wires.receivers[consumer][input] = Some(receiver);
                wires.sizes.channels.push((index, sender.resizer()));
                senders.push((sender, leads_to_tail(graph, consumer)));
            }
            wires.outlets.push(Outlets { senders, handling: graph.handling(index) });
        }
        wires
    }
}

/// Whether an ordered stage waits for the numbers that `index` receives.
fn leads_to_tail<C: World>(graph: &Graph<C>, index: usize) -> bool {
    graph.nodes()[index].kind.ordered || graph.consumers(index).into_iter().any(|next| leads_to_tail(graph, next))
}

/// Which stages keep state, or stand behind one that does.
fn saving<C: World>(graph: &Graph<C>) -> Vec<bool> {
    let mut saves: Vec<bool> = graph.nodes().iter().map(|node| node.blueprint.keeps_state()).collect();
    // As often as the longest way may have stages.
    for _ in 0..saves.len() {
        for index in 0..saves.len() {
            saves[index] |= graph.inputs(index).iter().any(|&input| saves[input]);
        }
    }
    saves
}

/// Builds every worker of `graph`, in its order, the meters, and what changes capacities.
///
/// # Errors
/// The first stage that cannot be built, with its name.
pub(crate) fn wire<C: World>(graph: &Graph<C>, context: &Arc<C>, common: &Common) -> Result<(Vec<Crew>, Board, Sizes)> {
    let mut board = Board::default();
    let saves = saving(graph);
    let mut wires = Wires::lay(graph, common, &saves, &mut board);
    let mut crews = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        let stats = Arc::new(StageStats::new(common.turnstile.clone()));
        board.stages.push(StageMeter {
            id: node.id.clone(),
            kind: node.kind.name,
            workers: node.workers,
            inputs: graph.inputs(index).iter().map(|&input| graph.nodes()[input].id.clone()).collect(),
            stats: Arc::clone(&stats),
        });
        let care = Arc::new(Care {
            recipe: Recipe::new(builder(node, context)),
            handling: graph.inputs(index).first().map_or(Handling::NONE, |&input| graph.handling(input)),
            budget: graph.is_supervised(index).then_some(node.max_failures),
            target: AtomicUsize::new(node.workers),
        });
        let seat = Seat {
            id: node.id.clone(),
            kind: node.kind.name,
            role: node.kind.role(),
            is_head: graph.is_head(index),
            outlets: wires.outlets[index].clone(),
            permits: std::mem::take(&mut wires.permits[index]),
            stats,
            care: Arc::clone(&care),
            cancel: if saves[index] { common.parts.saving() } else { common.parts.preparing() },
            prepares: !saves[index],
            keeps_state: node.blueprint.keeps_state(),
            common: common.clone(),
        };
        let receivers: Vec<_> = wires.receivers[index].iter_mut().filter_map(Option::take).collect();
        let releases: Vec<_> = wires.releases[index].iter_mut().filter_map(Option::take).collect();
        crews.push(seat.crew(node, context, receivers, releases)?);
    }
    Ok((crews, board, wires.sizes))
}

fn builder<C: World>(node: &Node<C>, context: &Arc<C>) -> Builder {
    let (blueprint, context) = (Arc::clone(&node.blueprint), Arc::clone(context));
    Arc::new(move |index| blueprint.worker(&context, index))
}

/// Replaces the recipe of a stage by that of `node`.
pub(crate) fn renew<C: World>(care: &Care, node: &Node<C>, context: &Arc<C>) {
    care.recipe.replace(builder(node, context));
}

/// All that a worker of one stage needs but its work.
#[derive(Clone)]
struct Seat {
    id: String,
    kind: &'static str,
    role: Role,
    is_head: bool,
    outlets: Outlets,
    permits: Vec<Arc<Mouth<()>>>,
    stats: Arc<StageStats>,
    care: Arc<Care>,
    cancel: Cancel,
    prepares: bool,
    keeps_state: bool,
    common: Common,
}

impl Seat {
    fn crew<C: World>(
        self,
        node: &Node<C>,
        context: &Arc<C>,
        receivers: Vec<Receiver<Item>>,
        releases: Vec<End<()>>,
    ) -> Result<Crew> {
        let (care, cancel, prepares) = (Arc::clone(&self.care), self.cancel.clone(), self.prepares);
        let within = |failure: Failure| failure.within(format!("stage `{}`", node.id));
        if node.kind.role() == Role::Source {
            let source = match guard(|| node.blueprint.source(context)) {
                Ok(source) => source.map_err(within)?,
                Err(panic) => return Err(panicked(&self.id, self.kind, &panic)),
            };
            let worker = self.worker(0, Work::Source(source));
            return Ok(Crew { workers: vec![worker], care, recruit: None, cancel, prepares });
        }
        if node.kind.ordered {
            let handling = self.care.handling;
            let mut tails: Vec<Tail> =
                receivers.into_iter().zip(releases).map(|(receiver, release)| Tail::new(receiver, release)).collect();
            let inlet = match (node.blueprint.turns(), tails.len()) {
                (Some(turns), 2..) => Inlet::Merged(Junction::new(tails, &turns, handling)),
                _ => Inlet::Ordered(tails.pop().ok_or_else(|| within(Failure::stage("has no input")))?),
            };
            let stage = self.stage(0)?;
            let worker = self.worker(0, Work::Stage(stage, inlet));
            return Ok(Crew { workers: vec![worker], care, recruit: None, cancel, prepares });
        }
        let receiver = receivers.into_iter().next().ok_or_else(|| within(Failure::stage("has no input")))?;
        let recruit: Recruit = Box::new(move |index| {
            let stage = self.stage(index)?;
            Ok(self.worker(index, Work::Stage(stage, Inlet::Direct(receiver.clone()))))
        });
        let workers = (0..node.workers).map(&recruit).collect::<Result<_>>()?;
        let recruit = Some(recruit).filter(|_| node.kind.worker_limit() > 1);
        Ok(Crew { workers, care, recruit, cancel, prepares })
    }

    fn stage(&self, index: usize) -> Result<Box<dyn crate::stage::traits::Stage>> {
        self.care.recipe.build(index).map_err(|failure| of_stage(&self.id, self.kind, failure))
    }

    fn worker(&self, index: usize, work: Work) -> Worker {
        let route = match (self.role, self.is_head) {
            (Role::Sink, _) => Route::Nowhere,
            (_, true) => Route::Head { outlets: self.outlets.clone(), next: 0, permits: self.permits.clone() },
            _ => Route::Inner { outlets: self.outlets.clone(), slot: None },
        };
        Worker {
            id: self.id.clone(),
            kind: self.kind,
            index,
            work,
            outbox: Outbox::new(route, self.common.stop.clone(), self.cancel.clone(), Arc::clone(&self.stats)),
            stop: self.common.stop.clone(),
            cancel: self.cancel.clone(),
            keeps_state: self.keeps_state,
            stats: Arc::clone(&self.stats),
            care: Arc::clone(&self.care),
            tell: Arc::clone(&self.common.tell),
        }
    }
}
