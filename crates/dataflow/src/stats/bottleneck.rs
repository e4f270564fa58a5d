//! Who holds the flow up, in words.

use std::time::Duration;

/// What a stage did in some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Its name.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its workers.
    pub workers: usize,
    /// The most workers that it could have.
    pub most: usize,
    /// How long its workers were there, summed over them.
    pub alive: Duration,
    /// Time inside its own code, summed over workers.
    pub busy: Duration,
    /// Time that its workers waited for input.
    pub waited: Duration,
    /// Time that its workers were blocked on their output.
    pub blocked: Duration,
}

impl Load {
    /// The share of its workers' time that it was busy, from 0 to 1.
    pub fn utilisation(&self) -> f64 {
        self.share(self.busy)
    }

    /// `time` as a share of its workers' time, from 0 to 1.
    pub fn share(&self, time: Duration) -> f64 {
        let all = self.alive.as_secs_f64();
        if all > 0.0 { (time.as_secs_f64() / all).min(1.0) } else { 0.0 }
    }
}

/// A stage that is busy for this share of its time holds up the others.
const BUSY: f64 = 0.7;

/// The stage with the highest utilisation.
pub fn busiest(loads: &[Load]) -> Option<&Load> {
    loads.iter().max_by(|a, b| a.utilisation().total_cmp(&b.utilisation()))
}

/// One sentence about `loads`. `expected_bottleneck` is said when the bottleneck is of the kind in it: the one that is
/// meant to be.
pub fn sentence(loads: &[Load], expected_bottleneck: (&str, &str)) -> Option<String> {
    let worst = busiest(loads)?;
    let (id, percent) = (&worst.id, 100.0 * worst.utilisation());
    Some(if worst.utilisation() < BUSY {
        format!(
            "no stage is a bottleneck: `{id}` is the busiest ({percent:.0} % busy); if that is too slow, the cores may \
             be shared with others, or channels too short for items of uneven cost (a larger capacity shows it)"
        )
    } else if worst.kind == expected_bottleneck.0 {
        format!("`{id}` is the bottleneck ({percent:.0} % busy): {}", expected_bottleneck.1)
    } else if worst.workers < worst.most {
        let more = worst.workers + 1;
        format!(
            "`{id}` is the bottleneck ({percent:.0} % busy with {} worker{}): try workers: {more} if cores are free, or auto",
            worst.workers,
            if worst.workers == 1 { "" } else { "s" },
        )
    } else {
        format!("`{id}` is the bottleneck ({percent:.0} % busy): it cannot have more workers; make its work cheaper")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(id: &str, workers: usize, most: usize, busy: u64) -> Load {
        let (busy, alive) = (Duration::from_secs(busy), Duration::from_secs(100 * workers as u64));
        Load {
            id: id.into(),
            kind: id.into(),
            workers,
            most,
            alive,
            busy,
            waited: Duration::ZERO,
            blocked: Duration::ZERO,
        }
    }

    fn say(loads: &[Load]) -> String {
        sentence(loads, ("step", "the device is fed")).unwrap()
    }

    #[test]
    fn the_busiest_stage_is_named_with_a_remedy() {
        insta::assert_snapshot!(say(&[load("decode", 2, 8, 110), load("step", 1, 1, 97)]),
            @"`step` is the bottleneck (97 % busy): the device is fed");
        insta::assert_snapshot!(say(&[load("decode", 2, 8, 190), load("step", 1, 1, 40)]),
            @"`decode` is the bottleneck (95 % busy with 2 workers): try workers: 3 if cores are free, or auto");
        insta::assert_snapshot!(say(&[load("collate", 1, 1, 90), load("step", 1, 1, 40)]),
            @"`collate` is the bottleneck (90 % busy): it cannot have more workers; make its work cheaper");
        insta::assert_snapshot!(say(&[load("decode", 2, 8, 50), load("step", 1, 1, 40)]),
            @"no stage is a bottleneck: `step` is the busiest (40 % busy); if that is too slow, the cores may be shared with others, or channels too short for items of uneven cost (a larger capacity shows it)");
    }
}
