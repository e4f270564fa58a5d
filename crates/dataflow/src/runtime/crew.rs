//! The actor of one stage.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message};

use super::care::Care;
use super::supervisor::{StageEnded, Supervisor};
use super::token::Cancel;
use super::wire::{Crew, Recruit};
use super::worker::{Exit, Worker};
use crate::failure::Failure;

/// How often a stage looks whether it is to have more workers.
const RECRUITING: Duration = Duration::from_millis(50);

/// Starts, counts and joins the threads of one stage.
pub(super) struct StageActor {
    supervisor: Addr<Supervisor>,
    /// Its place in the pipeline.
    number: usize,
    cancel: Cancel,
    care: Arc<Care>,
    /// Holds ends of the stage's channels: while it is here, the stages behind cannot see the end.
    recruit: Option<Recruit>,
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
        self.end_if_alone(context);
        if self.recruit.is_some() {
            context.run_interval(RECRUITING, |stage, context| stage.fill_up(context));
        }
    }
}

impl StageActor {
    pub(super) fn new(number: usize, crew: Crew, supervisor: Addr<Supervisor>) -> Self {
        let Crew { workers: waiting, care, recruit, cancel, .. } = crew;
        Self { supervisor, number, cancel, care, recruit, waiting, threads: Vec::new(), running: 0 }
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
                self.cancel.cancel(Failure::stage(format!("cannot start the thread {name}: {error}")));
            }
        }
    }

    /// Starts workers until there are as many as there are to be.
    fn fill_up(&mut self, context: &mut Context<Self>) {
        for index in 0..self.care.target.load(Ordering::Acquire) {
            let Some(recruit) = &self.recruit else { return };
            if self.threads.get(index).is_some_and(Option::is_some) {
                continue;
            }
            match recruit(index) {
                Ok(worker) => self.spawn(worker, context.address()),
                Err(failure) => {
                    self.cancel.cancel(failure);
                }
            }
        }
    }

    fn end_if_alone(&mut self, context: &mut Context<Self>) {
        if self.running == 0 {
            self.recruit = None;
            self.supervisor.do_send(StageEnded(self.number));
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
        match thread.join() {
            Ok(Exit::TooMany) => {}
            Ok(Exit::Done) => self.recruit = None,
            Err(_) => {
                self.cancel.cancel(Failure::stage("a worker died without saying why"));
            }
        }
        self.running -= 1;
        self.end_if_alone(context);
    }
}
