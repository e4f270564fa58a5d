//! What reports want beside the log: features of validation passes, and clips as the model sees them.
//!
//! `features/first.safetensors` and `features/latest.safetensors` hold [`Features`]; `previews/` holds the pictures of
//! the newest validation, and `examples.json` their boxes and conditions. All are replaced atomically.

use super::live::previews::PreviewFiles;
use crate::{
    atomic_file::write_atomic,
    failure::{Failure, Result},
    telemetry::log,
    train::{
        events::{Observer, Preview},
        features::Features,
        run_event::RunEvent,
        run_schedule::Split,
    },
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// The folder of features, in a run's folder.
const FEATURES: &str = "features";
/// The folder of pictures, in a run's folder.
const PREVIEWS: &str = "examples";

/// Writes features and pictures into a run's folder.
#[derive(Debug)]
pub struct Artifacts {
    save_dir: PathBuf,
    warned: AtomicBool,
}

impl Artifacts {
    /// A keeper for the run in `save_dir`. A run that is `new` leaves nothing of one before it there.
    pub fn new(save_dir: &Path, new: bool) -> Self {
        if new {
            for path in ["first", "latest"].map(|which| features_path(save_dir, which)) {
                let _ = std::fs::remove_file(path);
            }
            let _ = std::fs::remove_file(save_dir.join(PREVIEWS).join("examples.json"));
        }
        Self { save_dir: save_dir.to_path_buf(), warned: AtomicBool::new(false) }
    }

    fn keep_features(&self, features: &Features) -> Result<()> {
        make(&self.save_dir.join(FEATURES))?;
        let first = features_path(&self.save_dir, "first");
        if !first.exists() {
            return write_features(&first, features);
        }
        write_features(&features_path(&self.save_dir, "latest"), features)
    }

    fn write_examples(&self, preview: &Preview) -> Result<()> {
        let (folder, files) = (self.save_dir.join(PREVIEWS), PreviewFiles::new(preview));
        make(&folder)?;
        let write = |name: String, bytes: &[u8]| {
            write_atomic(&folder.join(name), |file| {
                file.write_all(bytes).map_err(|error| Failure::output(error.to_string()))
            })
        };
        for (number, picture) in files.files().iter().enumerate() {
            write(format!("{number}.jpg"), picture)?;
        }
        write("examples.json".into(), files.status().to_string().as_bytes()).map(drop)
    }
}

impl Observer for Artifacts {
    fn observe(&self, _event: &RunEvent) {}

    fn preview(&self, clips: &Preview) {
        if clips.info.split == Split::Val {
            self.warn_once(self.write_examples(clips));
        }
    }

    fn features(&self, features: &Features) {
        self.warn_once(self.keep_features(features));
    }
}

impl Artifacts {
    /// A run is as good without; the next validation tries again.
    fn warn_once(&self, kept: Result<()>) {
        if let Err(failure) = kept
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            log::warn(&format!("{}; the report will lack it", failure.message));
        }
    }
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::output(format!("{}: cannot be made: {error}", folder.display())))
}

fn features_path(save_dir: &Path, which: &str) -> PathBuf {
    save_dir.join(FEATURES).join(format!("{which}.safetensors"))
}

fn write_features(path: &Path, features: &Features) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| Failure::output(format!("{}: {error}", path.display()));
    let bytes = |values: &[f32]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
    let whole = |values: &[i64]| -> Vec<u8> { values.iter().flat_map(|value| value.to_le_bytes()).collect() };
    let frames = features.labels.len();
    let columns = [
        ("features", Dtype::F32, vec![frames, features.dim], bytes(&features.pooled)),
        ("boxes", Dtype::F32, vec![frames, 4], bytes(&features.boxes)),
        ("ious", Dtype::F32, vec![frames], bytes(&features.ious)),
        ("labels", Dtype::I64, vec![frames], whole(&features.labels)),
        ("clips", Dtype::I64, vec![frames], whole(&features.clips)),
    ];
    let views = columns
        .iter()
        .map(|(name, kind, shape, bytes)| Ok((*name, TensorView::new(*kind, shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| failed(&error))?;
    // One entry, so that the same features give the same bytes.
    let metadata = json!({"epoch": features.epoch, "clips": features.names}).to_string();
    let metadata = HashMap::from([("about".to_string(), metadata)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|error| failed(&error))?;
    write_atomic(path, |file| file.write_all(&bytes).map_err(|error| failed(&error))).map(drop)
}

/// The features `first` or `latest` of the run in `save_dir`; none when it has kept none.
///
/// # Errors
/// 66 when the file is damaged.
pub fn read_features(save_dir: &Path, which: &str) -> Result<Option<Features>> {
    let path = features_path(save_dir, which);
    let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
    let damaged = || Failure::input(format!("{}: no features of a run; remove the file", path.display()));
    let parsed = || -> Option<Features> {
        let (_, header) = SafeTensors::read_metadata(&bytes).ok()?;
        let metadata: Value = serde_json::from_str(header.metadata().as_ref()?.get("about")?).ok()?;
        let tensors = SafeTensors::deserialize(&bytes).ok()?;
        let column = |name: &str, kind: Dtype| tensors.tensor(name).ok().filter(|tensor| tensor.dtype() == kind);
        let numbers = |name: &str| -> Option<Vec<f32>> {
            let tensor = column(name, Dtype::F32)?;
            Some(tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        };
        let whole = |name: &str| -> Option<Vec<i64>> {
            let tensor = column(name, Dtype::I64)?;
            Some(tensor.data().as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
        };
        let &[frames, dim] = column("features", Dtype::F32)?.shape() else { return None };
        let features = Features {
            epoch: usize::try_from(metadata["epoch"].as_u64()?).ok()?,
            dim,
            pooled: numbers("features")?,
            labels: whole("labels")?,
            ious: numbers("ious")?,
            boxes: numbers("boxes")?,
            clips: whole("clips")?,
            names: metadata["clips"].as_array()?.iter().filter_map(|name| Some(name.as_str()?.to_string())).collect(),
        };
        let known = |clip: &i64| usize::try_from(*clip).is_ok_and(|clip| clip < features.names.len());
        let lengths = [features.labels.len(), features.ious.len(), features.clips.len(), features.boxes.len() / 4];
        (lengths == [frames; 4] && features.clips.iter().all(known)).then_some(features)
    };
    parsed().map(Some).ok_or_else(damaged)
}

/// What `examples.json` of the run in `save_dir` says, and its pictures as JPEG in their order; none when there are none.
pub fn read_previews(save_dir: &Path) -> Option<(Value, Vec<Vec<u8>>)> {
    let folder = save_dir.join(PREVIEWS);
    let mut predicted: Value = serde_json::from_slice(&std::fs::read(folder.join("examples.json")).ok()?).ok()?;
    rename_earlier(&mut predicted);
    let previews = (0..).map_while(|number| std::fs::read(folder.join(format!("{number}.jpg"))).ok());
    Some((predicted, previews.collect()))
}

/// Earlier versions called predictions otherwise.
fn rename_earlier(previews: &mut Value) {
    let clips = previews["clips"].as_array_mut().into_iter().flatten();
    for frame in clips.filter_map(|clip| clip["frames"].as_array_mut()).flatten() {
        let Some(frame) = frame.as_object_mut() else { continue };
        for (earlier, name) in [("told", "predicted"), ("told_condition", "predicted_condition")] {
            if let (Some(value), false) = (frame.remove(earlier), frame.contains_key(name)) {
                frame.insert(name.into(), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(epoch: usize, value: f32) -> Features {
        Features {
            epoch,
            dim: 2,
            pooled: vec![value, 1.0, 2.0, 3.0],
            labels: vec![3, -100],
            ious: vec![0.5, 0.25],
            boxes: vec![0.1; 8],
            clips: vec![0, 1],
            names: vec!["a".into(), "b".into()],
        }
    }

    #[test]
    fn examples_of_earlier_versions_are_read() {
        let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/old-run/run");
        let (previews, pictures) = read_previews(&run).unwrap();
        let frame = &previews["clips"][0]["frames"][0];
        assert!(frame["predicted"].is_array() && frame["predicted_condition"] == "scale_variation", "{frame}");
        assert!(frame["told"].is_null() && !pictures.is_empty());
    }

    #[test]
    fn the_first_features_stay_and_the_latest_are_replaced_also_after_a_resume() {
        let home = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(home.path(), true);
        let read = |which: &str| read_features(home.path(), which).unwrap();
        assert_eq!((read("first"), read("latest")), (None, None));
        artifacts.features(&features(0, 1.0));
        artifacts.features(&features(1, 2.0));
        Artifacts::new(home.path(), false).features(&features(2, 3.0));
        assert_eq!((read("first"), read("latest")), (Some(features(0, 1.0)), Some(features(2, 3.0))));
        Artifacts::new(home.path(), true);
        assert_eq!((read("first"), read("latest")), (None, None));
        std::fs::write(features_path(home.path(), "first"), "no").unwrap();
        assert!(read_features(home.path(), "first").unwrap_err().message.contains("first.safetensors"));
    }
}
