//! `trackflow data`: making data sets and looking into them.

mod label;
mod pack;
mod show;
mod stats;
mod synth;
mod verify;

use crate::failure::Result;
use clap::{Args, Subcommand};

/// `trackflow data …`.
#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(subcommand)]
    verb: DataVerb,
}

#[derive(Debug, Subcommand)]
enum DataVerb {
    /// Render synthetic scenes with condition labels (GOT-10k layout)
    Synth(synth::SynthArgs),
    /// Check every sequence: counts, boxes, frame files
    Verify(verify::VerifyArgs),
    /// Frames, sizes, boxes and conditions as a table and a picture
    Stats(stats::StatsArgs),
    /// Write first condition labels, from boxes and pixels alone
    Label(label::LabelArgs),
    /// Rewrite a data set into shards that are read faster
    Pack(pack::PackArgs),
    /// Contact sheets of clips as the model sees them
    Show(Box<show::ShowArgs>),
}

/// Does what `trackflow data …` says.
///
/// # Errors
/// Whatever the verb reports.
pub fn data(args: &DataArgs) -> Result<()> {
    match &args.verb {
        DataVerb::Synth(args) => synth::synth(args),
        DataVerb::Verify(args) => verify::verify(args),
        DataVerb::Stats(args) => stats::stats(args),
        DataVerb::Label(args) => label::label(args),
        DataVerb::Pack(args) => pack::pack(args),
        DataVerb::Show(args) => show::show(args),
    }
}

/// Writes a picture as PNG.
fn save(picture: &image::RgbImage, path: &std::path::Path) -> Result<()> {
    picture.save_with_format(path, image::ImageFormat::Png).map_err(|error| {
        let text = format!("{}: cannot be written: {error}; name another --out", path.display());
        crate::failure::Failure::output(text)
    })
}
