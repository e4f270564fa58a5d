//! What a program's stages are to the engine: the traits they implement (`traits`), the rows of the table of kinds
//! with their ports (`kind`), items and what the engine may do with them (`item`, `handling`), and what an item
//! is made of, for plans (`form`).

pub mod count;
pub(crate) mod form;
pub(crate) mod handling;
pub(crate) mod item;
pub(crate) mod kind;
pub(crate) mod traits;
