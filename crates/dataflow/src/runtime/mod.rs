//! A pipeline that runs: threads that loop receive, process, send (`worker`), wired up by `wire`; an actor per stage
//! (`crew`) under the `supervisor`, which replace, add and rebuild workers (`care`, `control`, `scale`), and
//! end the run (`token`, `signals`).

pub(crate) mod care;
pub(crate) mod control;
mod crew;
pub(crate) mod notice;
pub(crate) mod panics;
pub(crate) mod run;
pub(crate) mod scale;
pub(crate) mod signals;
mod supervisor;
pub(crate) mod token;
pub(crate) mod turnstile;
pub(crate) mod wire;
mod worker;
