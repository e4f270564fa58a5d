//! A pipeline that runs: threads that loop receive, process, send (`worker`), wired up by `build_workers`; an actor per stage
//! (`pool`) under the `supervisor`, which replace, add and rebuild workers (`policy`, `control`, `scale`) as
//! they are told (`orders`), and end the run (`shutdown`, `signals`).

pub(crate) mod build;
pub(crate) mod control;
pub(crate) mod isolate;
pub(crate) mod notice;
pub(crate) mod orders;
pub(crate) mod panics;
pub(crate) mod policy;
pub(crate) mod run;
pub(crate) mod scale;
pub(crate) mod shutdown;
pub(crate) mod signals;
mod stage_actor;
mod supervisor;
mod worker;
