//! Tests through the program, each in processes of its own; one file a subject (`cargo test --test program faults::`).

mod data;
mod docs;
mod faults;
mod fuzz;
mod gpu_check;
mod installed;
mod library;
mod limits;
mod logs;
mod mistakes;
mod modes;
mod old_run;
mod ostrack;
mod pipelines;
mod ranks;
mod repeatable;
mod schedules;
mod soak;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
mod sweep;
mod tasks;
mod terminal;
mod tracking;
mod watchers;
mod weights;
