//! The address at which a run can be watched.

use crate::{
    failure::Result,
    monitor::live::{self, Live},
};
use std::{
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

/// An address as people write it: `127.0.0.1:9187`, `[::1]:9187`, `localhost:9187`, or `:9187` for all addresses of this
/// machine.
///
/// # Errors
/// It is none.
pub fn address(text: &str) -> std::result::Result<SocketAddr, String> {
    let port = |text: &str| text.parse::<u16>().map_err(|_| format!("`{text}` is no port: a number from 0 to 65535"));
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    match text.rsplit_once(':') {
        Some(("", number)) => Ok((Ipv4Addr::UNSPECIFIED, port(number)?).into()),
        Some((host, number)) => {
            let found = (host, port(number)?).to_socket_addrs().map_err(|error| format!("`{host}`: {error}"))?;
            let found: Vec<SocketAddr> = found.collect();
            let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
            first.copied().ok_or_else(|| format!("`{host}` has no address"))
        }
        None if text.parse::<u16>().is_ok() => {
            Err(format!("a port without a host; write localhost:{text}, or :{text} for all addresses of this machine"))
        }
        None => Err("no port; write HOST:PORT, for example localhost:9187".into()),
    }
}

/// Serves `live` and the metrics at `address`, and gives the lines that say where.
///
/// # Errors
/// The address cannot be had.
pub fn serve(address: Option<SocketAddr>, live: &Arc<Live>) -> Result<Vec<String>> {
    let bound = live::serve(address, Arc::clone(live))?;
    let mut lines = vec![format!("metrics: http://{bound}/metrics"), format!("live page: http://{bound}/")];
    if !bound.ip().is_loopback() {
        lines.push(format!(
            "warning: everyone who reaches {bound} can read losses, paths and messages of this run; \
             without --metrics only this machine can"
        ));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_people_do() {
        for (text, expected) in [
            ("127.0.0.1:9187", "127.0.0.1:9187"),
            (":9187", "0.0.0.0:9187"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:9187", "127.0.0.1:9187"),
        ] {
            assert_eq!(address(text).map(|address| address.to_string()), Ok(expected.to_string()));
        }
        assert!(address("9187").unwrap_err().contains("localhost:9187"));
        assert!(address("localhost").unwrap_err().contains("HOST:PORT"));
        assert!(address(":70000").unwrap_err().contains("is no port"));
    }
}
