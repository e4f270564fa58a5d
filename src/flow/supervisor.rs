//! Control of a run: an actix system with one supervisor and one actor per stage. No item passes through a mailbox.
//!
//! A [`StageActor`] starts the threads of its stage, receives one [`WorkerEnded`] from each, joins it, and tells the
//! [`Supervisor`] when all are gone; the supervisor publishes the meters every second and ends the system after the
//! last stage. Stopping needs no message: the source reads the [`StopToken`], the end of its channel drains through.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, System};

use super::graph::Graph;
use super::publish::Publisher;
use super::report::{Board, RunOutcome};
use super::token::{Cancel, StopToken};
use super::wire::{Crew, wire};
use super::worker::Worker;
use crate::failure::{Failure, Result};

/// How often the meters are published.
const TICK: Duration = Duration::from_secs(1);

/// A run whose stages are built and have not started.
pub struct Run {
    crews: Vec<Crew>,
    board: Arc<Board>,
    stop: StopToken,
    cancel: Cancel,
}

impl Run {
    /// Builds every stage of `graph` on the calling thread.
    ///
    /// # Errors
    /// What the first stage says that cannot be built, with its name.
    pub fn build<C>(graph: &Graph<C>, context: &C, stop: StopToken) -> Result<Self> {
        let cancel = Cancel::new();
        let (crews, board) = wire(graph, context, &stop, &cancel)?;
        Ok(Self { crews, board: Arc::new(board), stop, cancel })
    }

    /// The meters, to be read by others while the run goes on.
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Runs to the end: until the source is exhausted or `stop` is used and everything has drained, or a stage fails
    /// and all others have let go. No thread of the run is left afterwards.
    pub fn join(self) -> RunOutcome {
        let Self { crews, board, stop, cancel } = self;
        let begin = Instant::now();
        let result = supervise(crews, &board, &cancel);
        RunOutcome {
            result: cancel.cause().map_or(result, |cause| Err(cause.clone())),
            stopped: stop.reason().cloned(),
            stages: board.stages(),
            channels: board.channels(),
            wall: begin.elapsed(),
        }
    }
}

/// Builds and runs `graph`; blocks until all is over.
pub fn run<C>(graph: &Graph<C>, context: &C, stop: StopToken) -> RunOutcome {
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

/// The actors need a system, and a thread can have only one: they get a thread of their own.
fn supervise(crews: Vec<Crew>, board: &Arc<Board>, cancel: &Cancel) -> Result<()> {
    let (publisher, cancel) = (Publisher::new(Arc::clone(board)), cancel.clone());
    let system = thread::Builder::new().name("supervisor".into()).spawn(move || {
        let system = System::new();
        system.block_on(async { Supervisor { running: crews.len(), crews, publisher, cancel }.start() });
        system.run()
    });
    match system.map(JoinHandle::join) {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) | Err(error) => Err(Failure::stage(format!("the supervisor did not start: {error}"))),
        Ok(Err(_)) => Err(Failure::stage("the supervisor died")),
    }
}

struct Supervisor {
    crews: Vec<Crew>,
    running: usize,
    publisher: Publisher,
    cancel: Cancel,
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.publisher.publish();
        context.run_interval(TICK, |supervisor, _| supervisor.publisher.publish());
        for crew in self.crews.drain(..) {
            let actor = StageActor {
                supervisor: context.address(),
                cancel: self.cancel.clone(),
                waiting: crew,
                threads: Vec::new(),
                running: 0,
            };
            actor.start();
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.publisher.publish();
        System::current().stop();
    }
}

/// All threads of one stage are gone.
struct StageEnded;

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

struct StageActor {
    supervisor: Addr<Supervisor>,
    cancel: Cancel,
    waiting: Crew,
    threads: Vec<Option<JoinHandle<()>>>,
    running: usize,
}

impl Actor for StageActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        for worker in std::mem::take(&mut self.waiting) {
            self.spawn(worker, context.address());
        }
        self.end_if_alone(context);
    }
}

impl StageActor {
    fn spawn(&mut self, worker: Worker, stage: Addr<Self>) {
        let name = format!("{}/{}", worker.id, worker.index);
        let last_words = LastWords { stage, index: self.threads.len() };
        let thread = thread::Builder::new().name(name.clone()).spawn(move || {
            let _last_words = last_words;
            worker.run();
        });
        match thread {
            Ok(thread) => {
                self.threads.push(Some(thread));
                self.running += 1;
            }
            // The worker is dropped with its ends, so nobody may wait for it.
            Err(error) => self.cancel.cancel(Failure::stage(format!("cannot start the thread {name}: {error}"))),
        }
    }

    fn end_if_alone(&mut self, context: &mut Context<Self>) {
        if self.running == 0 {
            self.supervisor.do_send(StageEnded);
            context.stop();
        }
    }
}

/// Reports the end of a thread, however it ends.
struct LastWords {
    stage: Addr<StageActor>,
    index: usize,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        self.stage.do_send(WorkerEnded { index: self.index });
    }
}

/// A thread is about to be gone.
struct WorkerEnded {
    index: usize,
}

impl Message for WorkerEnded {
    type Result = ();
}

impl Handler<WorkerEnded> for StageActor {
    type Result = ();

    fn handle(&mut self, ended: WorkerEnded, context: &mut Self::Context) {
        let Some(thread) = self.threads.get_mut(ended.index).and_then(Option::take) else { return };
        if thread.join().is_err() {
            self.cancel.cancel(Failure::stage("a worker died without saying why"));
        }
        self.running -= 1;
        self.end_if_alone(context);
    }
}
