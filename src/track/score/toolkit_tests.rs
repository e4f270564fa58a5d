use super::*;

fn boxes(xs: &[f64]) -> Vec<[f64; 4]> {
    xs.iter().map(|&x| [x, 0.0, 10.0, 10.0]).collect()
}

fn run<'a>(found: &'a [[f64; 4]], truth: &'a [[f64; 4]]) -> Pair<'a> {
    Pair { found, truth, visible: None }
}

#[test]
fn the_first_frame_and_frames_without_cover_do_not_count() {
    let truth = boxes(&[0.0, 0.0, 0.0, 0.0]);
    let mut all = Overlaps::default();
    all.add(run(&boxes(&[90.0, 5.0, 0.0, 90.0]), &truth), Some(&[true, true, true, false]), None).unwrap();
    let scores = all.scores();
    assert_eq!((scores.got10k_frames, scores.sr50, scores.sr75), (Some(2), Some(0.5), Some(0.5)));
    assert!((scores.ao.unwrap() - (1.0 + 1.0 / 3.0) / 2.0).abs() < 1e-12);
    // Runs are joined, frame by frame.
    all.add(run(&boxes(&[0.0; 4]), &truth), Some(&[true, true, true, false]), None).unwrap();
    assert_eq!((all.values.len(), all.scores().sr50), (4, Some(0.75)));
    assert_eq!((all.curve().len(), all.curve()[100]), (101, 0.0));
    all.seconds = vec![0.5, 0.0, f64::NAN, 0.25];
    assert_eq!(all.scores().speed_fps, Some(3.0));
}

#[test]
fn boxes_are_cut_without_regard_to_the_far_corner() {
    assert_eq!(cut(&[-10.0, 5.0, 30.0, 90.0], (20.0, 40.0)), [0.0, 5.0, 20.0, 35.0]);
    assert_eq!(cut(&[-10.0, 5.0, 15.0, 10.0], (20.0, 40.0)), [0.0, 5.0, 15.0, 10.0]);
    assert_eq!(cut(&[5.0, 5.0, -3.0, 10.0], (20.0, 40.0)), [5.0, 5.0, 0.0, 10.0]);
    let truth = [[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 15.0, 10.0]];
    let mut all = Overlaps::default();
    all.add(run(&[truth[0], [-10.0, 0.0, 15.0, 10.0]], &truth), None, Some((20.0, 40.0))).unwrap();
    assert!((all.scores().ao.unwrap() - 1.0).abs() < 1e-12);
    assert_eq!((all.odd.shifted, all.odd.negative), (1, 0));
    assert!((all.strict().ao.unwrap() - 5.0 / 15.0).abs() < 1e-12);
}

#[test]
fn absence_is_not_read_but_said_and_the_honest_mean_heeds_it() {
    let truth = boxes(&[0.0, 0.0, 0.0]);
    let found = boxes(&[0.0, 0.0, 90.0]);
    let mut all = Overlaps::default();
    all.add(Pair { visible: Some(&[true, true, false]), ..run(&found, &truth) }, None, None).unwrap();
    assert_eq!((all.scores().sr50, all.strict().sr50, all.odd.absence_unread), (Some(0.5), Some(1.0), 1));
}

#[test]
fn counts_must_agree_and_negative_sizes_are_none() {
    let truth = boxes(&[0.0, 0.0]);
    let mut all = Overlaps::default();
    let refused = all.add(run(&boxes(&[0.0]), &truth), None, None).unwrap_err();
    assert!(refused.starts_with("1 boxes for 2 frames"), "{refused}");
    all.add(run(&[truth[0], [0.0, 0.0, -5.0, 10.0]], &truth), None, Some((50.0, 50.0))).unwrap();
    assert_eq!((all.scores().ao, all.odd.negative), (Some(0.0), 1));
}

#[test]
fn otb_divides_by_all_frames_and_uav_by_those_with_numbers() {
    let truth = [boxes(&[100.0, 100.0]), vec![[f64::NAN; 4]], vec![[0.0; 4]]].concat();
    let found = boxes(&[100.0, 100.0, 100.0, 100.0]);
    let (otb, honest, odd) = curves(Family::Otb, run(&found, &truth)).unwrap();
    assert_eq!((otb.success[0], otb.precision[20], odd.pixel_misses), (0.5, 0.5, 2));
    assert_eq!(honest.unwrap().success[0], 1.0);
    let (uav, _, _) = curves(Family::Uav, run(&found, &truth)).unwrap();
    assert_eq!(uav.success[0], 2.0 / 3.0);
    // A shorter result shortens the ground truth.
    let (short, honest, odd) = curves(Family::Otb, run(&found[..2], &boxes(&[100.0; 4]))).unwrap();
    assert_eq!((short.success[0], odd.unscored, honest.unwrap().success[0]), (1.0, 2, 0.5));
    assert!(short.normalised_precision.is_empty());
    assert!(curves(Family::Otb, run(&found[..1], &truth)).is_err());
}
