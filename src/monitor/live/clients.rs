//! The clients of a run's page: so many at a time, the oldest make room for new ones, and none stays for ever.
//!
//! A client that says nothing, one byte a second, or reads nothing costs a place and no more: whoever comes next gets the
//! place of the one that is connected longest. A request that is served takes milliseconds, so it would take as many new
//! clients within these to push out one that is served.

use actix_web::rt::net::TcpStream;
use std::{
    any::Any,
    collections::VecDeque,
    os::fd::{AsRawFd, RawFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// No client is connected longer; a page that is open connects again.
const LONGEST: Duration = Duration::from_secs(300);

/// Those that are connected, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    most: usize,
    seats: Arc<Mutex<Seats>>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: VecDeque<Connection>,
}

#[derive(Debug)]
struct Connection {
    number: u64,
    socket: RawFd,
    since: Instant,
}

/// A client's place, until its connection is gone.
pub(super) struct Client {
    number: u64,
    seats: Arc<Mutex<Seats>>,
}

fn held(seats: &Mutex<Seats>) -> MutexGuard<'_, Seats> {
    seats.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// The server sees the end of the connection, and closes it.
    fn dismiss(&self) {
        // SAFETY: it touches no memory. The socket is open, as its client leaves its seat on the same thread.
        unsafe { libc::shutdown(self.socket, libc::SHUT_RDWR) };
    }
}

impl Clients {
    /// Places for `most`.
    pub fn new(most: usize) -> Self {
        Self { most, seats: Arc::default() }
    }

    /// A place for `connection`, the oldest client's where all are taken; `None` for something that is no connection.
    pub fn admit(&self, connection: &dyn Any) -> Option<Client> {
        let socket = connection.downcast_ref::<TcpStream>()?.as_raw_fd();
        let mut seats = held(&self.seats);
        if seats.taken.len() >= self.most
            && let Some(oldest) = seats.taken.pop_front()
        {
            oldest.dismiss();
        }
        let number = seats.next;
        seats.next += 1;
        seats.taken.push_back(Connection { number, socket, since: Instant::now() });
        Some(Client { number, seats: Arc::clone(&self.seats) })
    }

    /// Dismisses those that have been there too long.
    pub fn sweep(&self) {
        let mut seats = held(&self.seats);
        while seats.taken.front().is_some_and(|oldest| oldest.since.elapsed() > LONGEST) {
            seats.taken.pop_front().iter().for_each(Connection::dismiss);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut seats = held(&self.seats);
        if let Ok(at) = seats.taken.binary_search_by_key(&self.number, |seat| seat.number) {
            seats.taken.remove(at);
        }
    }
}
