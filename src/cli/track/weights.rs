//! Which weights are tracked with.

use crate::{
    failure::{Failure, Result},
    model::Hiptrack,
};
use std::path::{Path, PathBuf};

/// The checkpoints in `folder` that close an epoch, each with its number (from 1), in order.
pub(in crate::cli) fn epoch_checkpoints(folder: &Path) -> Vec<(usize, PathBuf)> {
    let number = |path: &Path| -> Option<usize> {
        let name = path.file_name()?.to_str()?.strip_suffix(".safetensors")?;
        let (_, rest) = name.split_once("_ep")?;
        // What a stopped run left in the middle of an epoch is not the epoch's.
        if name.ends_with("_mid") {
            return None;
        }
        rest.split('_').next()?.parse().ok()
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<(usize, PathBuf)> = entries.filter_map(|path| Some((number(&path)?, path))).collect();
    found.sort();
    found
}

/// The checkpoint in `folder` that closes `epoch` (from 1), or the last one before it.
///
/// # Errors
/// There is none.
pub(super) fn of_epoch(folder: &Path, epoch: usize) -> Result<PathBuf> {
    let found = epoch_checkpoints(folder);
    let chosen = found.iter().rev().find(|(at, _)| *at <= epoch);
    chosen.map(|(_, path)| path.clone()).ok_or_else(|| {
        let epochs: Vec<String> = found.iter().map(|(at, _)| at.to_string()).collect();
        let folder = folder.display();
        Failure::input(match epochs.is_empty() {
            true => format!("{folder}: no checkpoint of a finished epoch is here; train first, or give --weights FILE"),
            false => format!(
                "{folder}: TEST.EPOCH is {epoch}, and the checkpoints here are of epochs {}; give --weights FILE, or --set \
                 TEST.EPOCH=N",
                epochs.join(", ")
            ),
        })
    })
}

/// Whether the condition head was trained: its biases start at zero, and no training leaves all of them there.
pub(super) fn condition_head_is_trained(model: &Hiptrack) -> bool {
    let moved = |name: &str| {
        let Some(bias) = model.params().get(name) else { return false };
        bias.detach().ne(0.0).any().int64_value(&[]) != 0
    };
    moved("cls_head.cls_projection.bias") || moved("cls_head.classifier.bias")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_or_the_last_before_it_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["HIPTrack_ep0002_pos00000020", "HIPTrack_ep0004_pos00000040", "HIPTrack_ep0005_pos00000045_mid"] {
            std::fs::write(folder.path().join(format!("{name}.safetensors")), "").unwrap();
        }
        let taken = |epoch| of_epoch(folder.path(), epoch).map(|path| path.file_name().unwrap().to_owned());
        assert_eq!(taken(2).unwrap(), "HIPTrack_ep0002_pos00000020.safetensors");
        assert_eq!(taken(3).unwrap(), "HIPTrack_ep0002_pos00000020.safetensors");
        assert_eq!(taken(500).unwrap(), "HIPTrack_ep0004_pos00000040.safetensors");
        let message = taken(1).unwrap_err().message;
        assert!(
            message.contains("TEST.EPOCH is 1, and the checkpoints here are of epochs 2, 4; give --weights"),
            "{message}"
        );
    }
}
