//! What the engine may do with items whose type it does not know: copy them for a second consumer or a second attempt,
//! put them in order where branches meet, and name them in messages.

use std::fmt;

use super::item::{Payload, pack};

/// A type of item that can be copied.
pub trait StreamItem: Clone + Send + 'static {
    /// Its place in the run, by which branches that each hold a part of the run are merged again.
    fn rank(&self) -> Option<(u64, u64)> {
        None
    }

    /// What it is, for people: `clip 17 of epoch 3 (LASOT, sequence bus-2)`.
    fn identity(&self) -> Option<String> {
        None
    }
}

/// Functions on payloads of one type.
#[derive(Clone, Copy)]
pub struct ItemOps {
    copy: Option<fn(&Payload) -> Option<Payload>>,
    rank: fn(&Payload) -> Option<(u64, u64)>,
    identity: fn(&Payload) -> Option<String>,
    ranked: bool,
}

impl ItemOps {
    /// Items that can only be passed on.
    pub const NONE: Self = Self { copy: None, rank: |_| None, identity: |_| None, ranked: false };

    /// Items of type `T`, which can be copied.
    pub const fn of<T: StreamItem>() -> Self {
        Self {
            copy: Some(|payload| Some(pack(payload.downcast_ref::<T>()?.clone()))),
            rank: |payload| payload.downcast_ref::<T>()?.rank(),
            identity: |payload| payload.downcast_ref::<T>()?.identity(),
            ranked: false,
        }
    }

    /// The same, where every item has a [`StreamItem::rank`].
    pub const fn ranked(mut self) -> Self {
        self.ranked = true;
        self
    }

    /// Whether items can be copied.
    pub fn can_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// Whether items know their place in the run.
    pub fn is_ranked(&self) -> bool {
        self.ranked
    }

    pub(crate) fn copy(&self, payload: &Payload) -> Option<Payload> {
        self.copy.and_then(|copy| copy(payload))
    }

    pub(crate) fn rank(&self, payload: &Payload) -> Option<(u64, u64)> {
        (self.rank)(payload)
    }

    pub(crate) fn identity(&self, payload: &Payload) -> Option<String> {
        (self.identity)(payload)
    }
}

impl fmt::Debug for ItemOps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemOps").field("copy", &self.can_copy()).field("ranked", &self.ranked).finish()
    }
}
