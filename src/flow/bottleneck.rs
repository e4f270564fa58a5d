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
    /// Time inside its own code, summed over workers.
    pub busy: Duration,
    /// Time that its workers waited for input.
    pub waited: Duration,
    /// Time that its workers were blocked on their output.
    pub blocked: Duration,
}

impl Load {
    /// The share of its workers' time that it was busy, from 0 to 1.
    pub fn utilisation(&self, wall: Duration) -> f64 {
        let all = wall.as_secs_f64() * self.workers.max(1) as f64;
        if all > 0.0 { (self.busy.as_secs_f64() / all).min(1.0) } else { 0.0 }
    }
}

/// A stage that is busy for this share of its time holds up the others.
const BUSY: f64 = 0.7;

/// The stage with the highest utilisation.
pub fn busiest(loads: &[Load], wall: Duration) -> Option<&Load> {
    loads.iter().max_by(|a, b| a.utilisation(wall).total_cmp(&b.utilisation(wall)))
}

/// One sentence about `loads` over `wall`. `praise` is said when the bottleneck is of the kind in it: the one that is
/// meant to be.
pub fn sentence(loads: &[Load], wall: Duration, praise: (&str, &str)) -> Option<String> {
    let worst = busiest(loads, wall)?;
    let (id, percent) = (&worst.id, 100.0 * worst.utilisation(wall));
    Some(if worst.utilisation(wall) < BUSY {
        format!(
            "no stage is a bottleneck: `{id}` is the busiest ({percent:.0} % busy); if that is too slow, the cores are \
             shared with others or channels are too short for items of uneven cost: try a larger capacity"
        )
    } else if worst.kind == praise.0 {
        format!("`{id}` is the bottleneck ({percent:.0} % busy): {}", praise.1)
    } else if worst.workers < worst.most {
        let more = worst.workers + 1;
        format!(
            "`{id}` is the bottleneck ({percent:.0} % busy with {} workers): try workers: {more}, or auto",
            worst.workers
        )
    } else {
        format!("`{id}` is the bottleneck ({percent:.0} % busy): it cannot have more workers; make its work cheaper")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(id: &str, workers: usize, most: usize, busy: u64) -> Load {
        let busy = Duration::from_secs(busy);
        Load { id: id.into(), kind: id.into(), workers, most, busy, waited: Duration::ZERO, blocked: Duration::ZERO }
    }

    fn say(loads: &[Load]) -> String {
        sentence(loads, Duration::from_secs(100), ("step", "the device is fed")).unwrap()
    }

    #[test]
    fn the_busiest_stage_is_named_with_a_remedy() {
        insta::assert_snapshot!(say(&[load("decode", 2, 8, 110), load("step", 1, 1, 97)]),
            @"`step` is the bottleneck (97 % busy): the device is fed");
        insta::assert_snapshot!(say(&[load("decode", 2, 8, 190), load("step", 1, 1, 40)]),
            @"`decode` is the bottleneck (95 % busy with 2 workers): try workers: 3, or auto");
        insta::assert_snapshot!(say(&[load("collate", 1, 1, 90), load("step", 1, 1, 40)]),
            @"`collate` is the bottleneck (90 % busy): it cannot have more workers; make its work cheaper");
        insta::assert_snapshot!(say(&[load("decode", 2, 8, 50), load("step", 1, 1, 40)]),
            @"no stage is a bottleneck: `step` is the busiest (40 % busy); if that is too slow, the cores are shared with others or channels are too short for items of uneven cost: try a larger capacity");
    }
}
