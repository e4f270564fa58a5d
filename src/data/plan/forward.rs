//! OSTrack's causal sampling: search frames after the template, never before.

use super::causal::uniform;
use crate::data::random::CounterRng;

/// How often a template is drawn again, with a larger gap, before any that is followed by a visible frame will do.
const TEMPLATE_TRIES: usize = 1000;

/// By how much the gap grows when nothing visible follows a template.
const GAP_STEP: usize = 5;

/// Template and search frames of a clip, in this order. The template is uniform among the visible frames that leave room
/// for `search_frames` more; each search frame is uniform among the visible ones 1 to `max_gap - 1` frames later, so that
/// several can be the same. When there is none, another template is drawn and the gap grows by 5, as in the reference.
///
/// `None` when fewer than two frames that qualify are visible.
pub fn frames(visible: &[bool], search_frames: usize, max_gap: usize, rng: &mut CounterRng) -> Option<Vec<usize>> {
    let templates = visible.len().checked_sub(search_frames)?;
    let last = visible.iter().rposition(|&seen| seen)?;
    let clip = |template: usize, end: usize, rng: &mut CounterRng| {
        let searched = (0..search_frames).map(|_| uniform(visible, template + 1, end.min(visible.len()), rng));
        let mut frames: Vec<usize> = searched.collect::<Option<_>>()?;
        frames.sort_unstable();
        frames.insert(0, template);
        Some(frames)
    };
    for draw in 0..TEMPLATE_TRIES {
        let template = uniform(visible, 0, templates, rng)?;
        let end = template.saturating_add(max_gap).saturating_add(GAP_STEP * draw);
        if let Some(frames) = clip(template, end, rng) {
            return Some(frames);
        }
    }
    // Nearly all visible frames are behind those that could be templates: take one that is followed by something.
    let template = uniform(visible, 0, templates.min(last), rng)?;
    clip(template, visible.len(), rng)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn search_frames_come_after_the_template_and_are_visible(
            visible in prop::collection::vec(prop::bool::weighted(0.4), 0..120),
            search in 1usize..4, gap in 2usize..90, seed in any::<u64>(),
        ) {
            let chosen = frames(&visible, search, gap, &mut CounterRng::new(&[seed]));
            let templates = visible.len().saturating_sub(search);
            let first = visible[..templates].iter().position(|&seen| seen);
            let last = visible.iter().rposition(|&seen| seen);
            prop_assert_eq!(chosen.is_some(), first.zip(last).is_some_and(|(first, last)| first < last));
            if let Some(chosen) = chosen {
                prop_assert_eq!(chosen.len(), search + 1);
                prop_assert!(chosen[1..].iter().all(|&frame| frame > chosen[0]), "{:?}", chosen);
                prop_assert!(chosen.iter().all(|&frame| visible[frame]));
            }
        }
    }

    #[test]
    fn every_gap_below_the_largest_is_as_frequent() {
        let visible = vec![true; 4000];
        let mut counts = [0usize; 11];
        for clip in 0..10_000 {
            let chosen = frames(&visible, 1, 10, &mut CounterRng::new(&[3, clip])).unwrap();
            if chosen[0] < 3900 {
                counts[chosen[1] - chosen[0]] += 1;
            }
        }
        assert_eq!((counts[0], counts[10]), (0, 0), "1 to 9 frames later");
        let mean = counts.iter().sum::<usize>() / 9;
        assert!(counts[1..10].iter().all(|&count| count.abs_diff(mean) < mean / 5), "{counts:?}");
    }

    #[test]
    fn the_gap_grows_until_a_visible_frame_is_found() {
        let visible: Vec<bool> = (0..400).map(|i| i % 40 == 0).collect();
        let chosen = frames(&visible, 1, 10, &mut CounterRng::new(&[1])).unwrap();
        assert_eq!((chosen[1] - chosen[0]) % 40, 0);
    }
}
