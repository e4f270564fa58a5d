//! Health advice: what the numbers of a run suggest, while it goes on.
//!
//! [`Vitals`] gathers numbers from events, [`rules`] are pure functions of them, [`Health`] says what they find: once,
//! and again only after it was no longer so.

mod rules;
mod vitals;

pub use rules::{RULES, Rule};
pub use vitals::{Epoch, Vitals};

use crate::{
    telemetry::names,
    train::{
        events::{Event, Observer},
        experiment::Experiment,
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// Watches a run, and tells other observers what it thinks of it.
pub struct Health {
    state: Mutex<(Vitals, BTreeSet<&'static str>)>,
    tell: Arc<dyn Observer>,
}

impl Health {
    /// Watches a run of `experiment`; advice goes to `tell`, and so do all events.
    pub fn new(experiment: &Experiment, tell: Arc<dyn Observer>) -> Self {
        Self { state: Mutex::new((Vitals::new(experiment), BTreeSet::new())), tell }
    }
}

impl Observer for Health {
    fn observe(&self, event: &Event) {
        self.tell.observe(event);
        let mut advice = Vec::new();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (vitals, given) = &mut *state;
            if !vitals.add(event) {
                return;
            }
            for rule in RULES {
                match (rule.look)(vitals) {
                    Some(found) if given.insert(rule.name) => advice.push(found),
                    Some(_) => {}
                    None => drop(given.remove(rule.name)),
                }
            }
        }
        for advice in advice {
            metrics::counter!(names::HEALTH_ADVICE, "rule" => advice.rule).increment(1);
            self.tell.observe(&Event::Advice(advice));
        }
    }
}

#[cfg(test)]
mod tests;
