//! The actor of one stage.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message};

use super::build::{SpawnWorker, WorkerPool};
use super::orders::Order;
use super::policy::WorkerPolicy;
use super::shutdown::CancellationToken;
use super::supervisor::{StageEnded, Supervisor};
use super::worker::{Exit, Worker};
use crate::failure::Failure;

/// Starts, counts and joins the threads of one stage.
pub(super) struct StageActor {
    supervisor: Addr<Supervisor>,
    /// Its place in the pipeline.
    number: usize,
    cancellation: CancellationToken,
    policy: Arc<WorkerPolicy>,
    /// Holds ends of the stage's channels: while it is here, the stages behind cannot see the end.
    spawn_worker: Option<SpawnWorker>,
    waiting: Vec<Worker>,
    /// The threads by their worker's number.
    threads: Vec<Option<JoinHandle<Exit>>>,
    running: usize,
}

impl Actor for StageActor {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        for worker in std::mem::take(&mut self.waiting) {
            self.spawn(worker, context.address());
        }
        self.end_if_idle(context);
    }
}

impl StageActor {
    pub(super) fn new(number: usize, pool: WorkerPool, supervisor: Addr<Supervisor>) -> Self {
        let WorkerPool { workers: waiting, policy, spawn_worker, cancellation, .. } = pool;
        Self { supervisor, number, cancellation, policy, spawn_worker, waiting, threads: Vec::new(), running: 0 }
    }

    fn spawn(&mut self, worker: Worker, stage: Addr<Self>) {
        let (name, index) = (format!("{}/{}", worker.id, worker.index), worker.index);
        let last_words = LastWords { stage, index };
        let thread = thread::Builder::new().name(name.clone()).spawn(move || {
            let _last_words = last_words;
            worker.run()
        });
        match thread {
            Ok(thread) => {
                if self.threads.len() <= index {
                    self.threads.resize_with(index + 1, || None);
                }
                self.threads[index] = Some(thread);
                self.running += 1;
            }
            // The worker is dropped with its ends, so nobody may wait for it.
            Err(error) => {
                self.cancellation.cancel(Failure::stage(format!("cannot start the thread {name}: {error}")));
            }
        }
    }

    /// Starts workers until there are as many as there are to be.
    fn fill_up(&mut self, context: &mut Context<Self>) {
        for index in 0..self.policy.target.load(Ordering::Acquire) {
            let Some(spawn_worker) = &self.spawn_worker else { return };
            if self.threads.get(index).is_some_and(Option::is_some) {
                continue;
            }
            match spawn_worker(index) {
                Ok(worker) => self.spawn(worker, context.address()),
                Err(failure) => {
                    self.cancellation.cancel(failure);
                }
            }
        }
    }

    fn end_if_idle(&mut self, context: &mut Context<Self>) {
        if self.running == 0 {
            self.spawn_worker = None;
            self.supervisor.do_send(StageEnded(self.number));
            context.stop();
        }
    }
}

impl Handler<Order> for StageActor {
    type Result = ();

    fn handle(&mut self, order: Order, context: &mut Self::Context) {
        match order {
            Order::FillUp => self.fill_up(context),
            Order::Rebuild(builder) => self.policy.factory.replace(builder),
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
        match thread.join() {
            Ok(Exit::ScaledDown) => {}
            Ok(Exit::Done) => self.spawn_worker = None,
            Err(_) => {
                self.cancellation.cancel(Failure::stage("a worker died without saying why"));
            }
        }
        self.running -= 1;
        self.end_if_idle(context);
    }
}
