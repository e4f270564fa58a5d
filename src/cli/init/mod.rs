//! `trackflow init`: an experiment and a pipeline for data of one's own.

mod files;

use crate::{
    atomic_file::write_atomic,
    data::dataset::{self, Roots},
    failure::{Failure, Result},
};
use clap::{Args, ValueEnum};
use files::{Facts, experiment, pipeline};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// `trackflow init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Folder to write to: experiment.yaml, pipeline.yaml, train.txt and val.txt
    #[arg(value_name = "DIR")]
    out: PathBuf,
    /// Folder of sequences: in each a groundtruth.txt and its frames
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// small: a model that a CPU trains from scratch in minutes; base: the published size, for a GPU
    #[arg(long, value_enum, default_value_t = Model::Small)]
    model: Model,
    /// One sequence in this many is for validation, the last of them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..))]
    hold_out: u32,
    /// Write over files that are there already
    #[arg(long)]
    force: bool,
}

/// Which sizes the experiment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Model {
    /// Those of the demo.
    Small,
    /// Those that are published.
    Base,
}

/// Frames of the sequences of one part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    sequences: usize,
    frames: usize,
}

/// Looks at the data and writes the files.
///
/// # Errors
/// 66 for data that is missing, has faults or too few sequences; 74 for files that are there or cannot be written.
pub fn init(args: &InitArgs) -> Result<()> {
    let data = std::fs::canonicalize(&args.data)
        .map_err(|error| Failure::input(format!("--data {}: {error}", args.data.display())))?;
    let set = dataset::load(&[format!("folder:{}", data.display())], &Roots::below(&data))?.swap_remove(0);
    set.notes.iter().for_each(|note| println!("note: {note}"));
    let sequences: Vec<(&str, usize)> =
        set.sequences.iter().map(|sequence| (&*sequence.name, sequence.len())).collect();
    let [train, val] = split(&sequences, args.hold_out as usize);
    if val.is_empty() {
        return Err(Failure::input(format!(
            "{}: one sequence, and none to hold out for validation; give at least two, or cut it into parts",
            data.display()
        )));
    }
    std::fs::create_dir_all(&args.out)
        .map_err(|error| Failure::output(format!("{}: cannot be made: {error}", args.out.display())))?;
    let folder = std::fs::canonicalize(&args.out)
        .map_err(|error| Failure::output(format!("{}: {error}", args.out.display())))?;
    let shortest = sequences.iter().map(|(_, frames)| *frames).min().unwrap_or_default();
    let facts = Facts {
        data: &data,
        folder: &folder,
        model: args.model,
        train: count(&train),
        val: count(&val),
        shortest,
        hold_out: args.hold_out,
    };
    let names = |part: &[(&str, usize)]| part.iter().map(|(name, _)| format!("{name}\n")).collect::<String>();
    let files = [
        ("experiment.yaml", experiment(&facts)),
        ("pipeline.yaml", pipeline()),
        ("train.txt", names(&train)),
        ("val.txt", names(&val)),
    ];
    if let Some((name, _)) = files.iter().find(|(name, _)| !args.force && folder.join(name).exists()) {
        return Err(Failure::output(format!(
            "{}: is there already; name another folder, or write over it with --force",
            folder.join(name).display()
        )));
    }
    for (name, text) in &files {
        write(&folder.join(name), text)?;
    }
    println!("{:<17}{} sequences, {} frames", "training", facts.train.sequences, facts.train.frames);
    println!("{:<17}{} sequences, {} frames", "validation", facts.val.sequences, facts.val.frames);
    for (name, what) in [
        ("experiment.yaml", "data, model and training, with comments"),
        ("pipeline.yaml", "how data flows, with comments"),
        ("train.txt", "sequences to train on"),
        ("val.txt", "sequences that are held out"),
    ] {
        println!("{name:<17}{what}");
    }
    println!("\nnext:");
    files::next(&facts).iter().for_each(|command| println!("  {command}"));
    Ok(())
}

/// `sequences` for training and for validation: of every `hold_out` in a row the last is held out, and of fewer the last.
fn split<'a>(sequences: &[(&'a str, usize)], hold_out: usize) -> [Vec<(&'a str, usize)>; 2] {
    let count = sequences.len();
    let held = |at: usize| match count < hold_out {
        true => at + 1 == count && count > 1,
        false => at % hold_out == hold_out - 1,
    };
    let part = |wanted: bool| {
        let chosen = sequences.iter().enumerate().filter(|(at, _)| held(*at) == wanted);
        chosen.map(|(_, sequence)| *sequence).collect()
    };
    [part(false), part(true)]
}

fn count(part: &[(&str, usize)]) -> Count {
    Count { sequences: part.len(), frames: part.iter().map(|(_, frames)| frames).sum() }
}

fn write(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, |file| file.write_all(text.as_bytes()).map_err(|error| Failure::output(error.to_string())))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_sequences_are_held_out_and_at_least_one() {
        let names: Vec<String> = (0..11).map(|i| i.to_string()).collect();
        let of = |count: usize, hold_out: usize| {
            let sequences: Vec<(&str, usize)> = names[..count].iter().map(|name| (name.as_str(), 10)).collect();
            split(&sequences, hold_out).map(|part| part.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(of(11, 5)[1], ["4", "9"]);
        assert_eq!(of(11, 5)[0].len(), 9);
        assert_eq!(of(3, 5), [vec!["0".to_string(), "1".into()], vec!["2".into()]]);
        assert_eq!(of(1, 5)[1].len(), 0);
    }
}
