use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::data::condition::UNLABELLED;
use crate::data::dataset::FrameFiles;

/// Sequences of an object that drifts and grows; every seventh frame does not show it.
fn dataset(name: &str, sequences: usize, frames: usize) -> Dataset {
    let make = |s: usize| {
        let folder = Path::new(name).join(s.to_string());
        let files = FrameFiles::listed(&folder, (1..=frames).map(|i| format!("{i:08}.jpg")).collect());
        let object = |i: usize| [100.0 + i as f32, 80.0 + 0.5 * i as f32, 40.0 + 0.1 * i as f32, 30.0 + s as f32];
        let marked = (0..frames).map(|i| i % 7 != 3).collect();
        Sequence::new(&format!("s{s}"), files, (0..frames).map(object).collect(), Some(marked))
    };
    Dataset::new(name, (0..sequences).map(make).collect())
}

fn planner(options: PlanOptions) -> Planner {
    Planner::new(vec![dataset("A", 3, 300), dataset("B", 2, 60)], &[3.0, 1.0], options).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_plan_is_a_pure_function_of_its_key(
        seed in any::<u64>(), keys in prop::collection::vec((0u64..5, 0u64..1000, 0u64..3), 1..12),
    ) {
        let make = || planner(PlanOptions { seed, ..PlanOptions::default() });
        let (one, other) = (make(), make());
        let forwards: Vec<_> = keys.iter().map(|&(e, i, a)| one.plan(e, i, a).unwrap()).collect();
        let backwards: Vec<_> = keys.iter().rev().map(|&(e, i, a)| other.plan(e, i, a).unwrap()).collect();
        prop_assert!(forwards.iter().eq(backwards.iter().rev()));
    }

    #[test]
    fn every_frame_of_a_plan_shows_the_object_in_its_window(index in any::<u64>(), epoch in any::<u64>()) {
        let planner = planner(PlanOptions::default());
        let clip = planner.plan(epoch, index, 0).unwrap();
        prop_assert_eq!((clip.search.len(), clip.labels.len()), (5, 5));
        for (position, frame) in clip.frames().enumerate() {
            let size = if position == 0 { 192 } else { 384 };
            prop_assert!(frame.frame % 7 != 3, "frame {} does not show the object", frame.frame);
            prop_assert!(frame.window.contains(frame.object.centre()));
            let (cx, cy) = frame.crop_box.centre();
            prop_assert!((-0.01..1.01).contains(&cx) && (-0.01..1.01).contains(&cy), "{:?}", frame.crop_box);
            let scaled = |v: f64| v * f64::from(size);
            let b = frame.crop_box;
            let back = frame.window.to_frame(&Rect::new(scaled(b.x), scaled(b.y), scaled(b.w), scaled(b.h)), size);
            prop_assert!((back.x - frame.object.x).abs() < 1e-6 && (back.h - frame.object.h).abs() < 1e-6);
            let name = format!("{}/{}/{:08}.jpg", clip.dataset, &clip.sequence[1..], frame.frame + 1);
            prop_assert_eq!(frame.file.path.to_str(), Some(name.as_str()));
        }
    }
}

#[test]
fn epochs_and_attempts_differ_in_training() {
    let planner = planner(PlanOptions::default());
    let plan = |epoch, attempt| planner.plan(epoch, 7, attempt).unwrap().search;
    assert_ne!(plan(0, 0), plan(1, 0));
    assert_ne!(plan(0, 0), plan(0, 1));
}

#[test]
fn validation_repeats_its_clips_and_does_not_augment_them() {
    let planner = planner(PlanOptions { mode: PlanMode::Validation, ..PlanOptions::default() });
    for index in 0..50 {
        let (first, later) = (planner.plan(0, index, 0).unwrap(), planner.plan(9, index, 0).unwrap());
        assert_eq!((&first.template, &first.search), (&later.template, &later.search));
        assert!(!first.grey && first.frames().all(|frame| !frame.flip && frame.brightness == 1.0));
        // Windows are still jittered.
        assert!(first.search.iter().all(|frame| (frame.crop_box.centre().0 - 0.5).abs() > 1e-4));
    }
    assert_ne!(planner.plan(0, 1, 0).unwrap().search, planner.plan(0, 2, 0).unwrap().search);
}

#[test]
fn augmentation_and_data_sets_have_their_shares() {
    let planner = planner(PlanOptions::default());
    let clips: Vec<_> = (0..4000).map(|index| planner.plan(0, index, 0).unwrap()).collect();
    let share = |test: &dyn Fn(&ClipPlan) -> bool| clips.iter().filter(|clip| test(clip)).count() as f64 / 4000.0;
    assert!((share(&|c| c.template.flip) - 0.5).abs() < 0.03);
    assert!((share(&|c| c.grey) - 0.05).abs() < 0.015);
    assert!((share(&|c| &*c.dataset == "A") - 0.75).abs() < 0.03);
    assert!((share(&|c| c.search[0].frame > c.template.frame) - 0.5).abs() < 0.03);
    assert!(clips.iter().all(|c| c.frames().all(|f| f.flip == c.template.flip)));
    let factors: Vec<f64> = clips.iter().flat_map(ClipPlan::frames).map(|f| f64::from(f.brightness)).collect();
    assert!(factors.iter().all(|factor| (0.8..=1.2).contains(factor)));
    let mean = factors.iter().sum::<f64>() / factors.len() as f64;
    assert!((mean - 1.0).abs() < 0.005, "{mean}");
    assert!(clips.iter().all(|clip| clip.labels.iter().all(|&label| label == UNLABELLED)));
}

#[test]
fn the_template_is_not_jittered_and_searches_are_as_much_as_asked() {
    let planner = planner(PlanOptions::default());
    let (mut sides, mut shifts) = (Vec::new(), Vec::new());
    for index in 0..2000 {
        let clip = planner.plan(0, index, 0).unwrap();
        let expected = Window::around(&clip.template.object, 2.0).unwrap();
        assert_eq!(clip.template.window, expected);
        for frame in &clip.search {
            let side = f64::from(frame.window.side) / 5.0;
            sides.push((side / frame.object.area().sqrt()).ln());
            shifts.push((frame.window.centre.0 - frame.object.centre().0) / side);
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let deviation = |values: &[f64]| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
    // The logarithm of √(w·h) is the mean of two normals of deviation 0.5.
    assert!(mean(&sides).abs() < 0.03 && (deviation(&sides) - 0.5 / 2f64.sqrt()).abs() < 0.01);
    // Uniform of width 4.5.
    assert!(mean(&shifts).abs() < 0.05 && (deviation(&shifts) - 4.5 / 12f64.sqrt()).abs() < 0.03);
    assert!(shifts.iter().all(|shift| shift.abs() <= 2.26));
}

#[test]
fn crops_flip_one_by_one_only_when_asked() {
    let planner = planner(PlanOptions { flip_per_crop: true, ..PlanOptions::default() });
    let mixed = (0..200).filter(|&index| {
        let clip = planner.plan(0, index, 0).unwrap();
        clip.frames().any(|frame| frame.flip != clip.template.flip)
    });
    // All six alike: once in 32.
    assert!(mixed.count() > 170);
}

#[test]
fn unusable_sequences_are_left_out_and_unusable_sets_refused() {
    let mixed = |short: usize| {
        let mut set = dataset("A", 2, 100);
        set.sequences.extend(dataset("A", short, 19).sequences);
        set
    };
    let planner = Planner::new(vec![mixed(3)], &[1.0], PlanOptions::default()).unwrap();
    assert_eq!(planner.notes(), ["A: 3 of 5 sequences skipped: 3 too short, 0 rarely show the object"]);
    let skipped: Vec<_> = planner.skipped().map(|(set, reason, count)| (&**set, reason, count)).collect();
    assert_eq!(skipped, [("A", "too_short", 3), ("A", "rarely_visible", 0)]);
    assert!((0..100).all(|index| planner.plan(0, index, 0).unwrap().redraws.is_empty()));

    let failure = Planner::new(vec![dataset("B", 2, 15)], &[1.0], PlanOptions::default()).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 66);
    assert!(failure.message.contains("B: none of 2 sequences gives clips: 2 have fewer than 20 frames"), "{failure}");
}

#[test]
fn a_sequence_without_windows_is_drawn_again_and_then_given_up() {
    let vast = |name: &str| {
        let files = FrameFiles::listed(Path::new("v"), (1..=50).map(|i| format!("{i}.jpg")).collect());
        let sequence = Sequence::new("vast", files, vec![[0.0, 0.0, 9e4, 9e4]; 50], None);
        Dataset::new(name, vec![sequence])
    };
    let planner = Planner::new(vec![vast("V"), dataset("A", 1, 100)], &[1.0, 1.0], PlanOptions::default()).unwrap();
    let redraws: usize = (0..200)
        .map(|index| {
            let clip = planner.plan(0, index, 0).unwrap();
            assert_eq!(&*clip.dataset, "A");
            assert!(clip.redraws.iter().all(|redraw| &*redraw.dataset == "V" && redraw.reason == "no_window"));
            clip.redraws.len()
        })
        .sum();
    // Each draw fails with one half: one redraw a clip on average.
    assert!((140..260).contains(&redraws), "{redraws}");

    let hopeless = Planner::new(vec![vast("V")], &[1.0], PlanOptions::default()).unwrap();
    let failure = hopeless.plan(0, 0, 0).unwrap_err();
    assert!(failure.message.contains("vast of V: no_window"), "{failure}");
}

#[test]
fn ratios_and_options_that_cannot_be_are_refused() {
    let refused = |ratios: &[f64], options: PlanOptions| {
        let failure = Planner::new(vec![dataset("A", 1, 100), dataset("B", 1, 100)], ratios, options).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 78, "{failure}");
        failure.message.lines().count()
    };
    for ratios in [&[1.0][..], &[0.0, 0.0], &[1.0, -1.0], &[f64::NAN, 1.0]] {
        refused(ratios, PlanOptions::default());
    }
    let mut options = PlanOptions { max_gap: 0, flip: 1.5, ..PlanOptions::default() };
    options.search.factor = f64::NAN;
    assert_eq!(refused(&[1.0, 1.0], options), 3);
    // A ratio of 0 leaves a set out, even an unusable one.
    let sets = vec![dataset("A", 1, 100), dataset("B", 1, 5)];
    let planner = Planner::new(sets, &[1.0, 0.0], PlanOptions::default()).unwrap();
    assert!((0..100).all(|index| &*planner.plan(0, index, 0).unwrap().dataset == "A"));
}
