//! A run from the outside: built from a graph, joined to its end.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actix::System;

use super::build::{Common, Sizes, WorkerPool, build_workers};
use super::control::Control;
use super::notice::{self, Notify};
use super::orders::Orders;
use super::scale::Scaling;
use super::shutdown::{Parts, Shutdown};
use super::supervisor;
use crate::failure::{Failure, Result};
use crate::pipeline::graph::Graph;
use crate::stage::kind::StageContext;
use crate::stats::report::{Board, RunOutcome};
use crate::stats::trace::Trace;

/// What a run is told beyond its graph.
#[derive(Clone)]
pub struct Settings {
    /// Hears what happens meanwhile.
    pub notify: Notify,
    /// How long nothing may move before the run says so.
    pub patience: Duration,
    /// Threads that stages with `workers: auto` may have in all.
    pub cores: usize,
    /// How often such stages are looked at.
    pub scaling_period: Duration,
    /// Whether one stage works at a time, which tells what each costs alone.
    pub one_at_a_time: bool,
    /// How long a run that stops or has failed waits for what is on its way. After that the stages that keep state
    /// ([`crate::StageConfig::keeps_state`]) finish with what they have, and threads before them that do not come back are
    /// left behind. `None`: as long as it takes.
    pub grace: Option<Duration>,
    /// Where it is recorded what workers do when.
    pub trace: Option<Arc<Trace>>,
    /// What the code of stages waits for outside of the flow at this moment, for messages.
    pub waiting_for: fn() -> Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            notify: notice::to_stderr(),
            patience: Duration::from_secs(120),
            cores: thread::available_parallelism().map_or(1, usize::from),
            scaling_period: Duration::from_secs(2),
            one_at_a_time: false,
            grace: None,
            trace: None,
            waiting_for: Vec::new,
        }
    }
}

/// A run whose stages are built and have not started.
pub struct Run {
    pub(super) pools: Vec<WorkerPool>,
    pub(super) board: Arc<Board>,
    pub(super) stop: Shutdown,
    pub(super) parts: Parts,
    pub(super) settings: Settings,
    pub(super) scaling: Vec<Scaling>,
    pub(super) orders: Orders,
    sizes: Arc<Sizes>,
}

impl Run {
    /// Builds every stage of `graph` on the calling thread.
    ///
    /// # Errors
    /// What the first stage says that cannot be built, with its name.
    pub fn build<C: StageContext>(graph: &Graph<C>, context: &Arc<C>, stop: Shutdown) -> Result<Self> {
        Self::build_with(graph, context, stop, Settings::default())
    }

    /// The same with other settings than the default.
    ///
    /// # Errors
    /// As for [`Run::build`].
    pub fn build_with<C: StageContext>(
        graph: &Graph<C>,
        context: &Arc<C>,
        stop: Shutdown,
        settings: Settings,
    ) -> Result<Self> {
        let parts = Parts::new();
        let common = Common {
            stop: stop.clone(),
            parts: parts.clone(),
            notify: Arc::clone(&settings.notify),
            cores: settings.cores,
            isolation: settings.one_at_a_time.then(Arc::default),
            trace: settings.trace.clone(),
        };
        let (pools, board, sizes) = build_workers(graph, context, &common)?;
        let scaling = graph
            .nodes()
            .iter()
            .map(|node| Scaling { auto: node.auto, most: node.most_workers(settings.cores) })
            .collect();
        let orders = Orders::new(pools.iter().map(|pool| Arc::clone(&pool.policy)).collect());
        Ok(Self { pools, board: Arc::new(board), stop, parts, settings, scaling, orders, sizes: Arc::new(sizes) })
    }

    /// The meters, to be read by others while the run goes on.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// A handle by which others change the run while it goes on.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.board), self.orders.clone(), Arc::clone(&self.sizes), self.settings.cores)
    }

    /// Runs to the end: until the sources are exhausted or `stop` is used and everything has drained, or a stage fails
    /// and all others have let go. No thread of the run is left afterwards, but those that hang beyond
    /// [`Settings::grace`].
    pub fn join(self) -> RunOutcome {
        let begin = Instant::now();
        let (board, stop, parts) = (self.board(), self.stop.clone(), self.parts.clone());
        let result = self.supervise();
        RunOutcome {
            result: parts.cause().map_or(result, |cause| Err(cause.clone())),
            stopped: stop.reason().cloned(),
            stages: board.stages(),
            channels: board.channels(),
            wall: begin.elapsed(),
        }
    }

    /// The actors need a system, and a thread can have only one: they get a thread of their own.
    fn supervise(self) -> Result<()> {
        let system = thread::Builder::new().name("supervisor".into()).spawn(move || {
            let system = System::new();
            system.block_on(async { supervisor::start(self) });
            system.run()
        });
        match system.map(JoinHandle::join) {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) | Err(error) => Err(Failure::stage(format!("the supervisor did not start: {error}"))),
            Ok(Err(_)) => Err(Failure::stage("the supervisor died")),
        }
    }
}

/// Builds and runs `graph`; blocks until all is over.
pub fn run<C: StageContext>(graph: &Graph<C>, context: &Arc<C>, stop: Shutdown) -> RunOutcome {
    match Run::build(graph, context, stop.clone()) {
        Ok(run) => run.join(),
        Err(failure) => RunOutcome {
            result: Err(failure),
            stopped: stop.reason().cloned(),
            stages: Vec::new(),
            channels: Vec::new(),
            wall: Duration::ZERO,
        },
    }
}
