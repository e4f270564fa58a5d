//! Asks a job for its status.

use crate::{
    failure::{Failure, Result},
    monitor::live::status::Status,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// The status of the job at `address`.
///
/// # Errors
/// 69 when nobody answers there, or something that is no trackflow.
pub(super) fn ask(address: SocketAddr) -> Result<Status> {
    let failed = |error: &dyn std::fmt::Display| {
        let remedy = "a job prints the address of its page and metrics when it starts";
        Failure::unavailable(format!("no job answers at {address}: {error}; {remedy}"))
    };
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(|error| failed(&error))?;
    let mut ask = || {
        stream.set_read_timeout(Some(TIMEOUT))?;
        let request = format!("GET /status.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        // A status is some kilobytes; this bounds what anything else may send.
        (&stream).take(16 << 20).read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask().map_err(|error| failed(&error))?;
    parse(&answer).ok_or_else(|| failed(&"what answers is no trackflow"))
}

/// The status in an HTTP answer.
fn parse(answer: &[u8]) -> Option<Status> {
    const GAP: &[u8] = b"\r\n\r\n";
    let head = answer.windows(GAP.len()).position(|window| window == GAP)?;
    let status: Status = serde_json::from_slice(&answer[head + GAP.len()..]).ok()?;
    // Everything has a default, so that other versions can be watched too; what has no verb is no status.
    (answer.starts_with(b"HTTP/1.1 200 ") && !status.program.verb.is_empty()).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_status_is_taken_for_one() {
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nx: y\r\n\r\n{body}").into_bytes();
        let status = parse(&answer(r#"{"program":{"verb":"train"},"elapsed_seconds":null,"of_tomorrow":1}"#)).unwrap();
        assert_eq!((status.program.verb.as_str(), status.elapsed_seconds.0.is_nan()), ("train", true));
        assert!(parse(&answer("{}")).is_none() && parse(&answer("<html>")).is_none() && parse(b"SSH-2.0").is_none());
    }
}
