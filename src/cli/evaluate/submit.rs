//! `evaluate --submit`: the zip that a benchmark's server takes.

use super::{args::EvaluateArgs, trackers};
use crate::{
    data::dataset::Roots,
    failure::{Failure, Result},
    track::{self, Server},
};

/// Checks the results of the server's data set and writes them.
///
/// # Errors
/// 64 for another data set; 66 with all that the server would refuse; 74 when the zip cannot be written.
pub(super) fn submit(args: &EvaluateArgs, server: Server) -> Result<()> {
    let wanted = server.dataset();
    let given = if args.dataset.is_empty() { vec![wanted.to_owned()] } else { args.dataset.clone() };
    let sets = track::named_sets(&given)?;
    if let Some(other) = sets.iter().find(|set| set.folder != wanted) {
        let what = format!("--dataset {}: the server accepts only results of {wanted}; omit --dataset", other.given);
        return Err(Failure::usage(what));
    }
    let trackers = trackers::of(args)?;
    let Some(tracker) = trackers.first() else { return Err(Failure::usage("--submit: name --config or --results")) };
    let folder = match &tracker.folders[..] {
        [one] => one,
        _ => {
            return Err(Failure::usage(
                "--submit: give one --results folder, with the runs in it as s_001.txt, s_002.txt",
            ));
        }
    };
    let videos = track::videos(&sets, &[], &Roots::open(args.data_dir.as_deref())?)?;
    let find = |video: &track::Video| track::find(folder, &video.set, video.family, &video.name);
    let default = || {
        let name = if server == Server::Got10k { "got10k.zip" } else { "trackingnet.zip" };
        folder.join(name)
    };
    let path = args.zip.clone().unwrap_or_else(default);
    let said = server.pack(&videos, &track::written_to(folder, wanted), find, &path)?;
    println!("{said}");
    Ok(())
}
