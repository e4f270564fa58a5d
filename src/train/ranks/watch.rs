//! Signs of life: each rank leaves one in the store every few seconds, rank 0 looks at all of them, and the others at that
//! of rank 0. What was found to be wrong stands in the store too, so that all ranks end with the same sentence.

use super::{place::RankInfo, store};
use crate::native::ranks::Store;
use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long ranks wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the others to join, and for a sign of life.
    pub limit: Duration,
    /// Between two signs of life.
    pub beat: Duration,
}

impl Patience {
    /// Patience of so many seconds.
    pub fn of(seconds: f64) -> Self {
        let limit = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(20));
        Self { limit, beat: (limit / 10).clamp(Duration::from_millis(50), Duration::from_secs(2)) }
    }
}

/// What is to happen once a rank is found to be gone.
type Alarm = Box<dyn Fn(&str) + Send>;

/// What the threads of a rank know of the others.
pub(super) struct Watch {
    place: RankInfo,
    pub patience: Patience,
    /// What is wrong; nothing can be computed together from then on.
    verdict: OnceLock<String>,
    /// What this rank does.
    doing: Mutex<String>,
    /// Something failed: whoever gives no sign of life now is soon taken for gone.
    hurry: AtomicBool,
    /// The ranks part as agreed.
    closed: AtomicBool,
    /// When the store last answered.
    contact: Mutex<Instant>,
    alarm: Mutex<Option<Alarm>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sign of life of another rank.
struct Beat {
    rank: usize,
    last: Vec<u8>,
    since: Instant,
}

impl Beat {
    fn doing(&self) -> String {
        let text = String::from_utf8_lossy(&self.last);
        text.split_once('\n').map_or_else(String::new, |(_, doing)| doing.to_string())
    }
}

impl Watch {
    pub fn new(place: &RankInfo, patience: Patience) -> Self {
        Self {
            place: place.clone(),
            patience,
            verdict: OnceLock::new(),
            doing: Mutex::new("starting".into()),
            hurry: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            contact: Mutex::new(Instant::now()),
            alarm: Mutex::default(),
        }
    }

    /// From here on the others are told that this rank does `what`.
    pub fn set_doing(&self, what: String) {
        *held(&self.doing) = what;
    }

    /// Calls `alarm` once, when something is found to be wrong.
    pub fn set_alarm(&self, alarm: Alarm) {
        match self.verdict.get() {
            Some(text) => alarm(text),
            None => *held(&self.alarm) = Some(alarm),
        }
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        held(&self.alarm).take();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// What is wrong, where something is.
    pub fn verdict(&self) -> Option<&str> {
        let silent = held(&self.contact).elapsed();
        if silent > self.patience.limit + 2 * self.patience.beat && !self.is_closed() {
            self.judge(format!(
                "{} does not answer any more: nothing was heard for {:.0} s",
                self.place.server(),
                silent.as_secs_f64()
            ));
        }
        self.verdict.get().map(String::as_str)
    }

    /// What is wrong, after something failed with `error`: signs of life will tell.
    pub fn blame(&self, error: &str) -> &str {
        self.hurry.store(true, Ordering::Release);
        let begin = Instant::now();
        while begin.elapsed() < self.patience.limit + 3 * self.patience.beat {
            if let Some(text) = self.verdict() {
                return text;
            }
            thread::sleep(self.patience.beat.min(Duration::from_millis(50)));
        }
        self.judge(format!("the ranks have lost each other: {error}"))
    }

    /// Whether this rank is the one that knows what is wrong first; the text that stands.
    pub fn judge(&self, text: String) -> &str {
        let verdict = self.verdict.get_or_init(|| text);
        if let Some(alarm) = held(&self.alarm).take() {
            alarm(verdict);
        }
        verdict
    }

    fn message(&self, count: u64) -> Vec<u8> {
        format!("{count}\n{}", held(&self.doing)).into_bytes()
    }

    /// The first sign of life, without which nobody can begin to look.
    pub fn begin(&self, store: &Store) -> Result<(), tch::TchError> {
        store.set(&store::beat(self.place.rank), &self.message(0))
    }

    /// Gives signs of life and looks at those of others, until the ranks part.
    pub fn run(&self, store: &Store) {
        let looks_at = if self.place.rank == 0 { 1..self.place.size } else { 0..1 };
        let mut beats: Vec<Beat> =
            looks_at.map(|rank| Beat { rank, last: Vec::new(), since: Instant::now() }).collect();
        let mut failures = 0;
        for count in 1.. {
            if self.is_closed() {
                return;
            }
            match self.look(store, count, &mut beats) {
                Ok(()) => {
                    failures = 0;
                    *held(&self.contact) = Instant::now();
                }
                Err(error) => {
                    failures += 1;
                    if failures > 1 && !self.is_closed() {
                        let mut text = format!("{} is gone", self.place.server());
                        if let Some(beat) = beats.iter().find(|beat| beat.rank == 0 && !self.place.served) {
                            text += &format!("; it was last {}", beat.doing());
                        }
                        let error = error.to_string();
                        let why = error.lines().next().unwrap_or_default().chars().take(120).collect::<String>();
                        self.judge(format!("{text} ({why})"));
                    }
                }
            }
            if self.verdict.get().is_some() {
                return;
            }
            let pause = if failures > 0 { self.patience.beat / 4 } else { self.patience.beat };
            // A rank that parts does not wait for the next sign of life.
            let begin = Instant::now();
            while begin.elapsed() < pause && !self.is_closed() {
                thread::sleep(Duration::from_millis(50).min(pause));
            }
        }
    }

    fn look(&self, store: &Store, count: u64, beats: &mut [Beat]) -> Result<(), tch::TchError> {
        store.set(&store::beat(self.place.rank), &self.message(count))?;
        if store.has(store::FAILURE)? {
            let text = store.get(store::FAILURE, self.patience.beat)?;
            store.add(store::HEARD, 1)?;
            self.judge(String::from_utf8_lossy(&text).into_owned());
            return Ok(());
        }
        let hurry = self.hurry.load(Ordering::Acquire);
        let limit = if hurry { (3 * self.patience.beat).min(self.patience.limit) } else { self.patience.limit };
        for beat in beats {
            let value = store.get(&store::beat(beat.rank), self.patience.limit)?;
            if value != beat.last {
                (beat.last, beat.since) = (value, Instant::now());
            } else if beat.since.elapsed() > limit {
                let who = String::from_utf8_lossy(&store.get(&store::who(beat.rank), self.patience.beat)?).into_owned();
                let text = format!(
                    "rank {} ({who}) gives no sign of life for {:.0} s; it was last {}",
                    beat.rank,
                    beat.since.elapsed().as_secs_f64(),
                    beat.doing()
                );
                if self.place.rank == 0 {
                    store.set(store::FAILURE, text.as_bytes())?;
                }
                self.judge(text);
                return Ok(());
            }
        }
        Ok(())
    }
}
