//! One target of `targets.rs`, named by TRACKFLOW_FUZZ, in libFuzzer's loop.

#![no_main]

mod targets;

use std::sync::OnceLock;
use targets::{Place, Target, target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    thread_local!(static PLACE: Place = Place::new());
    let chosen = CHOSEN.get_or_init(|| {
        let name = std::env::var("TRACKFLOW_FUZZ").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("TRACKFLOW_FUZZ={name}: no such target"))
    });
    PLACE.with(|place| (chosen.run)(place, bytes));
});
