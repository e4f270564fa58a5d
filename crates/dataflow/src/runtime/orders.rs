//! What the actors of stages are told while a run goes on.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Addr, Message};

use super::policy::{Builder, WorkerPolicy};
use super::stage_actor::StageActor;

/// A message to the actor of one stage.
pub(crate) enum Order {
    /// Start the workers that are missing: the number that there are to be has changed. Those that are too many leave
    /// between two items.
    FillUp,
    /// Build workers like this; those that run change between two items.
    Rebuild(Builder),
}

impl Message for Order {
    type Result = ();
}

/// The way to the actors of a run. Who sends before they have started is heard when they do; who sends after they have
/// ended is not heard at all. Clones are one way.
#[derive(Clone)]
pub(crate) struct Orders {
    way: Arc<Mutex<Way>>,
    policies: Arc<[Arc<WorkerPolicy>]>,
}

enum Way {
    /// What waits for them, by stage.
    Waiting(Vec<(usize, Order)>),
    /// They are there, or were.
    Open(Vec<Addr<StageActor>>),
}

impl Orders {
    /// For the stages that are looked after by `policies`.
    pub(crate) fn new(policies: Vec<Arc<WorkerPolicy>>) -> Self {
        Self { way: Arc::new(Mutex::new(Way::Waiting(Vec::new()))), policies: policies.into() }
    }

    /// How many workers stage number `stage` is to have.
    pub(crate) fn workers(&self, stage: usize) -> usize {
        self.policies[stage].target.load(Ordering::Acquire)
    }

    /// Lets it have so many.
    pub(crate) fn scale(&self, stage: usize, workers: usize) {
        self.policies[stage].target.store(workers, Ordering::Release);
        self.send(stage, Order::FillUp);
    }

    /// Lets its workers be built by `builder`.
    pub(crate) fn rebuild(&self, stage: usize, builder: Builder) {
        self.send(stage, Order::Rebuild(builder));
    }

    fn send(&self, stage: usize, order: Order) {
        match &mut *self.way.lock().unwrap_or_else(PoisonError::into_inner) {
            Way::Waiting(orders) => orders.push((stage, order)),
            Way::Open(actors) => actors[stage].do_send(order),
        }
    }

    /// The actors have started.
    pub(super) fn open(&self, actors: Vec<Addr<StageActor>>) {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Way::Waiting(orders) = std::mem::replace(&mut *way, Way::Open(actors.clone())) {
            orders.into_iter().for_each(|(stage, order)| actors[stage].do_send(order));
        }
    }
}
