//! Causal frame sampling: a chain of visible frames with limited gaps, along time or against it.

use crate::data::random::CounterRng;

/// How often a chain is drawn again, with smaller gaps, before the closest visible frames are taken.
const CHAIN_TRIES: usize = 24;

/// A sequence needs this many visible frames to be sampled from (as in the reference: more than twice a clip's).
pub fn least_visible(search_frames: usize) -> usize {
    2 * (search_frames + 1) + 1
}

/// Template and search frames of a clip, in this order: all ascending or all descending, each with probability one
/// half. Neighbours are at most `max_gap` apart where that is possible: the chain starts where room for one full gap
/// is left, each following frame is uniform among the visible ones in reach, and room is kept for the rest. When a
/// chain meets no visible frame, or the sequence is too short, gaps shrink by 5 (then by 1) as in the reference;
/// after [`CHAIN_TRIES`] chains the closest visible frames from a uniform start are taken, whatever their gaps.
///
/// `None` when fewer than `search_frames + 1` frames are visible.
pub fn frames(visible: &[bool], search_frames: usize, max_gap: usize, rng: &mut CounterRng) -> Option<Vec<usize>> {
    let mut gap = max_gap.max(1);
    let mut chosen = None;
    for _ in 0..CHAIN_TRIES {
        chosen = chain(visible, search_frames, gap, rng);
        if chosen.is_some() {
            break;
        }
        // A gap beyond the sequence fails at once: begin to shrink where it can succeed.
        gap = gap.min(visible.len());
        gap = if gap > 5 { gap - 5 } else { gap.saturating_sub(1).max(1) };
    }
    let mut frames = match chosen {
        Some(frames) => frames,
        None => closest(visible, search_frames, rng)?,
    };
    if rng.chance(0.5) {
        frames.reverse();
    }
    Some(frames)
}

fn chain(visible: &[bool], search_frames: usize, gap: usize, rng: &mut CounterRng) -> Option<Vec<usize>> {
    let length = visible.len();
    let mut frames = Vec::with_capacity(search_frames + 1);
    frames.push(uniform(visible, 0, length.checked_sub(gap)?, rng)?);
    for remaining in (0..search_frames).rev() {
        let from = frames.last().map_or(0, |last| last + 1);
        // `remaining` more frames have to find a place behind this one.
        let end = (from + gap).min(length.checked_sub(remaining)?);
        frames.push(uniform(visible, from, end, rng)?);
    }
    Some(frames)
}

/// A uniform choice among the visible frames of `from..end`.
pub(super) fn uniform(visible: &[bool], from: usize, end: usize, rng: &mut CounterRng) -> Option<usize> {
    let part = visible.get(from..end)?;
    let count = part.iter().filter(|&&seen| seen).count();
    if count == 0 {
        return None;
    }
    let nth = rng.below(count);
    part.iter().enumerate().filter(|(_, seen)| **seen).nth(nth).map(|(i, _)| from + i)
}

fn closest(visible: &[bool], search_frames: usize, rng: &mut CounterRng) -> Option<Vec<usize>> {
    let seen: Vec<usize> = (0..visible.len()).filter(|&i| visible[i]).collect();
    let starts = seen.len().checked_sub(search_frames)?;
    if starts == 0 {
        return None;
    }
    let start = rng.below(starts);
    Some(seen[start..=start + search_frames].to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ascending(mut frames: Vec<usize>) -> Vec<usize> {
        if frames.first() > frames.last() {
            frames.reverse();
        }
        frames
    }

    proptest! {
        #[test]
        fn any_sequence_gives_an_ordered_chain_of_visible_frames_or_has_too_few(
            visible in prop::collection::vec(prop::bool::weighted(0.4), 0..120),
            search in 1usize..8, gap in 1usize..90, seed in any::<u64>(),
        ) {
            let chosen = frames(&visible, search, gap, &mut CounterRng::new(&[seed]));
            let count = visible.iter().filter(|&&seen| seen).count();
            prop_assert_eq!(chosen.is_some(), count > search);
            if let Some(chosen) = chosen {
                prop_assert_eq!(chosen.len(), search + 1);
                let chain = ascending(chosen);
                prop_assert!(chain.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", chain);
                prop_assert!(chain.iter().all(|&frame| visible[frame]));
            }
        }
    }

    #[test]
    fn long_sequences_give_every_gap_up_to_the_largest_evenly() {
        let visible = vec![true; 2000];
        let (mut counts, mut forwards) = ([0usize; 71], 0);
        for clip in 0..8000 {
            let chosen = frames(&visible, 5, 70, &mut CounterRng::new(&[9, clip])).unwrap();
            forwards += usize::from(chosen[0] < chosen[1]);
            let chain = ascending(chosen);
            if chain[0] < 1600 {
                chain.windows(2).for_each(|pair| counts[pair[1] - pair[0]] += 1);
            }
        }
        assert!((3800..4200).contains(&forwards), "{forwards}");
        let mean = counts.iter().sum::<usize>() / 70;
        assert_eq!(counts[0], 0);
        assert!(counts[1..].iter().all(|&count| count.abs_diff(mean) < mean / 5), "{counts:?}");
    }

    #[test]
    fn a_sequence_shorter_than_the_gap_is_spread_over() {
        let visible = vec![true; 24];
        let mut last = 0;
        for clip in 0..200 {
            let chain = ascending(frames(&visible, 5, 70, &mut CounterRng::new(&[clip])).unwrap());
            last = last.max(chain[5]);
        }
        assert_eq!(last, 23);
    }

    #[test]
    fn sparse_visible_frames_are_taken_whatever_their_gaps() {
        let visible: Vec<bool> = (0..400).map(|i| i % 40 == 0).collect();
        let chain = ascending(frames(&visible, 5, 10, &mut CounterRng::new(&[1])).unwrap());
        assert!(chain.windows(2).all(|pair| pair[1] - pair[0] == 40), "{chain:?}");
    }
}
