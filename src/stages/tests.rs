use super::{collate::collate, *};
use crate::{
    data::{
        labels::{ConditionSet, Soft},
        plan::{ClipPlan, FramePlan},
    },
    train::run_schedule::{BatchInfo, Split},
    vision::{rect::Rect, window::Window},
};
use image::{Rgb, RgbImage};

const BATCH_INFO: BatchInfo = BatchInfo {
    position: 3,
    split: Split::Train,
    epoch: 0,
    batch: 3,
    of: 9,
    step: 3,
    before: false,
    closes_epoch: false,
};

/// A clip of two search frames whose crops are filled with `value`, `value + 1` and `value + 2`.
fn clip(slot: usize, value: u8) -> CroppedClip {
    let object = Rect::new(0.25, 0.25, 0.5, 0.5);
    let window = Window { x: 0, y: 0, side: 4, centre: (2.0, 2.0) };
    let frame = |index: usize| FramePlan {
        file: std::path::PathBuf::from("x.jpg").into(),
        frame: index,
        object,
        window,
        crop_box: object,
        flip: false,
        brightness: 1.0,
    };
    let plan = ClipPlan {
        epoch: 0,
        index: slot as u64,
        attempt: 0,
        dataset: "set".into(),
        sequence: "sequence".into(),
        template: frame(0),
        search: vec![frame(1), frame(2)],
        labels: vec![i64::from(value), -100],
        soft: vec![Soft { probabilities: [0.25; 10], severity: Some(2.0) }, Soft::of(ConditionSet::default())],
        grey: false,
        redraws: Vec::new(),
    };
    let crop = |size: u32, add: u8| RgbImage::from_pixel(size, size, Rgb([value + add; 3]));
    let boxes = (0..3).map(|frame| Rect::new(f64::from(value), f64::from(frame), 0.5, 0.5)).collect();
    CroppedClip {
        ticket: Ticket { info: BATCH_INFO, slot, of: 2 },
        plan,
        crops: vec![crop(1, 0), crop(2, 1), crop(2, 2)],
        boxes,
    }
}

/// A plan of two search frames.
pub(super) fn clip_plan() -> ClipPlan {
    clip(0, 10).plan.clone()
}

#[test]
fn a_batch_is_frame_major_and_in_order_of_its_clips() {
    let batch = collate(&[clip(0, 10), clip(1, 20)], true).unwrap();
    assert_eq!((batch.clips, batch.frames, batch.info), (2, 2, BATCH_INFO));
    assert_eq!(batch.template, [[10; 3], [20; 3]].concat());
    assert_eq!(batch.search, [[11; 12], [21; 12], [12; 12], [22; 12]].concat());
    assert_eq!(batch.template_boxes, [10.0, 0.0, 0.5, 0.5, 20.0, 0.0, 0.5, 0.5]);
    assert_eq!(batch.search_boxes[8..], [10.0, 2.0, 0.5, 0.5, 20.0, 2.0, 0.5, 0.5]);
    assert_eq!(batch.labels, [10, 20, -100, -100]);
    let rows: Vec<&[f32]> = batch.soft.chunks(Soft::WIDTH).collect();
    let (known, none) = ([[0.25; 10].as_slice(), &[2.0]].concat(), [[0.0; 10].as_slice(), &[-1.0]].concat());
    assert_eq!(rows, [&known, &known, &none, &none]);
    assert!(collate(&[clip(0, 10)], false).unwrap().soft.is_empty());
}

#[test]
fn clips_that_differ_are_not_put_together() {
    let mut other = clip(1, 20);
    other.crops[1] = RgbImage::new(3, 3);
    assert!(collate(&[clip(0, 10), other], false).is_err());
    assert!(collate(&[], false).is_err());
}

#[test]
fn kinds_have_names_of_their_own_and_say_what_they_do() {
    for (index, kind) in KINDS.iter().enumerate() {
        assert!(KINDS[..index].iter().all(|other| other.name != kind.name), "{} twice", kind.name);
        assert!(!kind.description.is_empty(), "{}", kind.name);
    }
}

/// The walk-through is the code that is compiled.
#[test]
fn the_documentation_shows_the_stage_as_it_is() {
    let page = include_str!("../../docs/add-a-stage.md");
    let code = page.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(code, Some(include_str!("erase.rs")));
}
