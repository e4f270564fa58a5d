//! Order behind parallel stages, in bounded memory, and why no pipeline can get stuck.
//!
//! A *segment* runs from its head (a source or an ordered stage) to its tail (the next ordered stage). The head
//! numbers its items 0, 1, 2, …; the stages in between keep the numbers while their workers overtake one another; the
//! tail hands the items to its `process` in order. What arrives too early waits in the tail's [`Reorder`].
//!
//! That buffer alone would have no bound: one slow item lets any number pass it. So the head sends item `s` only when
//! `s < released + window`, where `released` counts the items that the tail has handed over (dropped ones included),
//! and `window` is the sum of the capacities of the segment's channels and of the workers between head and tail. These
//! are the places that exist without the buffer: a place that an early item frees by moving into the buffer admits
//! nothing new. It is a semaphore, kept as a bounded queue of permits: the head puts one in, the tail takes one out. When
//! capacities change while the flow runs, `window` does too; until the old permits are used up, both count.
//!
//! While the tail processes item `k` for good, it has released `k + 1`, so the head has sent `k + 1 + window` and holds
//! one more: beyond the `k` that are through, exactly capacities + workers (head and tail included) are in flight.
//!
//! # Branches and merges
//!
//! Where the output of a stage has several consumers, each gets every item (all but one a copy) over a channel of its
//! own, one after the other in the order of the file. A head then belongs to one segment for each tail that its items
//! can reach, and an item needs a permit of each. A stage with several inputs is ordered: it is the tail of one segment
//! for each of them, and takes from them in turns (see [`super::merge`]). Whose turn it is depends on the items that
//! were taken and on which inputs have ended, and on nothing else, so the merged order is the same in every run. (Turns
//! in the order of the run look at the next item of every input, and so hold one for each.)
//!
//! # Nothing gets stuck
//!
//! Two stages are joined by one way at most (`links` refuses everything else): without its directions, the graph is a
//! tree. Suppose that nothing moves any more although no sink is inside its own code and some source is not at its end.
//! Every stage that is not finished then waits, for one of three reasons:
//!
//! - *full*: a worker is blocked on sending into a channel; follow that channel down to its receiver;
//! - *empty*: all its workers wait to receive from a channel; follow that channel up to its sender;
//! - *permit*: a head waits for a tail `T`, which has not released item `r`. The head has sent `r`, as `r` is below the
//!   number that it wants to send. `r` is not in `T`, which would hand it over, unless `T` itself waits for another
//!   reason. So follow the way from the head to where `r` is: in a channel whose receiver does not take it, in the hands
//!   of a worker that is blocked on sending, or in a `T` that is blocked on sending or waits for another input.
//!
//! Start at any sink and always follow, a stage that is both full and empty downwards. No step returns over the channel
//! that the walk came by. Having come down a channel, the channel holds an item, so its receiver does not wait for it;
//! having come up a channel, it is empty, so its sender is not blocked on it. A *permit* step after coming up through
//! empty channels does not lead down the same channels again: these are empty and the workers behind them wait, so `r`
//! would have arrived at a `T` that waits for it. A walk in a finite tree that never turns back ends, and it can only end at a stage
//! that has no reason to wait. That contradicts the assumption.
//!
//! With a diamond (a branch whose parts meet again) the argument fails, and so would the flow: a merge that wants two
//! items of one branch for each of the other fills the other until their common source is blocked.

use std::collections::BTreeMap;

use super::merge::{Shares, Turns};
use super::metered::{Ended, Receiver};
use super::queue::QueueReceiver;
use crate::stage::item::{Item, Payload};
use crate::stage::item_ops::ItemOps;

/// Puts items back in the order of their numbers.
#[derive(Default)]
struct Reorder {
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

/// The end of a segment.
pub(crate) struct Tail {
    receiver: Receiver<Item>,
    reorder: Reorder,
    permits: QueueReceiver<()>,
}

impl Tail {
    /// Takes items of `receiver` in order, and takes a permit out of `permits` for each.
    pub(crate) fn new(receiver: Receiver<Item>, permits: QueueReceiver<()>) -> Self {
        Self { receiver, reorder: Reorder::default(), permits }
    }

    fn next(&mut self) -> Result<Item, Ended> {
        let item = loop {
            if let Some(item) = self.reorder.pop() {
                break item;
            }
            self.reorder.push(self.receiver.recv()?);
        };
        // The permit is there: the head put it in before it sent the item.
        let _ = self.permits.try_recv();
        Ok(item)
    }

    /// The next item that nobody has dropped; `None` at the end.
    fn next_payload(&mut self) -> Result<Option<Payload>, Ended> {
        loop {
            match self.next() {
                Ok(Item { payload: Some(payload), .. }) => return Ok(Some(payload)),
                Ok(_) => {}
                Err(Ended::Closed) => return Ok(None),
                Err(Ended::Cancelled) => return Err(Ended::Cancelled),
            }
        }
    }
}

/// Where a worker takes its items from.
pub(crate) enum StageInput {
    /// One channel, as items come.
    Direct(Receiver<Item>),
    /// One segment, in order.
    Ordered(Tail),
    /// Several segments that take turns.
    Merged(MergeInput),
}

impl StageInput {
    /// The next item for this worker.
    pub(crate) fn next(&mut self) -> Result<Item, Ended> {
        match self {
            Self::Direct(receiver) => receiver.recv(),
            Self::Ordered(tail) => tail.next(),
            Self::Merged(merge_input) => merge_input.next(),
        }
    }
}

/// Several segments that end in one stage.
pub(crate) struct MergeInput {
    tails: Vec<Tail>,
    open: Vec<bool>,
    how: How,
    count: u64,
}

enum How {
    Shares(Shares),
    /// The next item of each input, with its place in the run.
    Order {
        item_ops: ItemOps,
        heads: Vec<Option<(Rank, Payload)>>,
    },
}

type Rank = (u64, u64);

impl MergeInput {
    pub(crate) fn new(tails: Vec<Tail>, turns: &Turns, item_ops: ItemOps) -> Self {
        let how = match turns {
            Turns::Ratio(shares) => How::Shares(Shares::new(shares, tails.len())),
            Turns::Order => How::Order { item_ops, heads: tails.iter().map(|_| None).collect() },
        };
        Self { open: vec![true; tails.len()], tails, how, count: 0 }
    }

    fn next(&mut self) -> Result<Item, Ended> {
        let payload = match &mut self.how {
            How::Shares(shares) => loop {
                let Some(input) = shares.turn(|input| self.open[input]) else { return Err(Ended::Closed) };
                match self.tails[input].next_payload()? {
                    Some(payload) => break payload,
                    None => {
                        self.open[input] = false;
                        shares.forget();
                    }
                }
            },
            How::Order { item_ops, heads } => {
                for (input, head) in heads.iter_mut().enumerate() {
                    if head.is_none() && self.open[input] {
                        *head = self.tails[input]
                            .next_payload()?
                            // `links` lets only items through that know their place; a place of 0 keeps the rest moving.
                            .map(|payload| (item_ops.rank(&payload).unwrap_or_default(), payload));
                        self.open[input] = head.is_some();
                    }
                }
                let ranks = heads.iter().enumerate().filter_map(|(input, head)| Some((head.as_ref()?.0, input)));
                let Some((_, first)) = ranks.min() else { return Err(Ended::Closed) };
                match heads[first].take() {
                    Some((_, payload)) => payload,
                    None => return Err(Ended::Closed),
                }
            }
        };
        self.count += 1;
        Ok(Item { seq: self.count - 1, payload: Some(payload) })
    }
}
