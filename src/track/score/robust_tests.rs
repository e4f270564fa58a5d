use super::*;

const RULES: [Rules; 2] = [Rules::Hiptrack, Rules::Pytracking];

fn boxes(xs: &[f64]) -> Vec<[f64; 4]> {
    xs.iter().map(|&x| [x, 1.0, 10.0, 10.0]).collect()
}

fn measured(rules: Rules, family: Family, found: &[[f64; 4]], truth: &[[f64; 4]], visible: Option<&[bool]>) -> Frames {
    frames(rules, family, Pair { found, truth, visible }).unwrap()
}

fn points(frames: &Frames, of: Of) -> [f64; 4] {
    let curves = frames.curves(of).unwrap();
    [curves.success[0], curves.success[10], curves.precision[20], curves.normalised_precision[20]]
}

#[test]
fn the_first_frame_counts_as_found_and_a_perfect_track_has_20_of_21() {
    let truth = boxes(&[1.0, 5.0, 9.0]);
    for rules in RULES {
        let all = measured(rules, Family::Otb, &boxes(&[90.0, 5.0, 9.0]), &truth, None);
        let curves = all.curves(Of::All).unwrap();
        assert_eq!((curves.success[0], curves.success[20], all.mean_overlap()), (1.0, 0.0, Some(1.0)));
        assert!((crate::track::score::mean(&curves.success).unwrap() - 20.0 / 21.0).abs() < 1e-12);
        assert_eq!(all.odd, Odd::default());
    }
}

#[test]
fn bounds_hold_as_in_the_toolkits() {
    // An overlap of exactly 0.5 is not above it; 20 pixels are still a hit. So would be 0.2 of the size, but 4 of 20
    // pixels are not that here, as each centre is divided first: 1.175 − 0.975 is a little more.
    let truth = [[10.0, 10.0, 20.0, 20.0]; 4];
    let found = [[0.0; 4], [10.0, 10.0, 10.0, 20.0], [30.0, 10.0, 20.0, 20.0], [14.0, 10.0, 20.0, 20.0]];
    let all = measured(Rules::Hiptrack, Family::Otb, &found, &truth, None);
    assert_eq!(points(&all, Of::All), [0.75, 0.5, 1.0, 0.25]);
    assert_eq!(error(&[4.0, 0.0, 20.0, 20.0], &[0.0, 0.0, 20.0, 20.0], true), 0.675 - 0.475);
}

#[test]
fn frames_without_the_object_are_misses_and_hits_by_data_set() {
    let truth = [boxes(&[1.0, 1.0]), vec![[0.0; 4]; 2]].concat();
    let found = boxes(&[1.0, 1.0, 1.0, 1.0]);
    let visible: &[bool] = &[true, true, false, true];
    let seen = |family| measured(Rules::Hiptrack, family, &found, &truth, Some(visible));
    assert_eq!(points(&seen(Family::Otb), Of::All), [0.5, 0.5, 0.5, 1.0]);
    assert_eq!(points(&seen(Family::Uav), Of::All), [0.5, 0.5, 1.0, 1.0]);
    // Flagged: a miss everywhere. A box without size and without a flag is still a hit of Pnorm.
    assert_eq!(points(&seen(Family::Lasot), Of::All), [0.5, 0.5, 0.5, 0.75]);
    assert_eq!(points(&seen(Family::LasotExt), Of::All), [0.5, 0.5, 0.5, 1.0]);
    // Marked by a box of zeros.
    assert_eq!(points(&seen(Family::VastTrack), Of::All), [0.5, 0.5, 0.5, 0.5]);
    for family in [Family::Otb, Family::Uav, Family::Lasot] {
        assert_eq!(points(&seen(family), Of::Present), [1.0; 4], "{family:?}");
    }
    let uav = seen(Family::Uav);
    assert_eq!((uav.odd.absent, uav.odd.pixel_hits, uav.odd.normalised_hits, uav.present()), (2, 2, 2, 2));
    // More than all of the valid frames.
    assert_eq!(points(&uav, Of::Valid)[2..], [2.0, 2.0]);
}

#[test]
fn flags_are_read_in_lasot_alone_but_honest_shares_heed_all() {
    let truth = boxes(&[1.0, 1.0, 1.0]);
    let found = boxes(&[1.0, 1.0, 50.0]);
    let visible: &[bool] = &[true, true, false];
    let other = measured(Rules::Hiptrack, Family::Got10k, &found, &truth, Some(visible));
    assert_eq!((points(&other, Of::All)[3], other.odd.absent), (2.0 / 3.0, 0));
    assert_eq!(points(&other, Of::Present), [1.0; 4]);
}

#[test]
fn pytracking_takes_a_box_at_the_edge_for_invalid() {
    let truth = [boxes(&[1.0]), boxes(&[0.0, -3.0, 5.0])].concat();
    let found = truth.clone();
    let theirs = measured(Rules::Pytracking, Family::Otb, &found, &truth, None);
    assert_eq!((points(&theirs, Of::All)[0], theirs.odd.at_edge), (0.5, 2));
    assert_eq!(points(&theirs, Of::Present), [1.0; 4]);
    let ours = measured(Rules::Hiptrack, Family::Otb, &found, &truth, None);
    assert_eq!((points(&ours, Of::All)[0], ours.odd.at_edge), (1.0, 0));
}

#[test]
fn a_result_without_size_repeats_the_one_before_but_where_the_truth_is_nan() {
    let nan = [f64::NAN; 4];
    let truth = [[1.0, 1.0, 10.0, 10.0], nan, [1.0, 1.0, 10.0, 10.0]];
    let found = [[1.0, 1.0, 10.0, 10.0], [5.0, 5.0, 0.0, 9.0], [5.0, 5.0, 9.0, 0.0]];
    let uav = measured(Rules::Hiptrack, Family::Uav, &found, &truth, None);
    // The second is not replaced, so the third takes over a box without size.
    assert_eq!((uav.odd.repeated, points(&uav, Of::All)[0]), (1, 1.0 / 3.0));
    // A first result without size is handed on before the first frame is set to the ground truth.
    let truth = boxes(&[1.0, 1.0]);
    let handed = measured(Rules::Hiptrack, Family::Otb, &[[0.0; 4], [0.0; 4]], &truth, None);
    assert_eq!(points(&handed, Of::All)[0], 0.5);
}

#[test]
fn lengths_are_made_equal_but_in_lasot() {
    let truth = boxes(&[1.0, 1.0, 1.0, 1.0]);
    let long = measured(Rules::Hiptrack, Family::Lasot, &boxes(&[1.0; 6]), &truth, None);
    assert_eq!((long.odd.surplus, points(&long, Of::All)), (2, [1.0; 4]));
    let short = measured(Rules::Hiptrack, Family::Otb, &boxes(&[1.0; 3]), &truth, None);
    // A box of zeros is near the corner: a hit within 20 pixels, which the honest share does not have.
    assert_eq!((short.odd.lacking, points(&short, Of::All)), (1, [0.75, 0.75, 1.0, 0.75]));
    assert_eq!(points(&short, Of::Present), [0.75; 4]);
    let refused =
        frames(Rules::Hiptrack, Family::Lasot, Pair { found: &boxes(&[1.0; 3]), truth: &truth, visible: None });
    assert!(refused.unwrap_err().starts_with("3 boxes for 4 frames, which the toolkits refuse in LaSOT"));
}

#[test]
fn what_the_toolkits_refuse_is_refused_with_the_frame() {
    let truth = boxes(&[1.0, 2.0]);
    let why = |family, found: &[[f64; 4]], truth: &[[f64; 4]]| {
        frames(Rules::Hiptrack, family, Pair { found, truth, visible: None }).unwrap_err()
    };
    assert!(why(Family::Otb, &[truth[0], [f64::NAN; 4]], &truth).starts_with("frame 2 of the results is NaN"));
    assert!(why(Family::Otb, &[truth[0], [1.0, 1.0, -1.0, 2.0]], &truth).contains("frame 2 of the results has a neg"));
    assert!(why(Family::Otb, &truth, &[truth[0], [f64::NAN; 4]]).starts_with("frame 2 of the ground truth is NaN"));
    assert!(why(Family::Otb, &truth[..1], &truth[..1]).starts_with("there is one frame only"));
    let uav = [truth[0], [f64::NAN; 4]];
    assert!(frames(Rules::Hiptrack, Family::Uav, Pair { found: &truth, truth: &uav, visible: None }).is_ok());
}
