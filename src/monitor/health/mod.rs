//! Health advice: what the numbers of a run suggest, while it goes on.
//!
//! [`Vitals`] gathers numbers from events, [`rules`] are pure functions of them, [`Health`] says what they find: once,
//! and again only after it was no longer so. A run that goes on has the numbers of its earlier calls from its log.

mod price;
mod rules;
mod vitals;

pub use price::{Baseline, Price};
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

    /// The same, which compares validations with those of `baseline`.
    pub fn beside(self, baseline: Option<Baseline>) -> Self {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0.baseline = baseline;
        self
    }
}

impl Health {
    /// Takes in the events of earlier calls of the run. Nothing is said of them; what was said then and is still so is
    /// not said again.
    pub fn recall(&self, events: impl Iterator<Item = Event>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (vitals, given) = &mut *state;
        for event in events {
            match event {
                Event::Advice(advice) => drop(given.insert(advice.rule)),
                event => drop(vitals.add(&event)),
            }
        }
        let holds = |name: &&'static str| RULES.iter().any(|rule| rule.name == *name && (rule.look)(vitals).is_some());
        given.retain(|name| holds(name));
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
