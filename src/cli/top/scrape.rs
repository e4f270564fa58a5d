//! Reads a job's metrics, as Prometheus does.

use crate::failure::{Failure, Result};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// All series of a job at one moment.
pub(super) struct Sample {
    pub at: Instant,
    series: Vec<Series>,
}

struct Series {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// Asks the job at `address`.
///
/// # Errors
/// Nobody answers there, or something that is no trackflow.
pub(super) fn scrape(address: SocketAddr) -> Result<Sample> {
    let failed = |error: &dyn std::fmt::Display| {
        let remedy = "a job prints the address of its metrics when it starts";
        Failure::unavailable(format!("no job answers at {address}: {error}; {remedy}"))
    };
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(|error| failed(&error))?;
    let mut ask = || {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream
            .write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = Vec::new();
        // Metrics of a job are some kilobytes; this bounds what anything else may send.
        (&stream).take(16 << 20).read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = ask().map_err(|error| failed(&error))?;
    let sample = Sample { at: Instant::now(), series: answer.lines().filter_map(Series::parse).collect() };
    match sample.series.iter().any(|series| series.name.starts_with("trackflow_")) {
        true => Ok(sample),
        false => Err(failed(&"what answers is no trackflow")),
    }
}

impl Series {
    /// `name{label="value",…} 1.5`; comments and everything else are no series.
    fn parse(line: &str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let (head, value) = line.rsplit_once(' ')?;
        let value = value.parse().ok()?;
        let (name, labels) = match head.split_once('{') {
            None => (head, Vec::new()),
            Some((name, rest)) => (name, labels(rest.strip_suffix('}')?)?),
        };
        Some(Self { name: name.to_string(), labels, value })
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == key).map(|(_, value)| value.as_str())
    }
}

/// `a="x",b="y"`, with `\"`, `\\` and `\n` in the values.
fn labels(text: &str) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (key, value) = rest.split_once("=\"")?;
        let mut text = String::new();
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next()? {
                (_, '\\') => text.push(match chars.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (end, '"') => break end,
                (_, other) => text.push(other),
            }
        };
        found.push((key.trim_start_matches(',').to_string(), text));
        rest = &value[end + 1..];
    }
    Some(found)
}

impl Sample {
    /// The sum of the series of `name` that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series
            .iter()
            .filter(|series| series.name == name && labels.iter().all(|(key, value)| series.label(key) == Some(value)))
            .map(|series| series.value)
            .sum()
    }

    /// The stages with their kinds, from the sources on.
    pub fn stages(&self) -> Vec<(String, String)> {
        let mut left: Vec<(String, String)> = self
            .series
            .iter()
            .filter(|series| series.name == "trackflow_stage_workers")
            .filter_map(|series| Some((series.label("stage")?.to_string(), series.label("kind")?.to_string())))
            .collect();
        let mut sorted: Vec<(String, String)> = Vec::new();
        while !left.is_empty() {
            let done = |from: &str| !left.iter().any(|(id, _)| id == from);
            let ready = left.iter().position(|(id, _)| self.inputs(id).all(&done)).unwrap_or(0);
            sorted.push(left.remove(ready));
        }
        sorted
    }

    fn edges(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        let depths = self.series.iter().filter(|series| series.name == "trackflow_channel_depth");
        depths.filter_map(|series| Some((series.label("from")?, series.label("to")?, series.value)))
    }

    fn inputs<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        self.edges().filter(move |(_, to, _)| *to == id).map(|(from, _, _)| from)
    }

    /// The output channels of `id`: to whom, items that wait, capacity.
    pub fn channels<'a>(&'a self, id: &'a str) -> impl Iterator<Item = (&'a str, f64, f64)> {
        self.edges()
            .filter(move |(from, _, _)| *from == id)
            .map(|(from, to, depth)| (to, depth, self.sum("trackflow_channel_capacity", &[("from", from), ("to", to)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_format_is_read_with_its_escapes() {
        let series = Series::parse(r#"trackflow_x{stage="a \"b\\",kind="k,=}"} 1.5"#).unwrap();
        assert_eq!((series.name.as_str(), series.value), ("trackflow_x", 1.5));
        assert_eq!(series.label("stage"), Some("a \"b\\"));
        assert_eq!(series.label("kind"), Some("k,=}"));
        assert!(Series::parse("# HELP x y 3").is_none() && Series::parse("HTTP/1.1 200 OK").is_none());
    }
}
