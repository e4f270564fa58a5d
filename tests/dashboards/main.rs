//! Dashboards and alerts against the metrics that there are, and against a real Prometheus that scrapes a real run.
//! Debian's package `prometheus` has both programs that this needs; without it those tests are ignored and say so.

mod boards;
mod prometheus;
#[path = "../support/mod.rs"]
mod support;

use libtest_mimic::Arguments;
use support::trial;

fn main() {
    let there = prometheus::is_there();
    if !there {
        eprintln!("SKIPPED: prometheus and promtool are missing: sudo apt-get install prometheus");
    }
    let trials = vec![
        trial("boards::every_metric_is_known_and_used", true, boards::every_metric_is_known_and_used),
        trial("boards::boards_are_well_formed", true, boards::boards_are_well_formed),
        trial("boards::every_alert_is_tested", true, boards::every_alert_is_tested),
        trial(
            "prometheus::promtool_accepts_rules_and_settings",
            there,
            prometheus::promtool_accepts_rules_and_settings,
        ),
        trial("prometheus::every_panel_shows_a_real_run", there, prometheus::every_panel_shows_a_real_run),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
