//! What a program's stages are to the engine: the traits they implement (`traits`), the rows of the table of kinds
//! (`kind`, `kinds`) with their ports (`port`), items and what the engine may do with them (`item`, `item_ops`), and what an item
//! is made of, for plans (`element_spec`).

pub mod count;
pub(crate) mod element_spec;
pub(crate) mod item;
pub(crate) mod item_ops;
pub(crate) mod kind;
pub(crate) mod kinds;
pub(crate) mod port;
pub(crate) mod traits;
