//! The devices that trackers run on, and what each worker gets of the machine.

use crate::{
    failure::{Failure, Result},
    train::device::DeviceChoice,
};
use std::str::FromStr;

/// `cuda:0,cuda:1`, `cpu`, `auto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Devices(pub Vec<DeviceChoice>);

impl Default for Devices {
    fn default() -> Self {
        Self(vec![DeviceChoice::Auto])
    }
}

impl FromStr for Devices {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let devices = text.split(',').map(|one| one.trim().parse()).collect::<std::result::Result<Vec<_>, _>>();
        let devices: Vec<DeviceChoice> = devices.map_err(|what| format!("{what}, or several cuda:N with commas"))?;
        match devices.iter().enumerate().find(|(at, one)| devices[..*at].contains(one)) {
            Some((_, twice)) => Err(format!("{twice} is named twice; --jobs sets how many trackers run")),
            None if devices.len() > 1 && devices.contains(&DeviceChoice::Auto) => {
                Err("auto is one device; name the others one by one".into())
            }
            None => Ok(Self(devices)),
        }
    }
}

/// How many workers there are, and how many threads of the CPU each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Workers {
    pub jobs: usize,
    pub threads: usize,
}

impl Workers {
    /// What `jobs` and `threads` of the command line come to on a machine with so many `cores`: without `jobs` one on
    /// each device; without `threads` one thread where `jobs` are given, as a frame's last bits depend on their number and
    /// must not on that of jobs, else all cores.
    ///
    /// # Errors
    /// Devices that no worker would use.
    pub fn new(jobs: Option<u16>, threads: Option<u16>, devices: usize, cores: usize) -> Result<Self> {
        let default = if jobs.is_some() { 1 } else { (cores / devices.max(1)).max(1) };
        let jobs = jobs.map_or(devices, usize::from);
        if jobs < devices {
            let what = format!("--jobs {jobs}: {devices} devices are named, and {} would do nothing", devices - jobs);
            return Err(Failure::usage(format!("{what}; give at least one job to each, or name fewer devices")));
        }
        let threads = threads.map_or(default, usize::from);
        Ok(Self { jobs, threads })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_once_each() {
        let parsed = |text: &str| text.parse::<Devices>().map(|devices| devices.0);
        assert_eq!(parsed("cuda:0,cuda:1"), Ok(vec![DeviceChoice::Cuda(0), DeviceChoice::Cuda(1)]));
        assert_eq!(parsed("cpu"), Ok(vec![DeviceChoice::Cpu]));
        assert!(parsed("cpu,cpu").unwrap_err().contains("cpu is named twice; --jobs sets"));
        assert!(parsed("auto,cpu").unwrap_err().contains("auto is one device"));
        assert!(parsed("gpu").unwrap_err().contains("expected auto, cpu or cuda:N"));
    }

    #[test]
    fn the_number_of_jobs_decides_nothing_about_threads() {
        let workers = |jobs, threads, devices| Workers::new(jobs, threads, devices, 8).map(|w| (w.jobs, w.threads));
        assert_eq!(workers(None, None, 1).unwrap(), (1, 8));
        assert_eq!(workers(Some(3), None, 1).unwrap(), (3, 1));
        assert_eq!(workers(Some(16), None, 2).unwrap(), (16, 1));
        assert_eq!(workers(None, Some(4), 2).unwrap(), (2, 4));
        assert!(workers(Some(1), None, 2).unwrap_err().message.contains("1 would do nothing"));
    }
}
