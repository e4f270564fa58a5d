//! `checkpoint convert` and `checkpoint strip`.

use super::size;
use crate::{
    failure::{Failure, Result},
    train::{
        checkpoint::{self, EMA},
        pretrained::best_weights,
    },
    weights::{self, Choice, Contents, Format, WeightsFile, one_line},
};
use clap::Args;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tch::Tensor;

/// `trackflow checkpoint convert` and `strip`.
#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// A file of weights
    #[arg(value_name = "IN")]
    input: PathBuf,
    /// The file to write; its ending says in which form
    #[arg(value_name = "OUT")]
    output: PathBuf,
    /// The key of the weights in IN, for example teacher or model.state_dict; `.` is the whole file
    #[arg(long)]
    key: Option<String>,
}

impl ConvertArgs {
    /// The form of the output, which must not be the input: what is left out would be lost.
    fn format(&self) -> Result<Format> {
        let Self { input, output, .. } = self;
        if matches!((input.canonicalize(), output.canonicalize()), (Ok(a), Ok(b)) if a == b) {
            return Err(Failure::usage(format!("{}: is the input too; name another output", output.display())));
        }
        Format::of(output)
    }

    fn open(&self) -> Result<WeightsFile> {
        let file = WeightsFile::choose(&self.input, Choice::option(self.key.as_deref()))?;
        for other in file.others() {
            let remedy = Choice::default().remedy(&other.key);
            say!(
                "{}: {} other tensors under {} are not kept ({remedy} takes them)",
                self.input.display(),
                other.tensors,
                one_line(&other.key)
            );
        }
        Ok(file)
    }
}

/// Writes the same weights in another form. A checkpoint of trackflow keeps its training state in either form.
pub(super) fn convert(args: &ConvertArgs) -> Result<()> {
    let ConvertArgs { input, output, .. } = args;
    let format = args.format()?;
    let file = args.open()?;
    if checkpoint::header(&file)?.is_some() {
        let state = checkpoint::read(input)?;
        let bytes = checkpoint::write(output, &state)?;
        say!("{}: {} tensors and the training state, {}", output.display(), state.tensors.len(), size(bytes));
        return Ok(());
    }
    let tensors = file.load_all()?;
    let texts = file.texts().clone();
    let bytes = write(output, format, &tensors, texts)?;
    say!("{}: {} tensors, {}", output.display(), tensors.len(), size(bytes));
    skipped(&file);
    Ok(())
}

/// Writes the weights that tracking needs.
pub(super) fn strip(args: &ConvertArgs) -> Result<()> {
    let ConvertArgs { input, output, .. } = args;
    let format = args.format()?;
    let file = args.open()?;
    let weights = best_weights(&file);
    let plain = |name: &str| name.strip_prefix(EMA).unwrap_or(name).to_string();
    // Where the told conditions modulate what the box head sees, tracking needs the condition head.
    let needed = file.entries().iter().any(|entry| plain(&entry.name).starts_with("film."));
    let spare = |name: &str| name.starts_with("cls_head.") && !needed;
    let wanted = |name: &str| weights(name) && !spare(&plain(name));
    let count = file.entries().len();
    let mut tensors = match checkpoint::header(&file)? {
        Some(_) => checkpoint::read_some(input, wanted)?.tensors,
        None => {
            let entries = file.entries().iter().filter(|entry| wanted(&entry.name));
            entries.map(|entry| Ok((entry.name.clone(), file.load(entry)?))).collect::<Result<Vec<_>>>()?
        }
    };
    tensors.iter_mut().for_each(|(name, _)| *name = plain(name));
    let bytes = write(output, format, &tensors, BTreeMap::new())?;
    let dropped = count - tensors.len();
    say!("{}: {} tensors, {} ({dropped} skipped)", output.display(), tensors.len(), size(bytes));
    skipped(&file);
    Ok(())
}

fn write(path: &Path, format: Format, tensors: &[(String, Tensor)], texts: BTreeMap<String, String>) -> Result<u64> {
    let tensors = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    weights::write(path, format, &Contents { tensors, texts, ..Contents::default() })
}

/// Says what of `file` has no place in a file of weights.
fn skipped(file: &WeightsFile) {
    let others = |key: &str| file.others().iter().any(|other| other.key == key);
    let keys: Vec<&str> = file
        .notes()
        .iter()
        .map(|note| note.key.as_str())
        .filter(|key| !file.texts().contains_key(*key) && !others(key))
        .collect();
    if !keys.is_empty() {
        say!("skipped, not a weight: {}", keys.join(", "));
    }
}
