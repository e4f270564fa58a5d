use super::*;
use crate::failure::FailureKind;
use proptest::prelude::*;

const TEXT: &str = "\
TRAIN:
  LR: 0.001
  CLS_WEIGTH: 0.1
  BATCH_SIZE: many
  NAMES: [a, 3]
DATA: 7
";

fn read(node: &Node) -> (Diagnostics, f64) {
    let diagnostics = Diagnostics::new();
    let mut root = Section::root(&diagnostics, node);
    let mut train = root.section("TRAIN");
    let lr = train.checked("LR", 1.0, |lr| (*lr > 0.5).then(|| "must be at most 0.5".into()));
    train.value("BATCH_SIZE", 16usize);
    train.value("CLS_WEIGHT", 0.1);
    train.value("NAMES", vec!["x".to_string()]);
    train.choice("KIND", "fast", &["fast", "exact"]);
    train.close();
    root.section("DATA").close();
    root.close();
    (diagnostics, lr)
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    let (diagnostics, _) = read(&Node::parse("x.yaml", TEXT).unwrap());
    insta::assert_snapshot!(diagnostics.finish().unwrap_err(), @r"
    x.yaml:3:3: TRAIN.CLS_WEIGTH: unknown key; did you mean CLS_WEIGHT?
    x.yaml:4:15: TRAIN.BATCH_SIZE: expected a whole number from 0, found the text `many`
    x.yaml:5:10: TRAIN.NAMES: expected a list, each text, found a list
    x.yaml:6:7: DATA: expected a mapping of keys, found 7
    ");
}

#[test]
fn an_argument_of_the_command_line_replaces_a_value_and_is_named_in_messages() {
    let mut node = Node::parse("x.yaml", "TRAIN: {LR: 0.1, KIND: exact}\n").unwrap();
    node.set("TRAIN.LR=0.7").unwrap();
    node.set("TRAIN.NAMES=[b, c]").unwrap();
    node.set("TRAIN.KIND=fsat").unwrap();
    let (diagnostics, lr) = read(&node);
    assert_eq!(lr, 0.7);
    insta::assert_snapshot!(diagnostics.finish().unwrap_err(), @r"
    --set TRAIN.KIND=fsat: TRAIN.KIND: unknown value `fsat`; did you mean fast?
    --set TRAIN.LR=0.7: TRAIN.LR: must be at most 0.5
    ");
}

#[test]
fn the_resolved_text_reads_back_as_the_same_settings() {
    let node = Node::parse("x.yaml", "TRAIN: {LR: 0.25, NAMES: ['a b', \"c\"]}\n").unwrap();
    let (diagnostics, _) = read(&node);
    diagnostics.finish().unwrap();
    let text = diagnostics.resolved();
    insta::assert_snapshot!(text, @r#"
    TRAIN:
      LR: 0.25
      BATCH_SIZE: 16
      CLS_WEIGHT: 0.1
      NAMES: ["a b", "c"]
      KIND: "fast"
    "#);
    assert_eq!(read(&Node::parse("y.yaml", &text).unwrap()).0.resolved(), text);
}

#[test]
fn the_resolved_values_of_a_section_fit_in_a_line_that_reads_back() {
    let diagnostics = Diagnostics::new();
    let node = Node::parse("x.yaml", "O: {first: 1, blur: {deep: {least: 0.5}}}\n").unwrap();
    let mut root = Section::root(&diagnostics, &node);
    let mut options = root.section("O");
    options.value("first", 0usize);
    let mut blur = options.section("blur");
    let mut deep = blur.section("deep");
    deep.value("least", 0.25);
    deep.value("most", 0.75);
    deep.close();
    blur.value("on", true);
    blur.close();
    let mut other = options.section("other");
    other.value("on", false);
    other.close();
    options.close();
    root.close();
    let line = diagnostics.recorded_below("O");
    assert_eq!(line, "{first: 1, blur: {deep: {least: 0.5, most: 0.75}, on: true}, other: {on: false}}");
    let back = Node::parse("y.yaml", &line).unwrap();
    let least = back.get("blur").and_then(|blur| blur.get("deep")).and_then(|deep| deep.get("least")).unwrap();
    assert_eq!(f64::from_node(least), Some(0.5));
    assert_eq!(diagnostics.recorded_below("none"), "{}");
}

#[test]
fn of_a_long_line_what_is_around_the_place_is_shown() {
    let text = format!("A: {{{} WRONG: 1, {}}}\n", "x: 1, ".repeat(60), "y: 2, ".repeat(60));
    let problem = Problem {
        origin: Origin { source: "x.yaml".into(), line: 1, column: text.find("WRONG").unwrap() + 1 },
        path: "A.WRONG".into(),
        message: "unknown key".into(),
    };
    let display = render(&problem, Some(&text));
    let lines: Vec<&str> = display.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() < 125), "{display}");
    let place = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
    assert_eq!(place(lines[1], "WRONG"), place(lines[2], "^^^^^"), "{display}");
}

#[test]
fn text_that_is_not_yaml_or_repeats_a_key_is_refused_with_its_line() {
    for (text, line) in [("A: [1, 2\nB: 3\n", "x.yaml:2:"), ("A: 1\nB: 2\nA: 3\n", "x.yaml:3:")] {
        let failure = Node::parse("x.yaml", text).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Config);
        assert!(failure.message.starts_with(line), "{failure}");
    }
}

#[test]
fn a_set_argument_without_a_value_or_through_a_value_is_refused() {
    let mut whole = Node::parse("x.yaml", "TRAIN: {LR: 0.1, EPOCH: 3}\nDATA:\n").unwrap();
    let failure = whole.set("TRAIN={LR: 0.2}").unwrap_err();
    assert!(failure.message.contains("TRAIN holds 2 keys, which this would replace"), "{failure}");
    assert!(failure.message.contains("--set TRAIN.LR=…"), "{failure}");
    whole.set("DATA={MAX_JUMP: 7}").unwrap();

    let mut node = Node::parse("x.yaml", "A: 1\n").unwrap();
    assert_eq!(node.set("A").unwrap_err().kind, FailureKind::Usage);
    assert_eq!(node.set("=3").unwrap_err().kind, FailureKind::Usage);
    assert_eq!(node.set("A.B=3").unwrap_err().kind, FailureKind::Config);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[A-Z:{}\\[\\]\\- \n,'\"#&*!|>%@0-9.]{0,80}") {
        let _ = Node::parse("x.yaml", &text);
    }

    #[test]
    fn small_and_large_numbers_survive_too(digits in -9.9f64..9.9, exponent in -300i32..300) {
        let number = digits * 10f64.powi(exponent);
        let node = Node::parse("x.yaml", &format!("A: {}\n", number.render())).unwrap();
        prop_assert_eq!(f64::from_node(node.get("A").unwrap()), Some(number));
    }

    #[test]
    fn numbers_and_texts_survive_rendering(number in -1e12f64..1e12, text in "\\PC{0,20}") {
        let yaml = format!("A: {}\nB: {}\n", number.render(), text.render());
        let node = Node::parse("x.yaml", &yaml).unwrap();
        prop_assert_eq!(f64::from_node(node.get("A").unwrap()), Some(number));
        prop_assert_eq!(String::from_node(node.get("B").unwrap()), Some(text));
    }
}

#[test]
fn a_problem_is_shown_with_its_line_and_a_mark_under_the_place() {
    let (diagnostics, _) = read(&Node::parse("x.yaml", TEXT).unwrap());
    let display: Vec<String> = diagnostics.problems().iter().map(|problem| render(problem, Some(TEXT))).collect();
    insta::assert_snapshot!(display.join("\n"), @r"
    x.yaml:3:3: TRAIN.CLS_WEIGTH: unknown key; did you mean CLS_WEIGHT?
      3 |   CLS_WEIGTH: 0.1
        |   ^^^^^^^^^^
    x.yaml:4:15: TRAIN.BATCH_SIZE: expected a whole number from 0, found the text `many`
      4 |   BATCH_SIZE: many
        |               ^^^^
    x.yaml:5:10: TRAIN.NAMES: expected a list, each text, found a list
      5 |   NAMES: [a, 3]
        |          ^^^^^^
    x.yaml:6:7: DATA: expected a mapping of keys, found 7
      6 | DATA: 7
        |       ^
    ");
}

#[test]
fn the_schema_is_what_the_reading_code_asks_for() {
    let node = Node::parse("x.yaml", "").unwrap();
    let diagnostics = Diagnostics::new();
    let mut root = Section::root(&diagnostics, &node);
    root.describe("what it is called").required::<String>("NAME");
    let mut train = root.describe("how it learns").section("TRAIN");
    train.describe("the rate").value("LR", 0.5);
    train.choice("KIND", "fast", &["fast", "exact"]);
    train.section("PHASES").entries();
    insta::assert_snapshot!(schema(&diagnostics.fields(), ""), @r#"{"additionalProperties":false,"properties":{"NAME":{"description":"what it is called","type":"string"},"TRAIN":{"additionalProperties":false,"description":"how it learns","properties":{"KIND":{"default":"fast","enum":["fast","exact"]},"LR":{"default":0.5,"description":"the rate","type":"number"},"PHASES":{"type":"object"}},"type":"object"}},"required":["NAME"],"type":"object"}"#);
}
