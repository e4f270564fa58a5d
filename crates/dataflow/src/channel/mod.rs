//! What stands between two stages: a bounded queue whose capacity can change (`queue`), metered (`metered`); one
//! output to several consumers (`outbox`), the source's order restored (`order`), several inputs merged (`merge`).

pub mod merge;
pub(crate) mod metered;
pub(crate) mod order;
pub(crate) mod outbox;
pub mod overhead;
pub(crate) mod queue;
