use super::*;
use crate::failure::FailureKind;
use tch::{Kind, Tensor};

fn state(position: u64) -> State {
    let metadata = Metadata {
        position,
        step: position,
        epoch: 2,
        progress: serde_json::json!({"sum": 0.1}),
        ..Metadata::new("hiptrack/demo".into(), 7, "p".into())
    };
    let weight = Tensor::arange(6, (Kind::Float, tch::Device::Cpu)).view([2, 3]) / 3.0;
    State { metadata, tensors: vec![("a.weight".into(), weight), ("a.count".into(), Tensor::from(5i64))] }
}

fn names(folder: &Folder) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_checkpoint_reads_back_bit_for_bit_and_leaves_no_temporary_file() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::open(&home.path().join("a/b")).unwrap();
    folder.save(&state(9), true, &Retention::default()).unwrap();
    assert_eq!(names(&folder), ["HIPTrack_ep0003_pos00000009.safetensors"]);
    let (_, back) = folder.newest(|_| panic!("it is whole")).unwrap().unwrap();
    assert_eq!(back.metadata, state(9).metadata);
    let weight = &back.tensors.iter().find(|(name, _)| name == "a.weight").unwrap().1;
    assert_eq!(*weight, state(9).tensors[0].1);
}

#[test]
fn files_are_called_by_the_tracker_they_hold_and_go_on_from_one_another() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::open(home.path()).unwrap();
    let holding = |position, names: &[&str]| {
        let tensors = names.iter().map(|name| (name.to_string(), Tensor::from(1f32))).collect();
        State { tensors, ..state(position) }
    };
    let keep = Retention { last: 5, ..Retention::default() };
    folder.save(&holding(4, &["backbone.norm.bias", "HIP.encoder.bn1.bias"]), true, &keep).unwrap();
    folder.save(&holding(8, &["backbone.norm.bias", "ema.backbone.norm.bias"]), false, &keep).unwrap();
    let expected = ["HIPTrack_ep0003_pos00000004.safetensors", "OSTrack_ep0003_pos00000008_mid.safetensors"];
    assert_eq!(names(&folder), expected);
    assert_eq!(folder.list().iter().map(|saved| saved.position).collect::<Vec<_>>(), [4, 8]);
}

#[test]
fn a_torn_file_is_passed_over_for_the_one_before_it_and_said_so() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::open(home.path()).unwrap();
    folder.save(&state(4), true, &Retention::default()).unwrap();
    let (newest, _) = folder.save(&state(8), true, &Retention::default()).unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&newest, &bytes[..length]).unwrap();
        let mut warnings = 0;
        let (saved, _) = folder.newest(|_| warnings += 1).unwrap().unwrap();
        assert_eq!((saved.position, warnings), (4, 1), "cut at {length}");
    }
}

#[test]
fn every_flipped_bit_is_recognised() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::open(home.path()).unwrap();
    folder.save(&state(4), true, &Retention::default()).unwrap();
    let (newest, _) = folder.save(&state(8), true, &Retention::default()).unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&newest, &flipped).unwrap();
        let mut warnings = Vec::new();
        let (saved, _) = folder.newest(|failure| warnings.push(failure.message.clone())).unwrap().unwrap();
        assert_eq!((saved.position, warnings.len()), (4, 1), "bit {bit} of byte {}", bit / 8);
    }
}

#[test]
fn a_checkpoint_travels_through_pytorchs_form_with_its_training_state() {
    let home = tempfile::tempdir().unwrap();
    let mut state = state(4);
    state.tensors.push((format!("{OPTIMIZER}exp_avg.a.weight"), Tensor::from_slice(&[1f32, 2.0])));
    let path = home.path().join("x.pth.tar");
    write(&path, &state).unwrap();
    let back = read(&path).unwrap();
    assert_eq!(back.metadata, state.metadata);
    assert_eq!(back.tensors, state.tensors);
}

#[test]
fn checkpoints_of_format_1_have_no_checksum_and_are_read() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.safetensors");
    let mut old = state(4);
    for (format, readable) in [(1, true), (2, false), (3, false)] {
        old.metadata.format = format;
        let text = serde_json::to_string(&old.metadata).unwrap();
        let contents = crate::weights::Contents {
            tensors: old.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect(),
            texts: [("trackflow".to_string(), text)].into(),
            ..Default::default()
        };
        crate::weights::write(&path, crate::weights::Format::Safetensors, &contents).unwrap();
        assert_eq!(read(&path).is_ok(), readable, "format {format}");
    }
}

#[test]
fn the_newest_ends_of_epochs_are_kept_and_overtaken_stops_removed() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::open(home.path()).unwrap();
    for (position, epoch_end) in [(1, true), (2, true), (3, false), (4, true), (5, true), (6, false)] {
        folder.save(&state(position), epoch_end, &Retention { last: 2, ..Retention::default() }).unwrap();
    }
    assert_eq!(folder.list().iter().map(|saved| saved.position).collect::<Vec<_>>(), [4, 5, 6]);
}

#[test]
fn what_a_killed_run_was_writing_is_removed() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("HIPTrack_ep0001_pos00000009.tmp"), b"half").unwrap();
    let folder = Folder::open(home.path()).unwrap();
    assert_eq!(names(&folder), Vec::<String>::new());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_output_failure() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let failure = Folder::open(&file.join("below")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Output);
    assert!(failure.message.contains("--save_dir"), "{failure}");
}

#[test]
fn the_best_stays_and_is_told_by_the_header() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::open(home.path()).unwrap();
    for (position, iou) in [(1, 0.5), (2, 0.7), (3, 0.6), (4, 0.4)] {
        let mut state = state(position);
        state.metadata.validation = Some(Validation { iou, accuracy: None, loss: 1.0 });
        folder.save(&state, true, &Retention { last: 1, ..Retention::default() }).unwrap();
    }
    assert_eq!(folder.list().iter().map(|saved| saved.position).collect::<Vec<_>>(), [2, 4]);
    let mut unsound = state(5);
    unsound.metadata.nonfinite_in_a_row = 2;
    let (path, _) = folder.save(&unsound, true, &Retention::default()).unwrap();
    assert!(folder.newest_sound().unwrap() < path);
    assert_eq!(folder.newest(|_| ()).unwrap().unwrap().0.position, 5);
}

#[test]
fn a_number_that_is_none_is_found() {
    let mut state = state(1);
    assert_eq!(state.not_finite().unwrap(), None);
    state.tensors.push(("b.weight".into(), Tensor::from_slice(&[1.0, f32::NAN])));
    assert_eq!(state.not_finite().unwrap(), Some("b.weight"));
}
