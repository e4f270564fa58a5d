//! Finds experiment and pipeline files: by path, by name below the working folder, or among those built in.

use crate::text::excerpt;
use crate::{
    failure::{Failure, Result},
    flow::{Graph, Kinds, StageContext, compile_all},
    settings::{Diagnostics, Node, Problem, Value, did_you_mean, render},
    train::experiment::{BY_SCRIPT, Experiment},
};
use std::path::{Path, PathBuf};

/// Files that every installation has, by the path under which a clone has them.
const BUILT_IN: [(&str, &str); 17] = [
    ("configs/hiptrack/demo.yaml", include_str!("../../configs/hiptrack/demo.yaml")),
    ("configs/hiptrack/hiptrack_cls.yaml", include_str!("../../configs/hiptrack/hiptrack_cls.yaml")),
    ("configs/hiptrack/hiptrack.yaml", include_str!("../../configs/hiptrack/hiptrack.yaml")),
    ("configs/hiptrack/hiptrack_got.yaml", include_str!("../../configs/hiptrack/hiptrack_got.yaml")),
    (
        "configs/hiptrack/hiptrack_cls_two_stage.yaml",
        include_str!("../../configs/hiptrack/hiptrack_cls_two_stage.yaml"),
    ),
    (
        "configs/ostrack/vitb_256_mae_ce_32x4_ep300.yaml",
        include_str!("../../configs/ostrack/vitb_256_mae_ce_32x4_ep300.yaml"),
    ),
    (
        "configs/ostrack/vitb_384_mae_ce_32x4_ep300.yaml",
        include_str!("../../configs/ostrack/vitb_384_mae_ce_32x4_ep300.yaml"),
    ),
    ("configs/sweeps/demo-lambda.yaml", include_str!("../../configs/sweeps/demo-lambda.yaml")),
    ("configs/sweeps/demo-mtl.yaml", include_str!("../../configs/sweeps/demo-mtl.yaml")),
    ("pipelines/train.yaml", include_str!("../../pipelines/train.yaml")),
    ("pipelines/train-two-decoders.yaml", include_str!("../../pipelines/train-two-decoders.yaml")),
    ("pipelines/train-packed.yaml", include_str!("../../pipelines/train-packed.yaml")),
    ("pipelines/train-conditions.yaml", include_str!("../../pipelines/train-conditions.yaml")),
    ("pipelines/train-erase.yaml", include_str!("../../pipelines/train-erase.yaml")),
    ("pipelines/bench-data.yaml", include_str!("../../pipelines/bench-data.yaml")),
    ("pipelines/replay.yaml", include_str!("../../pipelines/replay.yaml")),
    ("pipelines/simulate.yaml", include_str!("../../pipelines/simulate.yaml")),
];

/// The experiment `config` of `script`: `configs/<script>/<config>.yaml`, or `config` itself when it ends in `.yaml`;
/// with the keys of `set` (`KEY.PATH=VALUE`) changed, and with what `--script ostrack` says of the model.
///
/// # Errors
/// There is no such file, it is not YAML, a key cannot be set, or the script contradicts it.
pub fn experiment(script: &str, config: &str, set: &[String]) -> Result<Node> {
    let hint = did_you_mean(script, ["hiptrack", "ostrack"]);
    if !["hiptrack", "ostrack"].contains(&script) && !hint.is_empty() && !Path::new("configs").join(script).is_dir() {
        return Err(Failure::usage(format!("--script {}: no such family{hint}", excerpt(script))));
    }
    changed(find(Path::new("configs").join(script), config, "--config")?, script, set)
}

/// The experiment `node` of `script`, with the keys of `set` changed, as [`experiment`] does it with a file.
///
/// # Errors
/// A key cannot be set, or the script contradicts it.
pub fn changed(mut node: Node, script: &str, set: &[String]) -> Result<Node> {
    set.iter().try_for_each(|argument| node.set(argument))?;
    if script == "ostrack" {
        plain_ostrack(&mut node, &format!("{BY_SCRIPT} {script}"))?;
    }
    Ok(node)
}

/// `--script ostrack` is `MODEL.NEW_HIP: False`.
fn plain_ostrack(node: &mut Node, source: &str) -> Result<()> {
    let model = node.get("MODEL");
    match model.and_then(|model| model.get("NEW_HIP")) {
        None if model.is_none_or(|model| matches!(model.value, Value::Map(_) | Value::Null)) => {
            node.set_as(source, "MODEL.NEW_HIP=False")
        }
        // Something else than keys: whoever reads it says so.
        None => Ok(()),
        Some(said) if said.value == Value::Bool(true) => {
            let message = format!(
                "True is a HIPTrack, but {source} is plain OSTrack; use --script hiptrack, or set MODEL.NEW_HIP to False"
            );
            let problem = Problem { origin: said.origin.clone(), path: "MODEL.NEW_HIP".into(), message };
            Err(Failure::config(show(&problem)))
        }
        Some(_) => Ok(()),
    }
}

/// What the file of [`experiment`] describes.
///
/// # Errors
/// As there, and everything that is wrong in it, all at once.
pub fn read(script: &str, config: &str, set: &[String]) -> Result<Experiment> {
    let node = experiment(script, config, set)?;
    let diagnostics = Diagnostics::new();
    let experiment = Experiment::draft(&diagnostics, &node);
    finish(&diagnostics)?;
    Ok(experiment)
}

/// The pipeline `name`: `pipelines/<name>.yaml`, or `name` itself when it ends in `.yaml`.
///
/// # Errors
/// There is no such file, or it is not YAML.
pub fn pipeline(name: &str) -> Result<Node> {
    find(PathBuf::from("pipelines"), name, "--pipeline")
}

/// The graph of the pipeline `name`, whose file was read as `file`.
///
/// # Errors
/// Anything that is wrong in it, all at once.
pub fn graph<C: StageContext>(
    diagnostics: &Diagnostics,
    name: &str,
    file: &Node,
    kinds: impl Into<Kinds<C>>,
) -> Result<Graph<C>> {
    let graph = compile_all(diagnostics, file, kinds);
    finish(diagnostics)?;
    graph.ok_or_else(|| Failure::config(format!("{name}: could not be read")))
}

/// All problems of `diagnostics` as one failure, each with the line that it is about.
///
/// # Errors
/// When there is at least one problem.
pub fn finish(diagnostics: &Diagnostics) -> Result<()> {
    let display: Vec<String> = diagnostics.problems().iter().map(show).collect();
    if display.is_empty() { Ok(()) } else { Err(Failure::config(display.join("\n"))) }
}

/// `problem` with the line that it is about.
pub fn show(problem: &Problem) -> String {
    render(problem, text(&problem.origin.source).as_deref())
}

/// The text of the file that messages call `source`.
fn text(source: &str) -> Option<String> {
    match source.strip_prefix(INSIDE) {
        Some(path) => built_in(path).map(str::to_string),
        None => crate::text::read(Path::new(source)).ok(),
    }
}

/// How messages mark what is built in.
const INSIDE: &str = "(built in) ";

fn built_in(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix("./").unwrap_or(path);
    BUILT_IN.iter().find(|(built_in, _)| *built_in == path).map(|(_, text)| *text)
}

/// The file that a run calls `source`, and, where the working folder has another file than the one that is built in under
/// this name, that it was taken.
pub fn taken(source: &str) -> String {
    let local = || crate::text::read(Path::new(source)).ok();
    match built_in(source) {
        Some(inside) if local().is_some_and(|text| text != inside) => {
            format!("{source} (of this folder; the one that is built in differs)")
        }
        _ => source.to_string(),
    }
}

/// The file at `path`, or the one that is built in under that name where the working folder has none.
///
/// # Errors
/// It is not there, cannot be read, or is not YAML.
pub fn file(path: &Path) -> Result<Node> {
    let display = path.display().to_string();
    match built_in(&display) {
        Some(text) if !path.exists() => {
            Node::parse(&format!("{INSIDE}{}", display.strip_prefix("./").unwrap_or(&display)), text)
        }
        _ => Node::read(path),
    }
}

fn find(folder: PathBuf, name: &str, flag: &str) -> Result<Node> {
    if name.ends_with(".yaml") || name.ends_with(".yml") {
        return file(Path::new(name));
    }
    let path = folder.join(format!("{name}.yaml"));
    if path.is_file() {
        return Node::read(&path);
    }
    let display = path.display().to_string();
    if built_in(&display).is_some() {
        return file(&path);
    }
    let known = names(&folder);
    let hint = did_you_mean(name, known.iter().map(String::as_str));
    Err(Failure::input(format!("{flag} {name}: {display} is not there{hint}")))
}

fn names(folder: &Path) -> Vec<String> {
    let on_disk = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let built_in = BUILT_IN.iter().map(|(path, _)| PathBuf::from(path)).filter(|path| path.parent() == Some(folder));
    let mut names: Vec<String> = on_disk
        .chain(built_in)
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_files_are_found_by_name_and_misspelt_ones_suggested() {
        assert!(experiment("hiptrack", "demo", &[]).is_ok());
        assert!(pipeline("train").is_ok());
        let failure = experiment("hiptrack", "hiptrak_cls", &[]).unwrap_err();
        assert!(failure.message.ends_with("did you mean hiptrack_cls?"), "{failure}");
        assert_eq!(failure.kind.exit_code(), 66);
    }

    #[test]
    fn script_ostrack_is_plain_ostrack_or_contradicts_the_file() {
        let home = tempfile::tempdir().unwrap();
        let of = |text: &str| {
            let file = home.path().join("x.yaml");
            std::fs::write(&file, text).unwrap();
            read("ostrack", file.to_str().unwrap(), &[])
        };
        let plain = of("TRAIN: {EPOCH: 3}").unwrap();
        assert!(!plain.model.new_hip && plain.notes[0].contains("--script ostrack"), "{:?}", plain.notes);
        let said = of("MODEL: {NEW_HIP: True}").unwrap_err();
        assert!(said.message.contains("x.yaml:1:18: MODEL.NEW_HIP: True is a HIPTrack"), "{said}");
        let hip = of("MODEL: {HIP: {KEY_DIM: 8}}").unwrap_err();
        assert!(hip.message.contains("MODEL.HIP: only a HIPTrack") && hip.message.contains("--script"), "{hip}");
    }

    #[test]
    fn a_shipped_path_is_found_where_the_working_folder_has_none_and_one_of_the_folder_wins() {
        // The folder that tests run in has them all.
        let inside = file(Path::new("./configs/sweeps/demo-lambda.yaml")).unwrap();
        assert_eq!(&*inside.origin.source, "./configs/sweeps/demo-lambda.yaml");
        assert_eq!(taken("configs/hiptrack/demo.yaml"), "configs/hiptrack/demo.yaml");
        let failure = file(Path::new("configs/sweeps/none.yaml")).unwrap_err();
        assert_eq!(failure.kind.exit_code(), 66);
    }

    #[test]
    fn every_shipped_file_is_built_in() {
        let clone = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut shipped: Vec<String> = ["configs/hiptrack", "configs/ostrack", "configs/sweeps", "pipelines"]
            .iter()
            .flat_map(|folder| std::fs::read_dir(clone.join(folder)).unwrap())
            .map(|entry| entry.unwrap().path().strip_prefix(clone).unwrap().display().to_string())
            .collect();
        let mut built_in = BUILT_IN.map(|(path, _)| path.to_string()).to_vec();
        shipped.sort();
        built_in.sort();
        assert_eq!(shipped, built_in);
    }
}
