//! The live page of a run: over HTTP, and as a browser draws it; and the report. The browser is Debian's package
//! `chromium`; without it those tests are ignored and say so.

mod browser;
mod http;
mod serve;

use crate::support::{self, Running, trial};
use libtest_mimic::Trial;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// A run that trains until it is dropped.
struct Run {
    child: Running,
    address: String,
}

impl Run {
    fn start(save_dir: &Path, settings: &[&str]) -> Self {
        let mut command = support::train(save_dir);
        command.args(["--set", "TRAIN.PHASES.joint.EPOCHS=100000"]).args(settings);
        let (process, address) = support::start(&mut command);
        Self { child: process, address }
    }

    fn status(&self) -> serde_json::Value {
        let (head, body) = support::get(&self.address, "/status.json");
        assert!(head.contains(" 200 ") && head.contains("application/json"), "{head}");
        serde_json::from_str(&body).unwrap()
    }

    /// The first status of which `done` is true.
    fn wait(&self, done: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let begin = Instant::now();
        loop {
            let status = self.status();
            if done(&status) {
                return status;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{status:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The tests, ignored where there is no browser for them.
pub fn trials() -> Vec<Trial> {
    let there = browser::is_there();
    if !there {
        eprintln!("SKIPPED: chromium is missing: sudo apt-get install chromium");
    }
    vec![
        trial("live::http::a_run_tells_where_it_is", true, http::a_run_tells_where_it_is),
        trial("live::http::a_run_that_goes_on_shows_its_past", true, http::a_run_that_goes_on_shows_its_past),
        trial("live::http::odd_and_huge_requests_are_refused", true, http::odd_and_huge_requests_are_refused),
        trial(
            "live::http::a_thousand_clients_of_bad_manners_hold_up_nobody",
            true,
            http::a_thousand_clients_of_bad_manners_hold_up_nobody,
        ),
        trial("live::http::another_address_is_warned_of", true, http::another_address_is_warned_of),
        trial("live::serve::finished_and_running_runs_are_shown", true, serve::finished_and_running_runs_are_shown),
        trial(
            "live::serve::the_page_draws_a_run_that_is_over_and_what_lies_beside_one",
            there,
            serve::the_page_draws_a_run_that_is_over_and_what_lies_beside_one,
        ),
        trial("live::browser::the_page_draws_a_run", there, browser::the_page_draws_a_run),
        trial("live::browser::a_report_fits_desks_and_phones", there, browser::a_report_fits_desks_and_phones),
    ]
}
