//! Who watches a run: its live page and the report (`cargo test --test watch live::`), dashboards and alerts
//! (`dashboards::`). Its own harness: what needs a browser or Prometheus counts as ignored where there is none.

mod dashboards;
mod live;
#[path = "../support/mod.rs"]
mod support;

use libtest_mimic::Arguments;

fn main() {
    let trials = live::trials().into_iter().chain(dashboards::trials()).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
