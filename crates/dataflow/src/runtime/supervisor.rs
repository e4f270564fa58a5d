//! Control of a run: an actix system with one supervisor and one actor per stage. No item passes through a mailbox.
//!
//! A [`StageActor`] starts the threads of its stage, receives one message from each at its end, joins it, and tells the
//! [`Supervisor`] when all are gone; where the stage is to have more workers than it has, it starts more. The supervisor
//! publishes the meters every second, watches for stalls, moves threads to where the flow needs them, and ends the
//! system after the last stage. Stopping needs no message: the sources read the [`crate::StopToken`], the end of their
//! channels drains through.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, System};

use super::care::Care;
use super::crew::StageActor;
use super::notice::{Notice, Tell};
use super::run::{Run, Settings};
use super::scale::Scaler;
use super::token::Cancel;
use super::wire::Crew;
use crate::stats::publish::Publisher;
use crate::stats::report::Board;
use crate::stats::stall::StallWatch;

/// How often the meters are published.
const TICK: Duration = Duration::from_secs(1);

/// Starts all actors of `run` in the system of this thread.
pub(super) fn start(run: Run) -> Addr<Supervisor> {
    Supervisor::of(run).start()
}

pub(super) struct Supervisor {
    crews: Vec<Crew>,
    cares: Vec<Arc<Care>>,
    running: usize,
    board: Arc<Board>,
    publisher: Publisher,
    stall: StallWatch,
    scaler: Option<Scaler>,
    scaling_period: Duration,
    tell: Tell,
    cancel: Cancel,
}

impl Supervisor {
    fn of(run: Run) -> Self {
        let cares = run.cares();
        let Settings { tell, patience, cores, scaling_period, .. } = run.settings;
        let any = run.scaling.iter().any(|scaling| scaling.auto);
        Self {
            running: run.crews.len(),
            crews: run.crews,
            cares,
            publisher: Publisher::new(Arc::clone(&run.board)),
            stall: StallWatch::new(patience),
            scaler: any.then(|| Scaler::new(run.scaling, cores)),
            scaling_period,
            board: run.board,
            tell,
            cancel: run.cancel,
        }
    }

    fn watch(&mut self) {
        self.publisher.publish();
        if let Some(text) = self.stall.look(&self.board, Instant::now()) {
            (self.tell)(Notice::Warning(text));
        }
    }

    fn scale(&mut self) {
        let Some(scaler) = &mut self.scaler else { return };
        for change in scaler.look(&self.board.stages(), Instant::now()) {
            for (stage, workers) in change.targets {
                self.cares[stage].target.store(workers, Ordering::Release);
            }
            (self.tell)(Notice::Note(change.reason));
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
        for crew in self.crews.drain(..) {
            StageActor::new(crew, context.address(), self.cancel.clone()).start();
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.publisher.publish();
        System::current().stop();
    }
}

/// All threads of one stage are gone.
pub(super) struct StageEnded;

impl Message for StageEnded {
    type Result = ();
}

impl Handler<StageEnded> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: StageEnded, context: &mut Self::Context) {
        self.running -= 1;
        if self.running == 0 {
            context.stop();
        }
    }
}
