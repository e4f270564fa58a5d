//! Control of a run: an actix system with one supervisor and one actor per stage. No item passes through a mailbox.
//!
//! A [`StageActor`] starts the threads of its stage, receives one message from each at its end, joins it, and tells the
//! [`Supervisor`] when all are gone; it starts more workers, or has them rebuilt, when an [`Order`](super::orders::Order)
//! says so. The supervisor publishes the meters every second, watches for stalls, moves threads to where the flow needs
//! them, and ends the system after the last stage. At a stop or a failure it hears [`Ends`], by which its patience with
//! those that prepare begins to run out; the sources read the [`crate::Shutdown`] between two items, and the end of their
//! channels drains through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, System};

use super::build::WorkerPool;
use super::notice::{Notice, Notify};
use super::orders::Orders;
use super::run::{Run, Settings};
use super::scale::Scaler;
use super::shutdown::{Parts, Shutdown};
use super::stage_actor::StageActor;
use crate::stats::publish::Publisher;
use crate::stats::report::Board;
use crate::stats::stall::StallWatch;

/// How often the meters are published.
const TICK: Duration = Duration::from_secs(1);

/// What threads have to go after they were asked to.
const HURRY: Duration = Duration::from_millis(100);

/// Starts all actors of `run` in the system of this thread.
pub(super) fn start(run: Run) -> Addr<Supervisor> {
    Supervisor::of(run).start()
}

pub(super) struct Supervisor {
    pools: Vec<WorkerPool>,
    orders: Orders,
    /// The stages whose threads are to be waited for.
    running: Vec<bool>,
    prepares: Vec<bool>,
    /// How long a run that is to end waits for those that prepare.
    grace: Option<Duration>,
    /// Whether it is to end.
    ends: bool,
    board: Arc<Board>,
    publisher: Publisher,
    stall: StallWatch,
    scaler: Option<Scaler>,
    scaling_period: Duration,
    notify: Notify,
    stop: Shutdown,
    parts: Parts,
    waiting_for: fn() -> Vec<String>,
}

impl Supervisor {
    fn of(run: Run) -> Self {
        let Settings { notify, patience, cores, scaling_period, grace, waiting_for, .. } = run.settings;
        let any = run.scaling.iter().any(|scaling| scaling.auto);
        Self {
            running: vec![true; run.pools.len()],
            prepares: run.pools.iter().map(|pool| pool.prepares).collect(),
            grace,
            ends: false,
            pools: run.pools,
            orders: run.orders,
            publisher: Publisher::new(Arc::clone(&run.board)),
            stall: StallWatch::new(patience),
            scaler: any.then(|| Scaler::new(run.scaling, cores)),
            scaling_period,
            board: run.board,
            notify,
            stop: run.stop,
            parts: run.parts,
            waiting_for,
        }
    }

    fn watch(&mut self) {
        self.publisher.publish();
        if let Some(text) = self.stall.look(&self.board, Instant::now(), self.waiting_for) {
            (self.notify)(Notice::Warning(text));
        }
    }

    /// Does not wait any longer for threads of those that prepare, which hang.
    fn leave_hanging(&mut self, context: &mut Context<Self>) {
        let hanging: Vec<usize> =
            (0..self.running.len()).filter(|&stage| self.running[stage] && self.prepares[stage]).collect();
        if !hanging.is_empty() {
            let stages = self.board.stages();
            let names: Vec<String> = hanging.iter().map(|&stage| format!("`{}`", stages[stage].id)).collect();
            let mut text = format!("not waiting any longer for {}", names.join(" and "));
            for waits in (self.waiting_for)() {
                text.push_str(&format!("\n  {waits}"));
            }
            (self.notify)(Notice::Warning(text));
            hanging.iter().for_each(|&stage| self.running[stage] = false);
        }
        self.end_if_idle(context);
    }

    fn end_if_idle(&mut self, context: &mut Context<Self>) {
        if !self.running.contains(&true) {
            context.stop();
        }
    }

    fn scale(&mut self) {
        let Some(scaler) = &mut self.scaler else { return };
        for change in scaler.look(&self.board.stages(), Instant::now()) {
            for (stage, workers) in change.targets {
                self.orders.scale(stage, workers);
            }
            (self.notify)(Notice::Note(change.reason));
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.publisher.publish();
        context.run_interval(TICK, |supervisor, _| supervisor.watch());
        if self.scaler.is_some() {
            context.run_interval(self.scaling_period, |supervisor, _| supervisor.scale());
        }
        if self.grace.is_some() {
            let (at_stop, at_failure) = (context.address(), context.address());
            self.stop.on_stop(move || at_stop.do_send(Ends));
            self.parts.on_end(move || at_failure.do_send(Ends));
        }
        let pools = self.pools.drain(..).enumerate();
        let actors = pools.map(|(number, pool)| StageActor::new(number, pool, context.address()).start());
        self.orders.open(actors.collect());
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.publisher.publish();
        System::current().stop();
    }
}

/// The run is to end: it was asked to stop, or has failed.
struct Ends;

impl Message for Ends {
    type Result = ();
}

impl Handler<Ends> for Supervisor {
    type Result = ();

    /// Sees to it that the run does end: lets the stages that keep state finish when the grace is over, and does not wait
    /// for threads before them that hang.
    fn handle(&mut self, _: Ends, context: &mut Self::Context) {
        let Some(grace) = self.grace.filter(|_| !std::mem::replace(&mut self.ends, true)) else { return };
        context.run_later(grace, |supervisor, context| {
            supervisor.parts.leave_preparing();
            context.run_later(HURRY, Self::leave_hanging);
        });
    }
}

/// All threads of one stage are gone.
pub(super) struct StageEnded(pub(super) usize);

impl Message for StageEnded {
    type Result = ();
}

impl Handler<StageEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, StageEnded(stage): StageEnded, context: &mut Self::Context) {
        self.running[stage] = false;
        self.end_if_idle(context);
    }
}
