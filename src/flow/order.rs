//! Order behind parallel stages, in bounded memory.
//!
//! A *segment* runs from its head (the source or an ordered stage) to its tail (the next ordered stage). The head
//! numbers its items 0, 1, 2, …; the stages in between keep the numbers while their workers overtake one another; the
//! tail hands the items to its `process` in order. What arrives too early waits in the tail's [`Reorder`].
//!
//! That buffer alone would have no bound: one slow item lets any number pass it. So the head sends item `s` only when
//! `s < released + window`, where `released` counts the items that the tail has handed over (dropped ones included),
//! and `window` is the sum of the capacities of the segment's channels and of the workers between head and tail. These
//! are the places that exist without the buffer: a place that an early item frees by moving into the buffer admits
//! nothing new. It is a semaphore, kept as a bounded channel of permits: the head puts one in, the tail takes one out.
//!
//! While the tail processes item `k` for good, it has released `k + 1`, so the head has sent `k + 1 + window` and holds
//! one more: beyond the `k` that are through, exactly capacities + workers (head and tail included) are in flight.
//!
//! There is no deadlock. Take the last segment whose tail does not advance, although what follows it accepts items.
//! The tail is waiting to receive item `r = released`, and takes every item that it is offered, so no channel of the
//! segment stays full and every worker in it goes on. If `r` has been sent, it is therefore on its way and arrives. If
//! not, nothing after it has been sent either, so the head is not held back by a window of at least 1 and sends it.

use std::collections::BTreeMap;

use crossbeam_channel as crossbeam;

use super::channel::{Ended, Receiver};
use super::item::{Item, Payload};

/// Puts items back in the order of their numbers.
#[derive(Default)]
pub(crate) struct Reorder {
    next: u64,
    early: BTreeMap<u64, Option<Payload>>,
}

impl Reorder {
    fn push(&mut self, item: Item) {
        self.early.insert(item.seq, item.payload);
    }

    /// The item whose turn it is, if it is here.
    fn pop(&mut self) -> Option<Item> {
        let payload = self.early.remove(&self.next)?;
        self.next += 1;
        Some(Item { seq: self.next - 1, payload })
    }
}

/// Where a worker takes its items from.
pub(crate) struct Inlet {
    receiver: Receiver<Item>,
    /// Only the tail of a segment orders and releases.
    tail: Option<(Reorder, crossbeam::Receiver<()>)>,
}

impl Inlet {
    /// Takes items as they come.
    pub(crate) fn direct(receiver: Receiver<Item>) -> Self {
        Self { receiver, tail: None }
    }

    /// Takes items in order, and takes a permit out of `permits` for each.
    pub(crate) fn ordered(receiver: Receiver<Item>, permits: crossbeam::Receiver<()>) -> Self {
        Self { receiver, tail: Some((Reorder::default(), permits)) }
    }

    /// The next item for this worker.
    pub(crate) fn next(&mut self) -> Result<Item, Ended> {
        let Some((reorder, permits)) = &mut self.tail else { return self.receiver.recv() };
        let item = loop {
            if let Some(item) = reorder.pop() {
                break item;
            }
            reorder.push(self.receiver.recv()?);
        };
        // The permit is there: the head put it in before it sent the item.
        let _ = permits.try_recv();
        Ok(item)
    }
}
