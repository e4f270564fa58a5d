//! How ranks find each other, and make sure that they are about to train the same.

use super::{
    World,
    place::RankInfo,
    store,
    watch::{Patience, Watch},
};
use crate::{
    failure::{Failure, FailureKind, Result},
    lock,
    native::ranks::{Backend, Reached, Store},
};
use serde::{Deserialize, Serialize};
use std::{
    net::{ToSocketAddrs, UdpSocket},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// For operations, whose end the signs of life decide about.
const LONG: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a rank is about to do, all of which must be the same everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The program's version.
    pub version: String,
    /// `key: value` for all that decides what is trained.
    pub lines: Vec<String>,
}

/// What rank 0 says of those who joined.
#[derive(Serialize, Deserialize)]
struct Checked {
    /// The exit code of what is wrong; 0: nothing is.
    code: i32,
    message: String,
}

pub(super) fn join(place: &RankInfo, card: &Card, patience: Patience) -> Result<Arc<World>> {
    let begin = Instant::now();
    let store = connect(place, patience)?;
    let answers = |error: tch::TchError| lost(place, &error);
    let rank = place.rank;
    let count = store.add(&store::taken(rank), 1).map_err(answers)?;
    let me = format!("host {}, process {}", lock::host(), std::process::id());
    if count > 1 {
        let other = store.get(&store::who(rank), Duration::from_secs(2)).unwrap_or_default();
        let other = String::from_utf8_lossy(&other).into_owned();
        return Err(Failure::usage(format!(
            "two processes say that they are rank {rank} of those that meet at {}: {me}, and {other}; another run meets \
             there, or RANK is set wrongly",
            place.address()
        )));
    }
    store.set(&store::who(rank), me.as_bytes()).map_err(answers)?;
    let watch = Arc::new(Watch::new(place, patience));
    watch.begin(&store).map_err(answers)?;
    let text = serde_json::to_vec(card).map_err(|error| Failure::stage(error.to_string()))?;
    store.set(&store::card(rank), &text).map_err(answers)?;
    match rank {
        0 => check_all(place, &store, card, patience, begin)?,
        _ => await_check(place, &store, patience)?,
    }
    let own = own_address(place);
    let interface = std::env::var("GLOO_SOCKET_IFNAME").ok().filter(|name| !name.is_empty());
    let reached = interface.as_deref().map_or(Reached::Host(&own), Reached::Interface);
    let gloo = Backend::gloo(&store, rank, place.size, reached, [patience.limit, LONG]).map_err(|error| {
        Failure::stage(format!(
            "rank {rank} is to be reached at {own}, and the ranks cannot all reach each other: {}; GLOO_SOCKET_IFNAME \
             names another network interface",
            first_line(&error)
        ))
    })?;
    let beats = client(place, patience, "")?;
    let watcher = Arc::clone(&watch);
    thread::Builder::new()
        .name("ranks".into())
        .spawn(move || watcher.run(&beats))
        .map_err(|error| Failure::unavailable(format!("cannot start the thread ranks: {error}")))?;
    Ok(Arc::new(World::new(place.clone(), store, gloo, watch)))
}

fn first_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().trim().to_string()
}

fn lost(place: &RankInfo, error: &tch::TchError) -> Failure {
    Failure::stage(format!("{} does not answer any more: {}", place.server(), first_line(error)))
}

/// Launchers begin anew at the same store: what an earlier attempt left there says nothing.
fn prefix(place: &RankInfo, more: &str) -> String {
    format!("trackflow/{}{more}", place.attempt)
}

/// Another connection to the store, which somebody serves already.
pub(super) fn client(place: &RankInfo, patience: Patience, more: &str) -> Result<Store> {
    let (host, port) = &place.meeting;
    Store::connect(host, *port, false, &prefix(place, more), patience.limit).map_err(|error| lost(place, &error))
}

fn connect(place: &RankInfo, patience: Patience) -> Result<Store> {
    let (host, port) = &place.meeting;
    if let Err(error) = (host.as_str(), *port).to_socket_addrs() {
        return Err(Failure::usage(format!("MASTER_ADDR={host}: this machine does not know it: {error}")));
    }
    let serves = place.rank == 0 && !place.served;
    Store::connect(host, *port, serves, &prefix(place, ""), patience.limit).map_err(|error| {
        let text = error.to_string();
        match serves {
            true if text.contains("EADDRINUSE") || text.contains("address already in use") => {
                Failure::unavailable(format!(
                    "port {port} is used already, and the ranks are to meet there; another run, or another program: set \
                     MASTER_PORT (--port, --master_port) to a free one"
                ))
            }
            true => Failure::unavailable(format!("rank 0 cannot serve the store at {}: {}", place.address(), first_line(&error))),
            false => Failure::stage(format!(
                "rank {} found nobody at {} for {} s: rank 0 has not started there, or MASTER_ADDR and MASTER_PORT name \
                 another place (TRAIN.RANK_TIMEOUT: how long to wait)",
                place.rank,
                place.address(),
                patience.limit.as_secs_f64()
            )),
        }
    })
}

/// Rank 0 waits for all others, compares, and says what it found.
fn check_all(place: &RankInfo, store: &Store, own: &Card, patience: Patience, begin: Instant) -> Result<()> {
    let found = compare(place, store, own, patience, begin);
    let (code, message) = match &found {
        Ok(()) => (0, String::new()),
        Err(failure) => (failure.kind.exit_code(), failure.message.clone()),
    };
    let text = serde_json::to_vec(&Checked { code, message }).map_err(|error| Failure::stage(error.to_string()))?;
    store.set(store::CHECKED, &text).map_err(|error| lost(place, &error))?;
    if found.is_err() && !place.served {
        // The store ends with this process, and the others are to read there why.
        thread::sleep(Duration::from_millis(1500));
    }
    found
}

fn compare(place: &RankInfo, store: &Store, own: &Card, patience: Patience, begin: Instant) -> Result<()> {
    for rank in 1..place.size {
        let left = patience.limit.saturating_sub(begin.elapsed());
        let Ok(text) = store.get(&store::card(rank), left) else { return Err(missing(place, store, patience)) };
        let broken = |error: &dyn std::fmt::Display| {
            Failure::config(format!("rank {rank} says of itself what rank 0 does not understand: {error}"))
        };
        let card: Card = serde_json::from_slice(&text).map_err(|error| broken(&error))?;
        let who = store.get(&store::who(rank), patience.beat).unwrap_or_default();
        let who = String::from_utf8_lossy(&who).into_owned();
        if card.version != own.version {
            return Err(Failure::config(format!(
                "rank {rank} ({who}) is trackflow {}, rank 0 is {}: install one version everywhere",
                card.version, own.version
            )));
        }
        let different = differences(&own.lines, &card.lines);
        if !different.is_empty() {
            return Err(Failure::config(format!(
                "rank {rank} ({who}) is about to train something else than rank 0: {}; start all with the same files and \
                 options",
                different.join("; ")
            )));
        }
    }
    Ok(())
}

/// What differs between rank 0 and another rank, a few of all.
pub(super) fn differences(first: &[String], other: &[String]) -> Vec<String> {
    const MOST_LISTED: usize = 4;
    fn parts(line: &str) -> (&str, &str) {
        line.split_once(": ").unwrap_or((line, ""))
    }
    fn value<'a>(lines: &'a [String], key: &str) -> Option<&'a str> {
        lines.iter().map(|line| parts(line)).find(|(known, _)| *known == key).map(|(_, value)| value)
    }
    let mut keys: Vec<&str> = first.iter().chain(other).map(|line| parts(line).0).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut found: Vec<String> = keys
        .into_iter()
        .map(|key| (key, value(first, key), value(other, key)))
        .filter(|(_, before, after)| before != after)
        .map(|(key, before, after)| {
            format!("{key} is {} there and {} on rank 0", after.unwrap_or("absent"), before.unwrap_or("absent"))
        })
        .collect();
    if found.len() > MOST_LISTED {
        let more = found.len() - MOST_LISTED;
        found.truncate(MOST_LISTED);
        found.push(format!("and {more} more"));
    }
    found
}

fn missing(place: &RankInfo, store: &Store, patience: Patience) -> Failure {
    let there = |rank: &usize| store.has(&store::card(*rank)).unwrap_or(false);
    let (present, missing): (Vec<usize>, Vec<usize>) = (1..place.size).partition(there);
    let list = |ranks: &[usize]| {
        let few: Vec<String> = ranks.iter().take(8).map(usize::to_string).collect();
        let more =
            if ranks.len() > few.len() { format!(" and {} more", ranks.len() - few.len()) } else { String::new() };
        format!("{}{more}", few.join(", "))
    };
    let there = [&[0][..], &present].concat();
    Failure::stage(format!(
        "{} {} of {} {} not joined within {} s (TRAIN.RANK_TIMEOUT); {} there by {}{}",
        if missing.len() == 1 { "rank" } else { "ranks" },
        list(&missing),
        place.size,
        if missing.len() == 1 { "has" } else { "have" },
        patience.limit.as_secs_f64(),
        list(&there),
        place.launcher,
        match place.launcher {
            super::Launcher::Slurm =>
                "; under Slurm, srun starts all of them (unset SLURM_NTASKS to train with one process)",
            super::Launcher::Torchrun => "",
        }
    ))
}

/// Waits for what rank 0 says of all.
fn await_check(place: &RankInfo, store: &Store, patience: Patience) -> Result<()> {
    // Rank 0 may have begun to wait later than this one.
    let begin = Instant::now();
    let limit = 2 * patience.limit + Duration::from_secs(2);
    let text = loop {
        match store.get(store::CHECKED, Duration::from_millis(500)) {
            Ok(text) => break text,
            Err(_) if begin.elapsed() < limit && store.has(store::CHECKED).is_ok() => {}
            Err(error) => return Err(lost(place, &error)),
        }
    };
    let checked: Checked = serde_json::from_slice(&text)
        .map_err(|error| Failure::config(format!("rank 0 is of another version, and not understood: {error}")))?;
    let kinds = [FailureKind::Usage, FailureKind::Unavailable, FailureKind::Config];
    match checked.code {
        0 => Ok(()),
        code => {
            let kind = kinds.into_iter().find(|kind| kind.exit_code() == code).unwrap_or(FailureKind::Stage);
            Err(Failure::new(kind, checked.message))
        }
    }
}

/// The address of this machine on the way to where the ranks meet.
fn own_address(place: &RankInfo) -> String {
    let (host, port) = &place.meeting;
    let route = || -> Option<String> {
        let there = (host.as_str(), *port).to_socket_addrs().ok()?.next()?;
        let any = if there.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).ok()?;
        // Nothing is sent: the system only chooses the way.
        socket.connect(there).ok()?;
        Some(socket.local_addr().ok()?.ip().to_string())
    };
    route().unwrap_or_else(lock::host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_their_keys() {
        let lines = |text: &str| text.split('\n').map(String::from).collect::<Vec<_>>();
        let (first, other) = (lines("A: 1\nB: x: y\nC: 3"), lines("A: 1\nB: x: z\nD: 4"));
        assert_eq!(
            differences(&first, &other),
            [
                "B is x: z there and x: y on rank 0",
                "C is absent there and 3 on rank 0",
                "D is 4 there and absent on rank 0"
            ]
        );
        assert_eq!(differences(&first, &first), Vec::<String>::new());
    }
}
