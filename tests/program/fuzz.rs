//! The parsers of what others wrote, with damaged input: first inputs of every target, and changes to them that are the
//! same in every run. `make fuzz` looks further, guided by coverage.

#[path = "../../fuzz/src/targets.rs"]
mod targets;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};
use targets::{Place, TARGETS, Target, target};
use trackflow::data::random::CounterRng;

/// Changed inputs of each target.
const CHANGES: usize = 1500;

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn check(target: Target, place: &Place, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(place, input))).is_err() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-{}", target.name));
        fs::write(&path, input).unwrap();
        panic!("{} panicked; the input is kept as {}", target.name, path.display());
    }
}

/// Flips, cuts, doubles, copies, and numbers that are often limits.
fn change(input: &mut Vec<u8>, other: &[u8], draw: &mut dyn FnMut(usize) -> usize) {
    for _ in 0..=draw(4) {
        let length = input.len();
        let at = draw(length.max(1)).min(length);
        let end = (at + draw(32)).min(length);
        match draw(8) {
            0 if length > 0 => input[at.min(length - 1)] ^= 1 << draw(8),
            1 if length > 0 => input[at.min(length - 1)] = [0, 1, 0x7f, 0x80, 0xff, b'{', b'"', b'\n'][draw(8)],
            2 => drop(input.drain(at..end)),
            3 => {
                let copy = input[at..end].to_vec();
                input.splice(at..at, copy);
            }
            4 => {
                let from = draw(other.len().max(1)).min(other.len());
                let copy = other[from..(from + draw(64)).min(other.len())].to_vec();
                input.splice(at..end, copy);
            }
            5 => {
                let text =
                    ["-1", "1e308", "NaN", "18446744073709551616", "[[[[", "&a [*a]", "\u{feff}", "1,2"][draw(8)];
                input.splice(at..end, text.bytes());
            }
            6 => drop(input.splice(at..end, u32::MAX.to_le_bytes())),
            _ => input.truncate(length - draw(length.max(1)).min(length) / 4),
        }
    }
}

#[test]
fn damaged_input_is_an_error_and_nothing_worse() {
    // A panic is caught and told with its input; its own message would only repeat.
    std::thread::scope(|scope| {
        for targets in [&TARGETS[..TARGETS.len() / 2], &TARGETS[TARGETS.len() / 2..]] {
            scope.spawn(move || {
                for target in targets {
                    let (place, seeds) = (Place::new(), seeds(target.name));
                    assert!(!seeds.is_empty(), "{}", target.name);
                    seeds.iter().for_each(|seed| check(*target, &place, seed));
                    for number in 0..CHANGES {
                        let mut rng = CounterRng::new(&[7, number as u64]);
                        let mut draw = |below: usize| rng.below(below);
                        let mut input = seeds[draw(seeds.len())].clone();
                        let other = &seeds[draw(seeds.len())];
                        change(&mut input, other, &mut draw);
                        check(*target, &place, &input);
                    }
                }
            });
        }
    });
}

#[test]
fn targets_are_found_by_their_names() {
    assert!(TARGETS.iter().all(|known| target(known.name).is_some()) && target("none").is_none());
}
