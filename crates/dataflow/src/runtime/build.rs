//! Turns a graph into workers with their channels.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};

use super::isolate::Isolation;
use super::notice::Notify;
use super::panics::guard;
use super::policy::{Builder, WorkerFactory, WorkerPolicy};
use super::shutdown::{CancellationToken, Parts, Shutdown};
use super::worker::{Work, Worker, of_stage, panicked};
use crate::channel::emitter::{Emitter, Fanout, Route};
use crate::channel::metered::{Receiver, Resizer, channel};
use crate::channel::order::{MergeInput, StageInput, Tail};
use crate::channel::queue::{QueueReceiver, QueueSender, queue};
use crate::failure::{Failure, Result};
use crate::pipeline::graph::{Graph, Node};
use crate::stage::item::Item;
use crate::stage::item_ops::ItemOps;
use crate::stage::kind::{Role, StageContext};
use crate::stats::report::{Board, ChannelMeter, StageMeter, StageStats};
use crate::stats::trace::Trace;

/// The workers of one stage, and how to get more of them.
pub(crate) struct WorkerPool {
    pub(crate) workers: Vec<Worker>,
    pub(crate) policy: Arc<WorkerPolicy>,
    /// Only for stages that can have several workers. It holds ends of channels, so it must go when the stage ends.
    pub(crate) spawn_worker: Option<SpawnWorker>,
    pub(crate) cancellation: CancellationToken,
    /// Whether it belongs to those that prepare, which are left behind when the run ends and they hang.
    pub(crate) prepares: bool,
}

/// Makes worker number n of a stage.
pub(crate) type SpawnWorker = Box<dyn Fn(usize) -> Result<Worker> + Send>;

/// What all workers of a run have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) stop: Shutdown,
    pub(crate) parts: Parts,
    pub(crate) notify: Notify,
    pub(crate) cores: usize,
    /// Where one stage works at a time.
    pub(crate) isolation: Option<Arc<Isolation>>,
    /// Where it is recorded what workers do when.
    pub(crate) trace: Option<Arc<Trace>>,
}

/// The channels and permits of a graph before they are handed out.
struct Channels {
    /// Per stage and input.
    receivers: Vec<Vec<Option<Receiver<Item>>>>,
    fanout: Vec<Fanout>,
    /// Per stage: those of the segments that it heads.
    permits: Vec<Vec<Arc<QueueSender<()>>>>,
    /// Per stage and input, for tails.
    releases: Vec<Vec<Option<QueueReceiver<()>>>>,
    sizes: Sizes,
}

/// What can change the capacities of a run, and keeps nothing open.
#[derive(Default)]
pub(crate) struct Sizes {
    /// Each channel with the stage that fills it.
    channels: Vec<(usize, Resizer<Item>)>,
    /// The permits of each segment, in the order of [`Graph::segments`].
    windows: Vec<Weak<QueueSender<()>>>,
}

impl Sizes {
    /// Gives every channel the capacity that its stage has in `new`, and every segment its window, where `old` has another.
    pub(crate) fn change<C: StageContext>(&self, old: &Graph<C>, new: &Graph<C>, cores: usize) {
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

impl Channels {
    fn lay<C: StageContext>(graph: &Graph<C>, common: &Common, saves: &[bool], board: &mut Board) -> Self {
        let shutdown = |index: usize| if saves[index] { common.parts.saving() } else { common.parts.preparing() };
        let count = graph.nodes().len();
        let empty = |index: usize| graph.inputs(index).iter().map(|_| None).collect::<Vec<_>>();
        let mut channels = Self {
            receivers: (0..count).map(empty).collect(),
            fanout: Vec::with_capacity(count),
            permits: vec![Vec::new(); count],
            releases: (0..count).map(|index| graph.inputs(index).iter().map(|_| None).collect()).collect(),
            sizes: Sizes::default(),
        };
        for segment in graph.segments(common.cores) {
            let (queue_sender, queue_receiver) = queue(segment.window);
            channels.sizes.windows.push(Arc::downgrade(&queue_sender));
            channels.permits[segment.head].push(queue_sender);
            channels.releases[segment.tail][segment.input] = Some(queue_receiver);
        }
        for (index, node) in graph.nodes().iter().enumerate() {
            let mut senders = Vec::new();
            for consumer in graph.consumers(index) {
                let Some(input) = graph.inputs(consumer).iter().position(|&input| input == index) else { continue };
                let (sender, receiver, stats) = channel(node.capacity, &shutdown(index));
                let receiver = match saves[consumer] && !saves[index] {
                    true => receiver.across(&shutdown(consumer), &common.parts.cut),
                    false => receiver,
                };
                let to = graph.nodes()[consumer].id.clone();
                board.channels.push(ChannelMeter { from: node.id.clone(), to, stats });
                channels.receivers[consumer][input] = Some(receiver);
                channels.sizes.channels.push((index, sender.resizer()));
                senders.push((sender, leads_to_tail(graph, consumer)));
            }
            channels.fanout.push(Fanout { senders, item_ops: graph.item_ops(index) });
        }
        channels
    }
}

/// Whether an ordered stage waits for the numbers that `index` receives.
fn leads_to_tail<C: StageContext>(graph: &Graph<C>, index: usize) -> bool {
    graph.nodes()[index].kind.ordered || graph.consumers(index).into_iter().any(|next| leads_to_tail(graph, next))
}

/// Which stages keep state, or stand behind one that does.
fn saving<C: StageContext>(graph: &Graph<C>) -> Vec<bool> {
    let mut saves: Vec<bool> = graph.nodes().iter().map(|node| node.stage_config.keeps_state()).collect();
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
pub(crate) fn build_workers<C: StageContext>(
    graph: &Graph<C>,
    context: &Arc<C>,
    common: &Common,
) -> Result<(Vec<WorkerPool>, Board, Sizes)> {
    let mut board = Board::default();
    let saves = saving(graph);
    let mut channels = Channels::lay(graph, common, &saves, &mut board);
    let mut pools = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        let stats = Arc::new(StageStats::new(common.isolation.clone()));
        board.stages.push(StageMeter {
            id: node.id.clone(),
            kind: node.kind.name,
            workers: node.workers,
            inputs: graph.inputs(index).iter().map(|&input| graph.nodes()[input].id.clone()).collect(),
            stats: Arc::clone(&stats),
        });
        let policy = Arc::new(WorkerPolicy {
            factory: WorkerFactory::new(builder(node, context)),
            item_ops: graph.inputs(index).first().map_or(ItemOps::NONE, |&input| graph.item_ops(input)),
            budget: graph.is_supervised(index).then_some(node.max_failures),
            target: AtomicUsize::new(node.workers),
        });
        let worker_builder = WorkerBuilder {
            id: node.id.clone(),
            kind: node.kind.name,
            role: node.kind.role(),
            is_head: graph.is_head(index),
            fanout: channels.fanout[index].clone(),
            permits: std::mem::take(&mut channels.permits[index]),
            stats,
            policy: Arc::clone(&policy),
            cancellation: if saves[index] { common.parts.saving() } else { common.parts.preparing() },
            prepares: !saves[index],
            keeps_state: node.stage_config.keeps_state(),
            common: common.clone(),
        };
        let receivers: Vec<_> = channels.receivers[index].iter_mut().filter_map(Option::take).collect();
        let releases: Vec<_> = channels.releases[index].iter_mut().filter_map(Option::take).collect();
        pools.push(worker_builder.pool(node, context, receivers, releases)?);
    }
    Ok((pools, board, channels.sizes))
}

/// How the workers of `node` are built.
pub(crate) fn builder<C: StageContext>(node: &Node<C>, context: &Arc<C>) -> Builder {
    let (stage_config, context) = (Arc::clone(&node.stage_config), Arc::clone(context));
    Arc::new(move |index| stage_config.worker(&context, index))
}

/// All that a worker of one stage needs but its work.
#[derive(Clone)]
struct WorkerBuilder {
    id: String,
    kind: &'static str,
    role: Role,
    is_head: bool,
    fanout: Fanout,
    permits: Vec<Arc<QueueSender<()>>>,
    stats: Arc<StageStats>,
    policy: Arc<WorkerPolicy>,
    cancellation: CancellationToken,
    prepares: bool,
    keeps_state: bool,
    common: Common,
}

impl WorkerBuilder {
    fn pool<C: StageContext>(
        self,
        node: &Node<C>,
        context: &Arc<C>,
        receivers: Vec<Receiver<Item>>,
        releases: Vec<QueueReceiver<()>>,
    ) -> Result<WorkerPool> {
        let (policy, cancellation, prepares) = (Arc::clone(&self.policy), self.cancellation.clone(), self.prepares);
        let within = |failure: Failure| failure.within(format!("stage `{}`", node.id));
        if node.kind.role() == Role::Source {
            let source = match guard(|| node.stage_config.source(context)) {
                Ok(source) => source.map_err(within)?,
                Err(panic) => return Err(panicked(&self.id, self.kind, &panic)),
            };
            let worker = self.worker(0, Work::Source(source));
            return Ok(WorkerPool { workers: vec![worker], policy, spawn_worker: None, cancellation, prepares });
        }
        if node.kind.ordered {
            let item_ops = self.policy.item_ops;
            let mut tails: Vec<Tail> =
                receivers.into_iter().zip(releases).map(|(receiver, release)| Tail::new(receiver, release)).collect();
            let stage_input = match (node.stage_config.turns(), tails.len()) {
                (Some(turns), 2..) => StageInput::Merged(MergeInput::new(tails, &turns, item_ops)),
                _ => StageInput::Ordered(tails.pop().ok_or_else(|| within(Failure::stage("has no input")))?),
            };
            let stage = self.stage(0)?;
            let worker = self.worker(0, Work::Stage(stage, stage_input));
            return Ok(WorkerPool { workers: vec![worker], policy, spawn_worker: None, cancellation, prepares });
        }
        let receiver = receivers.into_iter().next().ok_or_else(|| within(Failure::stage("has no input")))?;
        let spawn_worker: SpawnWorker = Box::new(move |index| {
            let stage = self.stage(index)?;
            Ok(self.worker(index, Work::Stage(stage, StageInput::Direct(receiver.clone()))))
        });
        let workers = (0..node.workers).map(&spawn_worker).collect::<Result<_>>()?;
        let spawn_worker = Some(spawn_worker).filter(|_| node.kind.worker_limit() > 1);
        Ok(WorkerPool { workers, policy, spawn_worker, cancellation, prepares })
    }

    fn stage(&self, index: usize) -> Result<Box<dyn crate::stage::traits::Stage>> {
        self.policy.factory.build(index).map_err(|failure| of_stage(&self.id, self.kind, failure))
    }

    fn worker(&self, index: usize, work: Work) -> Worker {
        let route = match (self.role, self.is_head) {
            (Role::Sink, _) => Route::Nowhere,
            (_, true) => Route::Head { fanout: self.fanout.clone(), next: 0, permits: self.permits.clone() },
            _ => Route::Inner { fanout: self.fanout.clone(), slot: None },
        };
        let lane = self.common.trace.as_ref().map(|trace| trace.lane(format!("{} {index}", self.id)));
        let (stop, cancellation) = (self.common.stop.clone(), self.cancellation.clone());
        Worker {
            id: self.id.clone(),
            kind: self.kind,
            index,
            work,
            emitter: Emitter::new(route, stop, cancellation, Arc::clone(&self.stats), lane),
            stop: self.common.stop.clone(),
            cancellation: self.cancellation.clone(),
            keeps_state: self.keeps_state,
            stats: Arc::clone(&self.stats),
            policy: Arc::clone(&self.policy),
            notify: Arc::clone(&self.common.notify),
        }
    }
}
