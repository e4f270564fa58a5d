//! The `/metrics` endpoint: one recorder for the process, and a small HTTP listener that is bound before it returns.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::names::{ALL, MetricKind};
use super::seconds;
use crate::failure::{Failure, Result};

/// Where a Prometheus on the same machine looks first.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9187);

/// How often observations are folded into their buckets, so that they do not pile up when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// A client that is slower than this is let go.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// No request for `/metrics` has a longer head.
const LONGEST_HEAD: u64 = 16 * 1024;

/// Serves the metrics of this process at `http://<address>/metrics` until it ends, and returns the bound address.
///
/// Without an `address` it is [`DEFAULT_ADDRESS`], or any free loopback port when that one is used. Prints nothing.
///
/// # Errors
/// `Unavailable` when a given address cannot be bound, or no port is free.
pub fn serve(address: Option<SocketAddr>) -> Result<SocketAddr> {
    let unavailable = |address: SocketAddr, error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => "another program uses it; give a free port with --metrics HOST:PORT",
            _ => "give an address of this machine with --metrics HOST:PORT",
        };
        Failure::unavailable(format!("cannot serve metrics at {address}: {error}; {remedy}"))
    };
    let listener = match address {
        Some(address) => TcpListener::bind(address).map_err(|error| unavailable(address, error))?,
        None => TcpListener::bind(DEFAULT_ADDRESS)
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .map_err(|error| unavailable(DEFAULT_ADDRESS, error))?,
    };
    let bound = listener.local_addr().map_err(|error| unavailable(DEFAULT_ADDRESS, error))?;
    let handle = recorder()?;
    spawn("metrics", move || {
        for client in listener.incoming().flatten() {
            // A client that goes away is its own affair.
            let _ = answer(&client, &handle);
        }
    })?;
    Ok(bound)
}

/// The recorder of this process, installed by the first call.
fn recorder() -> Result<PrometheusHandle> {
    static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = HANDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = installed.as_ref() {
        return Ok(handle.clone());
    }
    let failed = |error: &dyn std::fmt::Display| Failure::unavailable(format!("cannot record metrics: {error}"));
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let MetricKind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_string()), buckets)
                .map_err(|error| failed(&error))?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| failed(&error))?;
    for metric in ALL {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram(_) => describe_histogram!(metric.name, metric.help),
            MetricKind::Seconds => {}
        }
    }
    let upkeep = handle.clone();
    spawn("upkeep", move || {
        loop {
            thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    })?;
    *installed = Some(handle.clone());
    Ok(handle)
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new()
        .name(name.to_string())
        .spawn(body)
        .map(drop)
        .map_err(|error| Failure::unavailable(format!("cannot start the thread {name}: {error}")))
}

/// One request, one answer.
fn answer(mut client: &TcpStream, handle: &PrometheusHandle) -> io::Result<()> {
    client.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    client.set_write_timeout(Some(CLIENT_TIMEOUT))?;
    let (status, kind, body) = match request(client)?.as_str() {
        "/metrics" => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", handle.render() + &seconds::render()),
        _ => ("404 Not Found", "text/plain; charset=utf-8", "the metrics are at /metrics\n".to_string()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes())?;
    client.flush()
}

/// The path that the client asks for, without its query. The whole head is read, so that closing resets nothing.
fn request(client: &TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(client.take(LONGEST_HEAD)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split_ascii_whitespace();
    let path = match words.next() {
        Some("GET") => words.next().unwrap_or_default(),
        _ => "",
    };
    Ok(path.split('?').next().unwrap_or_default().to_string())
}
