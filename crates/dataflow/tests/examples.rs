//! The examples do what they say.

#[path = "../examples/backpressure.rs"]
mod backpressure;
#[path = "../examples/numbers.rs"]
mod numbers;

#[test]
fn numbers_are_squared_by_four_workers_and_added_up() {
    numbers::main().unwrap();
    let pipeline = "\
name: cubes
stages:
  numbers: { kind: count, options: { up_to: 10 } }
  cube: { kind: power, workers: 3, options: { exponent: 3 } }
  total: { kind: sum }
";
    let (total, outcome) = numbers::total(pipeline).unwrap();
    assert_eq!(total, 3025);
    assert_eq!(outcome.stages.iter().map(|stage| stage.taken).collect::<Vec<_>>(), [10, 10, 10]);
    let mistakes = numbers::total(&pipeline.replace("exponent", "exponnent")).unwrap_err();
    assert!(mistakes.message.starts_with("numbers.yaml:4:"), "{mistakes}");
    assert!(mistakes.message.contains("exponent"), "{mistakes}");
}

#[test]
fn a_sink_that_stands_still_holds_up_the_source_at_fourteen_items() {
    backpressure::main().unwrap();
    assert_eq!(backpressure::counts().unwrap(), (14, 14, 100));
}
