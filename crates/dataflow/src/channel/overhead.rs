//! What the channel between two stages costs an item, for benches: the channel alone, without the rest of the engine.

use std::thread;
use std::time::{Duration, Instant};

use super::metered::channel;
use crate::runtime::shutdown::CancellationToken;
use crate::stage::item::{Item, pack};

/// How long it takes to pass `items` numbers, boxed as stages pass them, from one thread to another through one metered
/// channel with `capacity` places.
pub fn pass(items: u64, capacity: usize) -> Duration {
    let (sender, mut receiver, stats) = channel::<Item>(capacity, &CancellationToken::new());
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            (0..items).try_for_each(|seq| sender.send(Item { seq, payload: Some(pack(seq)) }).map(drop))
        });
        scope.spawn(move || while receiver.recv().is_ok() {});
    });
    debug_assert_eq!(stats.items(), items);
    start.elapsed()
}
