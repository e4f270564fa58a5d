//! What stands between two stages: a bounded queue whose capacity can change (`queue`), metered (`metered`); one
//! output to several consumers (`emitter`), the source's order restored (`order`), several inputs merged (`merge`).

pub(crate) mod emitter;
pub mod merge;
pub(crate) mod metered;
pub(crate) mod order;
pub mod overhead;
pub(crate) mod queue;
