//! A bounded queue whose capacity can change while it is used.
//!
//! A crossbeam channel keeps the capacity that it was made with. So a change lays a new channel behind the old one:
//! senders put their next item into the new one, and receivers take from it once the old one is empty and nobody can
//! fill it any more. Until then the two together hold at most the sum of their capacities. No item is lost or doubled,
//! and the items of one sender stay in their order: its last item for the old channel is in there before its first for
//! the new one, and receivers do not touch the new channel before the old one is through.
//!
//! Senders share the one end that fills the newest channel instead of holding a clone each. A sender that has nothing to
//! send for a while would otherwise keep an old channel open, with the receivers waiting for it.

use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

use crossbeam_channel::{self as crossbeam, TryRecvError, TrySendError};

/// Where items are put in, shared by all senders. When it is dropped, the queue ends behind its last item.
pub(crate) struct QueueSender<T> {
    newest: RwLock<Newest<T>>,
}

struct Newest<T> {
    sender: crossbeam::Sender<T>,
    pipe: Weak<Pipe<T>>,
    /// Places of the whole queue.
    capacity: usize,
    /// The channels laid since the last change of the capacity, which together hold no more than that; the last is the
    /// newest.
    laid: Vec<Weak<Pipe<T>>>,
}

/// A queue of more places begins with so many and gets the others when they are used: a crossbeam channel takes the
/// memory of all its places at once.
const FIRST_PLACES: usize = 1024;

/// One channel of a queue, and the one behind it.
struct Pipe<T> {
    receiver: crossbeam::Receiver<T>,
    next: OnceLock<Arc<Pipe<T>>>,
}

/// Where one receiver takes items out.
pub(crate) struct QueueReceiver<T> {
    pipe: Arc<Pipe<T>>,
}

/// What became of an item that was offered.
pub(crate) enum Offer<T> {
    /// It is in.
    Taken,
    /// There is no place; the item, and where to wait for one.
    Full(crossbeam::Sender<T>, T),
    /// All receivers are gone.
    Gone,
}

/// A queue that holds at most `capacity` items.
pub(crate) fn queue<T>(capacity: usize) -> (Arc<QueueSender<T>>, QueueReceiver<T>) {
    let (newest, pipe) = Newest::new(capacity);
    (Arc::new(QueueSender { newest: RwLock::new(newest) }), QueueReceiver { pipe })
}

impl<T> Pipe<T> {
    fn new(capacity: usize) -> (crossbeam::Sender<T>, Arc<Self>) {
        let (sender, receiver) = crossbeam::bounded(capacity);
        (sender, Arc::new(Self { receiver, next: OnceLock::new() }))
    }
}

impl<T> Newest<T> {
    fn new(capacity: usize) -> (Self, Arc<Pipe<T>>) {
        let (sender, pipe) = Pipe::new(capacity.min(FIRST_PLACES));
        let weak = Arc::downgrade(&pipe);
        (Self { sender, laid: vec![weak.clone()], pipe: weak, capacity }, pipe)
    }

    /// Lays a channel of more places behind the newest one, if that is full and the queue is not.
    fn grow(&mut self) {
        let Some(last) = self.pipe.upgrade() else { return };
        self.laid.retain(|pipe| pipe.strong_count() > 0);
        let held: usize = self.laid.iter().filter_map(Weak::upgrade).map(|pipe| pipe.receiver.len()).sum();
        let places = self.capacity.saturating_sub(held).min(2 * last.receiver.len());
        if !last.receiver.is_full() || places == 0 {
            return;
        }
        let (sender, pipe) = Pipe::new(places);
        let weak = Arc::downgrade(&pipe);
        if last.next.set(pipe).is_ok() {
            self.laid.push(weak.clone());
            (self.sender, self.pipe) = (sender, weak);
        }
    }
}

impl<T> QueueSender<T> {
    /// Puts `item` in if there is a place.
    pub(crate) fn offer(&self, item: T) -> Offer<T> {
        match self.put(item) {
            (Offer::Full(_, item), true) => {
                self.newest.write().unwrap_or_else(PoisonError::into_inner).grow();
                self.put(item).0
            }
            (offer, _) => offer,
        }
    }

    /// The same as long as there is a place in the newest channel, and whether the queue may get more of them.
    fn put(&self, item: T) -> (Offer<T>, bool) {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        let offer = match newest.sender.try_send(item) {
            Ok(()) => Offer::Taken,
            Err(TrySendError::Full(item)) => Offer::Full(newest.sender.clone(), item),
            Err(TrySendError::Disconnected(_)) => Offer::Gone,
        };
        (offer, newest.capacity > FIRST_PLACES)
    }

    /// From here on the queue holds at most `capacity` items, beside those that it held.
    pub(crate) fn resize(&self, capacity: usize) {
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        // Without receivers nobody would see the change.
        let Some(last) = newest.pipe.upgrade() else { return };
        let (changed, pipe) = Newest::new(capacity);
        // Receivers look for the next pipe when the sender of this one is gone, so the pipe comes first.
        if last.next.set(pipe).is_ok() {
            *newest = changed;
        }
    }
}

impl<T> QueueReceiver<T> {
    /// The next item if one is there.
    pub(crate) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        loop {
            match self.pipe.receiver.try_recv() {
                Err(TryRecvError::Disconnected) if self.advance() => {}
                result => return result,
            }
        }
    }

    /// Where to wait for the next item. When that is disconnected, [`QueueReceiver::advance`] tells whether it was the end.
    pub(crate) fn receiver(&self) -> &crossbeam::Receiver<T> {
        &self.pipe.receiver
    }

    /// Goes on to the next channel, if there is one.
    pub(crate) fn advance(&mut self) -> bool {
        let next = self.pipe.next.get().cloned();
        next.map(|next| self.pipe = next).is_some()
    }
}

impl<T> Clone for QueueReceiver<T> {
    fn clone(&self) -> Self {
        Self { pipe: Arc::clone(&self.pipe) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{sync::Mutex, thread};

    fn send(queue_sender: &QueueSender<(usize, u64)>, item: (usize, u64)) {
        if let Offer::Full(sender, item) = queue_sender.offer(item) {
            sender.send(item).unwrap();
        }
    }

    fn next(queue_receiver: &mut QueueReceiver<(usize, u64)>) -> Option<(usize, u64)> {
        loop {
            match queue_receiver.try_recv() {
                Ok(item) => return Some(item),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => match queue_receiver.receiver().recv() {
                    Ok(item) => return Some(item),
                    Err(_) if queue_receiver.advance() => {}
                    Err(_) => return None,
                },
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_item_arrives_once_and_in_the_order_of_its_sender(
            capacities in prop::collection::vec(1usize..9, 1..12),
            senders in 1usize..4,
            receivers in 1usize..4,
        ) {
            const ITEMS: u64 = 500;
            let (queue_sender, queue_receiver) = queue(capacities[0]);
            let arrived = Mutex::new(Vec::new());
            thread::scope(|scope| {
                for _ in 0..receivers {
                    let (mut queue_receiver, arrived) = (queue_receiver.clone(), &arrived);
                    scope.spawn(move || while let Some(item) = next(&mut queue_receiver) {
                        arrived.lock().unwrap().push(item);
                        thread::yield_now();
                    });
                }
                for sender in 0..senders {
                    let queue_sender = Arc::clone(&queue_sender);
                    scope.spawn(move || (0..ITEMS).for_each(|number| send(&queue_sender, (sender, number))));
                }
                for &capacity in &capacities {
                    thread::yield_now();
                    queue_sender.resize(capacity);
                }
                drop(queue_sender);
            });
            let mut arrived = arrived.into_inner().unwrap();
            if receivers == 1 {
                for sender in 0..senders {
                    let mine = arrived.iter().filter(|item| item.0 == sender).map(|item| item.1);
                    prop_assert!(mine.eq(0..ITEMS));
                }
            }
            arrived.sort_unstable();
            prop_assert!(arrived.into_iter().eq((0..senders).flat_map(|sender| (0..ITEMS).map(move |n| (sender, n)))));
        }
    }

    #[test]
    fn a_late_receiver_goes_through_every_channel() {
        let (queue_sender, mut queue_receiver) = queue(1);
        for number in 0..4 {
            send(&queue_sender, (0, number));
            queue_sender.resize(1);
        }
        drop(queue_sender);
        assert!(std::iter::from_fn(|| next(&mut queue_receiver)).map(|item| item.1).eq(0..4));
    }

    #[test]
    fn places_beyond_the_first_are_made_when_they_are_used() {
        const CAPACITY: usize = 5000;
        let (queue_sender, mut queue_receiver) = queue(CAPACITY);
        assert_eq!(queue_receiver.receiver().capacity(), Some(FIRST_PLACES));
        let fill =
            |from: u64| (from..).find(|&number| !matches!(queue_sender.offer((0, number)), Offer::Taken)).unwrap();
        assert_eq!(fill(0), CAPACITY as u64);
        for number in 0..3000 {
            assert_eq!(next(&mut queue_receiver), Some((0, number)));
        }
        assert_eq!(fill(CAPACITY as u64), CAPACITY as u64 + 3000);
        drop(queue_sender);
        assert!(std::iter::from_fn(|| next(&mut queue_receiver)).map(|item| item.1).eq(3000..CAPACITY as u64 + 3000));
    }

    #[test]
    fn without_receivers_a_sender_is_told_so_and_a_change_is_nothing() {
        let (queue_sender, queue_receiver) = queue(1);
        queue_sender.resize(2);
        drop(queue_receiver);
        queue_sender.resize(3);
        assert!(matches!(queue_sender.offer((0, 0)), Offer::Gone));
    }
}
