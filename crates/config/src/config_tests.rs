use super::*;

struct Run {
    fast: bool,
}

/// A share of something.
#[derive(Debug, Config, PartialEq)]
#[config(context = Run)]
struct Share {
    /// How much.
    #[config(key = "SHARE", default = if context.fast { 0.5 } else { 0.25 }, min = 0, max = 1)]
    share: f64,
}

#[derive(Debug, Config, PartialEq)]
#[config(context = Run, check = Settings::check)]
struct Settings {
    /// Clips in a batch.
    /// All of them.
    #[config(key = "BATCH", default = 4, min = 1)]
    batch: usize,
    /// Parts of a batch.
    #[config(key = "REPLICAS", alias = "SHARDS", default = 1, min = 1, resume = noted("last bits"))]
    replicas: usize,
    /// How it goes.
    #[config(key = "KIND", choices = ["plain", "fancy"], default = "plain", map = |kind| kind == "fancy")]
    fancy: bool,
    /// How fancy.
    #[config(key = "LEVEL", default = 3, inactive = (!fancy).then_some("it belongs to KIND fancy"))]
    level: i64,
    /// Only of slow ones.
    #[config(key = "PAUSE", refused = context.fast.then_some("a fast one has none; leave it out"), above = 0.0)]
    pause: Option<f64>,
    /// Widths.
    #[config(key = "WIDTHS", default = vec![8, 16], multiple_of = 8, min = 8, resume = free)]
    widths: Vec<usize>,
    /// A share.
    #[config(key = "OF", nested, resume = free)]
    of: Share,
    #[config(value = batch * 2)]
    twice: usize,
    /// Its name.
    #[config(key = "NAME", as = String, required, map = |name| name.len(), absent_acts)]
    name: usize,
}

impl Settings {
    fn check(&self, section: &mut Section<'_>, _: &Run) {
        if self.replicas > self.batch {
            section.conflict("REPLICAS", &["BATCH"], format!("more than BATCH, {}", self.batch));
        }
    }
}

fn read(text: &str, set: &[&str], fast: bool) -> (Diagnostics, Settings) {
    let mut node = Node::parse("x.yaml", text).unwrap();
    set.iter().for_each(|set| node.set(set).unwrap());
    let diagnostics = Diagnostics::new();
    let settings = Settings::read_root(&diagnostics, &node, &Run { fast });
    (diagnostics, settings)
}

fn mistakes(text: &str, set: &[&str], fast: bool) -> String {
    read(text, set, fast).0.finish().unwrap_err().message
}

fn warnings(text: &str) -> Vec<String> {
    read(text, &[], false).0.warnings().iter().map(ToString::to_string).collect()
}

#[test]
fn absent_keys_are_their_defaults_and_become_part_of_the_resolved_file() {
    let (diagnostics, settings) = read("NAME: four", &[], true);
    diagnostics.finish().unwrap();
    let of = Share { share: 0.5 };
    let expected = Settings {
        batch: 4,
        replicas: 1,
        fancy: false,
        level: 3,
        pause: None,
        widths: vec![8, 16],
        of,
        twice: 8,
        name: 4,
    };
    assert_eq!(settings, expected);
    insta::assert_snapshot!(diagnostics.resolved(), @r#"
    BATCH: 4
    REPLICAS: 1
    KIND: "plain"
    WIDTHS: [8, 16]
    OF:
      SHARE: 0.5
    NAME: "four"
    "#);
}

#[test]
fn all_mistakes_are_named_with_their_ranges() {
    let text = "BATCH: 0\nKIND: fanzy\nPAUSE: 1\nWIDTHS: [8, 12]\nOF: {SHARE: 2, HALF: 1}\nREPLICAS: 1\nNAME: 7\n";
    insta::assert_snapshot!(mistakes(text, &[], true), @r"
    x.yaml:1:8: BATCH: must be at least 1, found 0
    x.yaml:2:7: KIND: unknown value `fanzy`; did you mean fancy?
    x.yaml:3:8: PAUSE: a fast one has none; leave it out
    x.yaml:4:9: WIDTHS: must be a multiple of 8, at least 8, found 12
    x.yaml:5:13: OF.SHARE: must be from 0 to 1, found 2
    x.yaml:5:16: OF.HALF: unknown key; known: SHARE
    x.yaml:6:11: REPLICAS: more than BATCH, 0
    x.yaml:7:7: NAME: expected text, found 7
    ");
    assert_eq!(mistakes("{}", &[], false), "x.yaml:1:1: NAME: missing; give it text");
}

#[test]
fn what_an_argument_broke_is_blamed_on_the_argument() {
    let text = "NAME: x\nBATCH: 4\nREPLICAS: 4\n";
    assert_eq!(mistakes(text, &["BATCH=2"], false), "--set BATCH=2: REPLICAS: more than BATCH, 2");
    assert_eq!(mistakes(text, &["REPLICAS=8"], false), "--set REPLICAS=8: REPLICAS: more than BATCH, 4");
}

#[test]
fn an_old_name_is_read_with_a_note_and_refused_beside_the_new_one() {
    let (diagnostics, settings) = read("NAME: x\nSHARDS: 2\n", &[], false);
    assert_eq!(settings.replicas, 2);
    assert!(diagnostics.resolved().contains("REPLICAS: 2\n"));
    assert_eq!(
        warnings("NAME: x\nSHARDS: 2\n"),
        ["x.yaml:2:9: SHARDS: is the old name of REPLICAS; it is read as that"]
    );
    let both = mistakes("NAME: x\nSHARDS: 2\nREPLICAS: 1\n", &[], false);
    assert!(both.starts_with("x.yaml:2:9: SHARDS: is the old name of REPLICAS, which is written too; keep"), "{both}");
    assert_eq!(mistakes("NAME: x\nSHARDS: 0\n", &[], false), "x.yaml:2:9: SHARDS: must be at least 1, found 0");
    // Nobody is sent back to the old name.
    assert!(
        mistakes("NAME: x\nSHADRS: 2\n", &[], false)
            .ends_with("known: BATCH, REPLICAS, KIND, LEVEL, PAUSE, WIDTHS, OF, NAME")
    );
}

#[test]
fn a_key_without_effect_is_as_when_absent_and_warned_of() {
    let (diagnostics, settings) = read("NAME: x\nLEVEL: 9\n", &[], false);
    assert_eq!((settings.level, diagnostics.resolved().contains("LEVEL")), (3, false));
    assert_eq!(warnings("NAME: x\nLEVEL: 9\n"), ["x.yaml:2:8: LEVEL: has no effect: it belongs to KIND fancy"]);
    assert_eq!(read("NAME: x\nLEVEL: 9\nKIND: fancy\n", &[], false).1.level, 9);
}

#[test]
fn what_is_declared_is_what_lists_and_schemas_say() {
    let (diagnostics, _) = read("NAME: x", &[], true);
    let fields = diagnostics.fields();
    let field = |path: &str| fields.iter().find(|field| field.path == path).unwrap();
    assert_eq!(field("BATCH").description, "Clips in a batch. All of them.");
    assert_eq!(field("BATCH").resume, Resume::Fixed);
    assert_eq!(field("REPLICAS").resume, Resume::Noted("last bits"));
    assert_eq!((field("OF").resume, field("OF.SHARE").resume), (Resume::Free, Resume::Free));
    assert_eq!((field("PAUSE").standing, field("LEVEL").standing), (Standing::Refused, Standing::Inactive));
    assert!(field("NAME").absent_acts && !field("BATCH").absent_acts);
    let schema = schema(&fields, "");
    insta::assert_snapshot!(schema["properties"]["REPLICAS"], @r#"{"default":1,"description":"Parts of a batch.","minimum":1,"type":"integer"}"#);
    insta::assert_snapshot!(schema["properties"]["SHARDS"], @r#"{"default":1,"deprecated":true,"description":"The old name of REPLICAS.","minimum":1,"type":"integer"}"#);
    insta::assert_snapshot!(schema["properties"]["WIDTHS"], @r#"{"default":[8,16],"description":"Widths.","items":{"minimum":8,"multipleOf":8,"type":"integer"},"type":"array"}"#);
    insta::assert_snapshot!(schema["properties"]["OF"]["properties"]["SHARE"], @r#"{"default":0.5,"description":"How much.","maximum":1,"minimum":0,"type":"number"}"#);
}
