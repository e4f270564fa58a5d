//! Control of a run: an actix system with one supervisor and one actor per stage. No item passes through a mailbox.
//!
//! A [`StageActor`] starts the threads of its stage, receives one message from each at its end, joins it, and tells the
//! [`Supervisor`] when all are gone; where the stage is to have more workers than it has, it starts more. The supervisor
//! publishes the meters every second, watches for stalls, moves threads to where the flow needs them, and ends the
//! system after the last stage. Stopping needs no message: the sources read the [`crate::Shutdown`], the end of their
//! channels drains through.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, System};

use super::build::WorkerPool;
use super::notice::{Notice, Notify};
use super::policy::WorkerPolicy;
use super::run::{Run, Settings};
use super::scale::Scaler;
use super::shutdown::{Parts, Shutdown};
use super::stage_actor::StageActor;
use crate::stats::publish::Publisher;
use crate::stats::report::Board;
use crate::stats::stall::StallWatch;

/// How often the meters are published.
const TICK: Duration = Duration::from_secs(1);

/// How often a run that may not wait without end is looked at, and what threads have to go after they were asked to.
const HURRY: Duration = Duration::from_millis(100);

/// Starts all actors of `run` in the system of this thread.
pub(super) fn start(run: Run) -> Addr<Supervisor> {
    Supervisor::of(run).start()
}

pub(super) struct Supervisor {
    pools: Vec<WorkerPool>,
    policies: Vec<Arc<WorkerPolicy>>,
    /// The stages whose threads are to be waited for.
    running: Vec<bool>,
    prepares: Vec<bool>,
    ending: Ending,
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

/// How far the end of a run that may not wait without end has come.
struct Ending {
    grace: Option<Duration>,
    /// When it was asked to end.
    since: Option<Instant>,
    hurried: Option<Instant>,
}

impl Supervisor {
    fn of(run: Run) -> Self {
        let policies = run.policies();
        let Settings { notify, patience, cores, scaling_period, grace, waiting_for, .. } = run.settings;
        let any = run.scaling.iter().any(|scaling| scaling.auto);
        Self {
            running: vec![true; run.pools.len()],
            prepares: run.pools.iter().map(|pool| pool.prepares).collect(),
            ending: Ending { grace, since: None, hurried: None },
            pools: run.pools,
            policies,
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

    /// Sees to it that a run that is to end does: lets the stages that keep state finish when the grace is over, and does
    /// not wait for threads before them that hang.
    fn hurry(&mut self, context: &mut Context<Self>) {
        let (now, Ending { grace, since, hurried }) = (Instant::now(), &mut self.ending);
        let Some(grace) = *grace else { return };
        if since.is_none() && !self.stop.is_stopping() && self.parts.cause().is_none() {
            return;
        }
        let waited = now.saturating_duration_since(*since.get_or_insert(now));
        if waited < grace {
            return;
        }
        let Some(hurried) = *hurried else {
            *hurried = Some(now);
            self.parts.leave_preparing();
            return;
        };
        if now.saturating_duration_since(hurried) < HURRY {
            return;
        }
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
                self.policies[stage].target.store(workers, Ordering::Release);
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
        if self.ending.grace.is_some() {
            context.run_interval(HURRY, Self::hurry);
        }
        for (number, pool) in self.pools.drain(..).enumerate() {
            StageActor::new(number, pool, context.address()).start();
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.publisher.publish();
        System::current().stop();
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
