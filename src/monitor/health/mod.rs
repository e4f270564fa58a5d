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
        events::{Observer, Preview},
        experiment::Experiment,
        features::Features,
        means::BatchMetrics,
        run_event::{Advice, RunEvent},
    },
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// Watches a run, and tells other observers what it thinks of it.
pub struct Health {
    state: Mutex<(Vitals, BTreeSet<&'static str>)>,
    observer: Arc<dyn Observer>,
}

impl Health {
    /// Watches a run of `experiment`; advice goes to `observer`, and so do all events.
    pub fn new(experiment: &Experiment, observer: Arc<dyn Observer>) -> Self {
        Self { state: Mutex::new((Vitals::new(experiment), BTreeSet::new())), observer }
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
    pub fn recall(&self, events: impl Iterator<Item = RunEvent>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (vitals, given) = &mut *state;
        for event in events {
            match event {
                // Rules of other versions are none that could be given again.
                RunEvent::Advice(advice) => {
                    given.extend(RULES.iter().map(|rule| rule.name).find(|own| *own == advice.rule))
                }
                event => drop(vitals.add(&event)),
            }
        }
        let holds = |name: &&'static str| RULES.iter().any(|rule| rule.name == *name && (rule.look)(vitals).is_some());
        given.retain(|name| holds(name));
    }
}

impl Observer for Health {
    fn observe(&self, event: &RunEvent) {
        self.observer.observe(event);
        self.look(event);
    }

    fn batch(&self, event: &RunEvent, metrics: &BatchMetrics) {
        self.observer.batch(event, metrics);
        self.look(event);
    }

    fn preview(&self, clips: &Preview) {
        self.observer.preview(clips);
    }

    fn features(&self, features: &Features) {
        self.observer.features(features);
    }
}

impl Health {
    /// Takes in `event`, and gives the advice that there is now.
    fn look(&self, event: &RunEvent) {
        let mut advice: Vec<(&'static str, Advice)> = Vec::new();
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (vitals, given) = &mut *state;
            if !vitals.add(event) {
                return;
            }
            for rule in RULES {
                match (rule.look)(vitals) {
                    Some(found) if given.insert(rule.name) => advice.push((rule.name, found)),
                    Some(_) => {}
                    None => drop(given.remove(rule.name)),
                }
            }
        }
        for (rule, advice) in advice {
            metrics::counter!(names::HEALTH_ADVICE, "rule" => rule).increment(1);
            self.observer.observe(&RunEvent::Advice(advice));
        }
    }
}

#[cfg(test)]
mod tests;
