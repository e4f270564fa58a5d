//! Dashboards and alerts against the metrics that there are, and against a real Prometheus that scrapes a real run.
//! Debian's package `prometheus` has both programs that this needs; without it those tests are ignored and say so.

mod boards;
mod prometheus;

use crate::support::trial;
use libtest_mimic::Trial;

/// The tests, ignored where there is no Prometheus for them.
pub fn trials() -> Vec<Trial> {
    let there = prometheus::is_there();
    if !there {
        eprintln!("SKIPPED: prometheus and promtool are missing: sudo apt-get install prometheus");
    }
    let asked = std::env::var("TRACKFLOW_BOARDS").is_ok_and(|how| how == "check");
    if !asked {
        eprintln!("SKIPPED: boards are not compared with Grafana's schema of npm: TRACKFLOW_BOARDS=check");
    }
    vec![
        trial("dashboards::boards::grafana_accepts_the_boards", asked, boards::grafana_accepts_the_boards),
        trial(
            "dashboards::boards::checkpoints_and_validations_are_marked",
            true,
            boards::checkpoints_and_validations_are_marked,
        ),
        trial("dashboards::boards::every_metric_is_known_and_used", true, boards::every_metric_is_known_and_used),
        trial("dashboards::boards::boards_are_well_formed", true, boards::boards_are_well_formed),
        trial("dashboards::boards::every_alert_is_tested", true, boards::every_alert_is_tested),
        trial(
            "dashboards::prometheus::promtool_accepts_rules_and_settings",
            there,
            prometheus::promtool_accepts_rules_and_settings,
        ),
        trial("dashboards::prometheus::every_panel_shows_a_real_run", there, prometheus::every_panel_shows_a_real_run),
    ]
}
