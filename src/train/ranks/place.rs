//! Which of several processes this one is, as whoever started it says in the environment.

use crate::failure::{Failure, Result};
use std::{fmt, str::FromStr};

/// Who started the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launcher {
    /// torchrun, or whoever sets the same variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT).
    Torchrun,
    /// Slurm's srun.
    Slurm,
}

impl fmt::Display for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Torchrun => "torchrun's variables",
            Self::Slurm => "Slurm's variables",
        })
    }
}

/// The place of a process among all that train one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankInfo {
    /// Its number, from 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// Its number on its machine, from 0.
    pub local_rank: usize,
    /// How many there are on its machine.
    pub local_size: usize,
    /// Where all meet: a host and a port.
    pub meeting: (String, u16),
    /// Whether the launcher serves the store there; otherwise rank 0 does.
    pub served: bool,
    /// How often the launcher has started all of them again.
    pub attempt: u64,
    /// Who said all this.
    pub launcher: Launcher,
}

/// The variables that say so, for those that have to be kept from a process that is no rank.
pub const VARIABLES: [&str; 8] = [
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "SLURM_PROCID",
    "SLURM_NTASKS",
    "SLURM_LOCALID",
    "TORCHELASTIC_USE_AGENT_STORE",
];

impl RankInfo {
    /// The place that the environment names; none where this process is the only one.
    ///
    /// # Errors
    /// Variables that are missing, no numbers, or contradict each other (64).
    pub fn of_environment() -> Result<Option<Self>> {
        Self::of(&|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
    }

    /// The place that the variables name, each of which `get` gives where it is set.
    ///
    /// # Errors
    /// As above.
    pub fn of(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        if get("RANK").is_some() || get("WORLD_SIZE").is_some() {
            return Self::torchrun(get);
        }
        match (get("SLURM_PROCID"), get("SLURM_NTASKS")) {
            (Some(_), Some(_)) => Self::slurm(get),
            _ => Ok(None),
        }
    }

    fn torchrun(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let present = if get("RANK").is_some() { "RANK" } else { "WORLD_SIZE" };
        let needed = |name: &str| {
            get(name).ok_or_else(|| {
                Failure::usage(format!(
                    "{present} is set, but {name} is not: a rank needs RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and \
                     MASTER_PORT, which torchrun sets; unset {present} to train with one process"
                ))
            })
        };
        let (size, rank) = (number("WORLD_SIZE", &needed("WORLD_SIZE")?)?, number("RANK", &needed("RANK")?)?);
        check("RANK", rank, "WORLD_SIZE", size)?;
        if size == 1 {
            return Ok(None);
        }
        let local_rank = number("LOCAL_RANK", &needed("LOCAL_RANK")?)?;
        let local_size = get("LOCAL_WORLD_SIZE").map(|text| number("LOCAL_WORLD_SIZE", &text)).transpose()?;
        if let Some(local_size) = local_size {
            check("LOCAL_RANK", local_rank, "LOCAL_WORLD_SIZE", local_size)?;
        }
        let (host, port) = (needed("MASTER_ADDR")?, number("MASTER_PORT", &needed("MASTER_PORT")?)?);
        let attempt = get("TORCHELASTIC_RESTART_COUNT").map(|text| number("TORCHELASTIC_RESTART_COUNT", &text));
        Ok(Some(Self {
            rank,
            size,
            local_rank,
            local_size: local_size.unwrap_or(local_rank + 1),
            meeting: (host, port),
            served: get("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            attempt: attempt.transpose()?.unwrap_or(0),
            launcher: Launcher::Torchrun,
        }))
    }

    fn slurm(get: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let needed = |name: &str| {
            get(name).ok_or_else(|| {
                Failure::usage(format!(
                    "SLURM_PROCID is set, but {name} is not: start the ranks with srun, or unset SLURM_PROCID to train \
                     with one process"
                ))
            })
        };
        // Within an allocation, a step may have fewer tasks than that.
        let (name, tasks) = match get("SLURM_STEP_NUM_TASKS") {
            Some(tasks) => ("SLURM_STEP_NUM_TASKS", tasks),
            None => ("SLURM_NTASKS", needed("SLURM_NTASKS")?),
        };
        let (size, rank) = (number(name, &tasks)?, number("SLURM_PROCID", &needed("SLURM_PROCID")?)?);
        check("SLURM_PROCID", rank, name, size)?;
        if size == 1 {
            return Ok(None);
        }
        let local_rank = number("SLURM_LOCALID", &needed("SLURM_LOCALID")?)?;
        let host = match (get("MASTER_ADDR"), get("SLURM_STEP_NODELIST").or_else(|| get("SLURM_JOB_NODELIST"))) {
            (Some(host), _) => host,
            (None, Some(list)) => first_node(&list).ok_or_else(|| {
                Failure::usage(format!(
                    "SLURM_JOB_NODELIST={list}: no host is in it; set MASTER_ADDR to that of rank 0"
                ))
            })?,
            (None, None) => {
                return Err(needed("SLURM_JOB_NODELIST").err().unwrap_or_else(|| Failure::usage("no host")));
            }
        };
        let port = match (get("MASTER_PORT"), get("SLURM_JOB_ID")) {
            (Some(port), _) => number("MASTER_PORT", &port)?,
            // Jobs that share a machine have different numbers.
            (None, Some(job)) => 20_000 + (number::<u64>("SLURM_JOB_ID", &job)? % 20_000) as u16,
            (None, None) => return Err(Failure::usage("neither MASTER_PORT nor SLURM_JOB_ID is set; set MASTER_PORT")),
        };
        // `2(x3)` or `4,2`: that of the machine of rank 0 is near enough, as only shares of cores depend on it.
        let per_node = get("SLURM_STEP_TASKS_PER_NODE").or_else(|| get("SLURM_TASKS_PER_NODE"));
        let local_size = per_node.and_then(|text| text.split(['(', ',']).next()?.trim().parse::<usize>().ok());
        Ok(Some(Self {
            rank,
            size,
            local_rank,
            local_size: local_size.unwrap_or(0).max(local_rank + 1),
            meeting: (host, port),
            served: false,
            attempt: get("SLURM_RESTART_COUNT").map_or(Ok(0), |text| number("SLURM_RESTART_COUNT", &text))?,
            launcher: Launcher::Slurm,
        }))
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.meeting.0, self.meeting.1)
    }

    /// Who serves the store, for messages.
    pub fn server(&self) -> String {
        match self.served {
            true => format!("the launcher's store at {}", self.address()),
            false => format!("rank 0, which serves the store at {}", self.address()),
        }
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| Failure::usage(format!("{name}={text}: not a number that it can be")))
}

fn check(name: &str, rank: usize, of: &str, size: usize) -> Result<()> {
    match rank < size {
        true => Ok(()),
        false => Err(Failure::usage(format!("{name}={rank}, but {of}={size}: ranks are numbered from 0"))),
    }
}

/// The first host of a list as Slurm writes it: `gpu[03-05,9],login1`.
fn first_node(list: &str) -> Option<String> {
    let (name, rest) = match list.find(['[', ',']) {
        Some(at) => list.split_at(at),
        None => (list, ""),
    };
    let name = name.trim();
    let Some(ranges) = rest.strip_prefix('[') else { return (!name.is_empty()).then(|| name.to_string()) };
    let (ranges, after) = ranges.split_once(']')?;
    let first = ranges.split([',', '-']).next()?.trim();
    // What comes after the brackets belongs to the name: `rack[1-2]-a`.
    let suffix = after.split(',').next().unwrap_or_default();
    (!first.is_empty()).then(|| format!("{name}{first}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(variables: &[(&str, &str)]) -> Result<Option<RankInfo>> {
        let found = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        RankInfo::of(&found)
    }

    const TORCHRUN: [(&str, &str); 8] = [
        ("RANK", "3"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_RANK", "1"),
        ("LOCAL_WORLD_SIZE", "2"),
        ("MASTER_ADDR", "node7"),
        ("MASTER_PORT", "29511"),
        ("TORCHELASTIC_USE_AGENT_STORE", "True"),
        ("TORCHELASTIC_RESTART_COUNT", "2"),
    ];

    #[test]
    fn torchrun_says_where_a_rank_stands() {
        let found = place(&TORCHRUN).unwrap().unwrap();
        assert_eq!((found.rank, found.size, found.local_rank, found.local_size), (3, 4, 1, 2));
        assert_eq!((found.address().as_str(), found.served, found.attempt), ("node7:29511", true, 2));
        assert_eq!(place(&[]).unwrap(), None);
        assert_eq!(place(&[("MASTER_ADDR", "x")]).unwrap(), None, "it says nothing of ranks");
        assert_eq!(place(&[("RANK", "0"), ("WORLD_SIZE", "1")]).unwrap(), None);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let without = |name: &str| {
            let some: Vec<_> = TORCHRUN.into_iter().filter(|(known, _)| *known != name).collect();
            place(&some).unwrap_err()
        };
        for name in ["WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "RANK"] {
            let failure = without(name);
            assert!(failure.message.contains(&format!("but {name} is not")), "{failure}");
            assert_eq!(failure.kind.exit_code(), 64);
        }
        let with = |name: &str, value: &'static str| {
            let some: Vec<_> =
                TORCHRUN.into_iter().map(|(known, old)| (known, if known == name { value } else { old })).collect();
            place(&some).unwrap_err().message
        };
        assert!(with("RANK", "4").contains("RANK=4, but WORLD_SIZE=4"));
        assert!(with("LOCAL_RANK", "2").contains("LOCAL_RANK=2, but LOCAL_WORLD_SIZE=2"));
        assert!(with("WORLD_SIZE", "two").contains("WORLD_SIZE=two: not a number"));
        assert!(with("MASTER_PORT", "70000").contains("MASTER_PORT=70000"));
    }

    #[test]
    fn slurm_says_it_in_its_own_words() {
        let base = [("SLURM_PROCID", "5"), ("SLURM_NTASKS", "8"), ("SLURM_LOCALID", "1")];
        let with = |more: &[(&'static str, &'static str)]| place(&[&base[..], more].concat());
        let nodes = [("SLURM_JOB_NODELIST", "gpu[03-05,9]"), ("SLURM_JOB_ID", "1234567")];
        let found = with(&nodes).unwrap().unwrap();
        assert_eq!((found.rank, found.size, found.local_rank), (5, 8, 1));
        assert_eq!(found.meeting, ("gpu03".to_string(), 20_000 + (1_234_567 % 20_000) as u16));
        let found = with(&[("MASTER_ADDR", "a"), ("MASTER_PORT", "7"), ("SLURM_TASKS_PER_NODE", "4(x2)")]);
        let found = found.unwrap().unwrap();
        assert_eq!((found.address().as_str(), found.local_size), ("a:7", 4));
        assert!(with(&[]).unwrap_err().message.contains("SLURM_JOB_NODELIST"));
        assert!(with(&nodes[..1]).unwrap_err().message.contains("MASTER_PORT"));
        assert!(place(&base[..2]).unwrap_err().message.contains("SLURM_LOCALID is not"));
        assert_eq!(place(&[("SLURM_NTASKS", "1"), ("SLURM_PROCID", "0")]).unwrap(), None);
    }

    #[test]
    fn the_first_node_of_a_list() {
        for (list, first) in [
            ("node1", Some("node1")),
            ("node1,node2", Some("node1")),
            ("gpu[003-007,12]", Some("gpu003")),
            ("rack[1-2]-a,other", Some("rack1-a")),
            ("", None),
            ("x[", None),
        ] {
            assert_eq!(first_node(list).as_deref(), first, "{list}");
        }
    }
}
