use super::*;
use crate::data::dataset::FrameFiles;

fn set(line: &str) -> Vec<Condition> {
    parse::classes(parse::line(line).unwrap().present).iter().collect()
}

fn dataset(names: &[&str], frames: usize) -> Dataset {
    let sequence = |name: &&str| {
        let files = FrameFiles::listed(Path::new("d"), (1..=frames).map(|i| format!("{i:08}.jpg")).collect());
        Sequence::new(name, files, vec![[1.0, 1.0, 5.0, 5.0]; frames], None)
    };
    Dataset::new("TEST", names.iter().map(sequence).collect())
}

#[test]
fn the_first_flag_by_priority_wins_in_the_first_schema() {
    let line = r#"{"frame_id": 7, "cv_response": {"scale_variation": 1, "low_res": 0, "low_contrast": 1},
        "vlm_response": {"motion_blur": {"flag": 0, "conf": 0.9}, "variance_appear": {"flag": 1, "conf": 1.0},
        "background_clutter": {"flag": 1, "conf": 1.0}, "illu_change": {"flag": 0}}}"#;
    assert_eq!(parse::line(line).unwrap().frame, 6);
    assert_eq!(parse::line(line).unwrap().soft, None);
    assert_eq!(set(line), [Condition::AppearanceVariation]);
    let measured = line.replace("\"flag\": 1", "\"flag\": 0");
    let all = [
        Condition::ScaleVariation,
        Condition::AppearanceVariation,
        Condition::BackgroundClutter,
        Condition::LowContrast,
    ];
    assert_eq!(parse::line(line).unwrap().present.iter().collect::<Vec<_>>(), all);
    assert_eq!(set(&measured), [Condition::ScaleVariation, Condition::LowContrast]);
    let none = measured.replace("n\": 1", "n\": 0").replace("t\": 1", "t\": 0");
    assert_eq!(parse::line(&none).unwrap().present, ConditionSet::only(Condition::Normal));
    assert_eq!(set(&none), [Condition::Normal]);
}

#[test]
fn probabilities_of_the_later_schema_count_from_one_half() {
    let line = |occlusion: f64, glare: f64, low: f64| {
        format!(
            r#"{{"schema_version": 2, "frame_id": 1, "severity": 0.7, "attributes": {{
            "occlusion": {{"prob": {occlusion}, "source": "vlm"}}, "specular_glare": {{"prob": {glare}}},
            "low_resolution": {{"prob": {low}, "source": "oracle"}}}}}}"#
        )
    };
    assert_eq!(set(&line(0.5, 1.0, 1.0)), [Condition::Occlusion]);
    assert_eq!(set(&line(0.49, 0.6, 1.0)), [Condition::IlluminationChange]);
    assert_eq!(set(&line(0.0, 0.2, 1.0)), [Condition::LowResolution]);
    assert_eq!(set(&line(0.0, 0.2, 0.3)), [Condition::Normal]);
}

#[test]
fn probabilities_and_severity_of_the_later_schema_are_kept() {
    let line = r#"{"frame_id": 3, "severity": 0.7, "attributes": {
        "specular_glare": {"prob": 0.25, "source": "vlm"}, "illumination_appearance_change": {"prob": 0.75},
        "low_contrast": {"prob": 0.5}, "unheard_of": {"prob": 1.0}}}"#;
    let soft = parse::line(line).unwrap().soft.unwrap();
    assert_eq!(soft.severity, Some(0.7));
    assert_eq!(soft.probabilities, [0.0, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.25]);
    let by_name = line.replace("0.7,", r#"{"low_contrast": 2, "specular_glare": 1.5},"#);
    assert_eq!(parse::line(&by_name).unwrap().soft.unwrap().severity, Some(2.0));
    let wrong = parse::line(&line.replace("0.7,", "\"much\",")).unwrap_err();
    assert!(wrong.starts_with("severity is \"much\";"), "{wrong}");

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    std::fs::write(folder.path().join("a/a.jsonl"), line.replace('\n', " ")).unwrap();
    let mut datasets = [dataset(&["a"], 5)];
    attach(&mut datasets, folder.path()).unwrap();
    let labels = &datasets[0].sequences[0].labels;
    assert_eq!((labels.soft(2), labels.soft(1)), (soft, Soft::of(ConditionSet::default())));
}

#[test]
fn a_drawn_class_is_fair_and_reproducible() {
    let mut both = ConditionSet::only(Condition::ScaleVariation);
    both.insert(Condition::LowContrast);
    let picks: Vec<i64> = (0..1000).map(|i| both.pick(&mut CounterRng::new(&[i]))).collect();
    assert_eq!(picks, (0..1000).map(|i| both.pick(&mut CounterRng::new(&[i]))).collect::<Vec<_>>());
    let scale = picks.iter().filter(|&&pick| pick == 2).count();
    assert!((450..550).contains(&scale) && picks.iter().all(|pick| [2, 8].contains(pick)), "{scale}");
    assert_eq!(ConditionSet::default().pick(&mut CounterRng::new(&[0])), UNLABELLED);
}

#[test]
fn faults_come_all_at_once_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let good = r#"{"frame_id": 1, "cv_response": {"low_res": 1}}"#;
    let lines = [
        good,
        "{\"frame_id\": 2,",
        r#"{"frame_id": 0, "cv_response": {"low_res": 1}}"#,
        r#"{"cv_response": {"low_res": 1}}"#,
        r#"{"frame_id": 2, "cv_response": {"low_res": 3}}"#,
        r#"{"frame_id": 2, "attributes": {"occlusion": {"prob": 1.5}}}"#,
        r#"{"frame_id": 2, "vlm_response": {"oclusion": {"flag": 1}}}"#,
        good,
    ];
    let path = folder.path().join("a/a.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let failure = attach(&mut [dataset(&["a"], 9)], folder.path()).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 66);
    insta::assert_snapshot!(failure.message.replace(&path.display().to_string(), "a.jsonl"), @r"
    a.jsonl:2: not a JSON object: EOF while parsing a value at column 15
    a.jsonl:3: frame_id is 0; frames are counted from 1
    a.jsonl:4: frame_id is missing; frames are counted from 1
    a.jsonl:5: cv_response.low_res: 3 is not 0 or 1
    a.jsonl:6: attributes.occlusion: 1.5 is not a probability
    a.jsonl:8: frame_id 1 stands on an earlier line too; keep one
    a.jsonl:7: vlm_response.oclusion: unknown condition; did you mean occlusion? valid are occlusion, illumination_change, scale_variation, motion_blur, appearance_variation, partial_visibility, low_resolution, background_clutter, low_contrast, normal (or illu_change, illumination_appearance_change, specular_glare, out_of_frame, variance_appear, variance_in_appearance, low_res, low_contrast_object)
    ");
}

#[test]
fn a_condition_has_the_same_meaning_under_all_of_its_names_in_both_schemas() {
    for condition in Condition::ALL {
        let name = condition.name();
        for line in [
            format!(r#"{{"frame_id": 1, "vlm_response": {{"{name}": {{"flag": 1, "conf": 0.9}}}}}}"#),
            format!(r#"{{"frame_id": 1, "cv_response": {{"{name}": 1}}}}"#),
            format!(r#"{{"frame_id": 1, "attributes": {{"{name}": {{"prob": 0.9, "source": "vlm"}}}}}}"#),
        ] {
            assert_eq!(set(&line), [condition], "{line}");
        }
    }
    for (theirs, ours) in [("illu_change", 1), ("variance_appear", 4), ("out_of_frame", 5), ("low_res", 6)] {
        let line = format!(r#"{{"frame_id": 1, "attributes": {{"{theirs}": {{"prob": 1}}}}}}"#);
        assert_eq!(set(&line), [Condition::ALL[ours]]);
    }
}

#[test]
fn normal_is_stated_alone_or_not_at_all() {
    let line = |normal: f64, blur: f64| {
        parse::line(&format!(
            r#"{{"frame_id": 1, "attributes": {{"normal": {{"prob": {normal}}}, "motion_blur": {{"prob": {blur}}}}}}}"#
        ))
    };
    assert!(line(0.9, 0.8).unwrap_err().contains("both normal and motion_blur"));
    assert!(line(0.0, 0.1).unwrap_err().contains("not normal"));
    let stated = line(0.75, 0.5 / 8.0).unwrap().soft.unwrap().probabilities;
    assert_eq!((stated[3], stated[9]), (0.0625, 0.75));
}

#[test]
fn an_unknown_name_is_a_fault_where_it_is_misspelt_or_alone_and_a_note_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let path = folder.path().join("a/a.jsonl");
    let write = |names: [&str; 3]| {
        let line = |(i, name): (usize, &&str)| {
            format!(
                r#"{{"frame_id": {}, "attributes": {{"occlusion": {{"prob": 0}}, "{name}": {{"prob": 1}}}}}}"#,
                i + 1
            )
        };
        std::fs::write(&path, names.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")).unwrap();
        attach(&mut [dataset(&["a"], 5)], folder.path())
    };
    let failure = write(["low_contrast", "motion_blurr", "motion_blurr"]).unwrap_err().message;
    assert!(failure.starts_with(&format!("{}:2: attributes.motion_blurr: unknown", path.display())), "{failure}");
    assert!(failure.contains("did you mean motion_blur?") && failure.contains("illumination_change"), "{failure}");
    assert!(failure.ends_with("(and on 1 more line)") && failure.lines().count() == 1, "{failure}");

    let report = write(["low_contrast", "zzz", "zzz"]).unwrap();
    assert_eq!((report.labelled_frames, report.notes.len()), (3, 1));
    let note = &report.notes[0];
    assert!(note.contains("a.jsonl:2 and on 1 more lines: attributes.zzz is skipped"), "{note}");
    assert!(note.contains("valid are occlusion"), "{note}");
}

#[test]
fn sequences_and_frames_without_labels_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    let lines = r#"{"frame_id": 2, "cv_response": {"low_res": 1}}
        {"frame_id": 4, "cv_response": {"low_res": 0}}
        {"frame_id": 6, "cv_response": {"low_res": 1}}"#;
    std::fs::write(folder.path().join("a/a.jsonl"), lines).unwrap();
    let mut datasets = [dataset(&["a", "b"], 5)];
    let report = attach(&mut datasets, folder.path()).unwrap();
    assert_eq!((report.labelled_sequences, report.unlabelled_sequences), (1, 1));
    assert_eq!((report.labelled_frames, report.frames, report.beyond), (2, 10, 1));
    assert_eq!((report.classes[6], report.classes[9]), (1, 1));
    insta::assert_snapshot!(report, @"condition labels: 2 of 10 frames in 1 of 2 sequences (low_resolution 1, normal 1); 1 labels of frames that do not exist were skipped");
    let labels = &datasets[0].sequences[0].labels;
    assert!(labels.of(0).is_empty() && labels.of(99).is_empty() && datasets[0].sequences[1].labels.is_empty());
    assert_eq!(labels.of(1), ConditionSet::only(Condition::LowResolution));
}

#[test]
fn a_folder_without_labels_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("absent")] {
        let failure = attach(&mut [dataset(&["a"], 5)], &path).unwrap_err();
        assert!(failure.message.contains("CLS_ANN_DIR"), "{failure}");
    }
}
