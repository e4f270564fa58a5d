//! What travels through the channels.

use std::any::Any;

use crate::failure::{Failure, Result};

/// A value of any type on its way from one stage to the next.
pub type Payload = Box<dyn Any + Send>;

/// One position of the flow: its number within its segment, and what it carries.
pub(crate) struct Item {
    /// Counts from 0 without gaps, given by the head of the segment (a source or an ordered stage).
    pub(crate) seq: u64,
    /// `None` is a tombstone: a stage dropped the item, and those downstream must not wait for it.
    pub(crate) payload: Option<Payload>,
}

/// Boxes `value` for [`crate::Emitter::emit`] or as what a source returns.
pub fn pack<T: Send + 'static>(value: T) -> Payload {
    Box::new(value)
}

/// Takes the value out of `payload`.
///
/// ```
/// use trackflow_dataflow::{pack, unpack};
///
/// assert_eq!(unpack::<u64>(pack(7u64)), Ok(7));
/// assert!(unpack::<String>(pack(7u64)).is_err());
/// ```
///
/// # Errors
/// `Stage` when it holds another type than `T`: two kinds then share a port name but not a type.
pub fn unpack<T: 'static>(payload: Payload) -> Result<T> {
    match payload.downcast::<T>() {
        Ok(value) => Ok(*value),
        Err(_) => Err(Failure::stage(format!("expected a {}, received another type", std::any::type_name::<T>()))),
    }
}
