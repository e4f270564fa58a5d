//! `DATA.TRAIN` and `DATA.VAL`: data sets mixed by ratio.

use crate::settings::{Config, Section};
use std::path::PathBuf;

/// Data sets mixed by ratio.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(context = SetDefaults<'_>, check = Sets::check)]
pub struct Sets {
    /// The data sets, by their names in the reference (GOT10K_train_full), or packed:FOLDER.
    #[config(
        key = "DATASETS_NAME",
        default = context.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        check = |names| names.is_empty().then(|| "needs at least one data set".to_string())
    )]
    pub names: Vec<String>,
    /// How often clips come from each data set, relative to the others.
    #[config(key = "DATASETS_RATIO", default = vec![1.0; names.len()], absent = "1 for each", above = 0)]
    pub ratios: Vec<f64>,
    /// Clips in an epoch.
    #[config(key = "SAMPLE_PER_EPOCH", default = context.clips, min = 1)]
    pub clips_per_epoch: usize,
    /// Folder of condition labels; a relative path starts at the data folder, an empty one means no labels.
    #[config(
        key = "CLS_ANN_DIR", absent_acts,
        absent = "no labels for training; for validation those of training, where there is a condition head",
        map = |written| labels(section, written, context.labels)
    )]
    pub labels: Option<PathBuf>,
}

/// What absent keys mean.
pub(super) struct SetDefaults<'a> {
    pub names: &'static [&'static str],
    pub clips: usize,
    pub labels: Option<&'a PathBuf>,
}

impl Sets {
    fn check(&self, section: &mut Section<'_>, _: &SetDefaults<'_>) {
        let (names, ratios) = (&self.names, &self.ratios);
        if ratios.len() != names.len() {
            let message = format!("has {} ratios for {} data sets of DATASETS_NAME", ratios.len(), names.len());
            section.conflict("DATASETS_RATIO", &["DATASETS_NAME"], message);
        }
        let mut twice: Vec<&String> =
            names.iter().enumerate().filter(|(at, name)| names[..*at].contains(name)).map(|(_, name)| name).collect();
        twice.dedup();
        for name in twice {
            section.warning("DATASETS_NAME", format!("{name} is listed more than once; its ratios add up"));
        }
    }
}

/// The labels that are written, or else `inherited` ones, which become part of the resolved file.
fn labels(section: &Section<'_>, written: Option<PathBuf>, inherited: Option<&PathBuf>) -> Option<PathBuf> {
    match written {
        None => {
            inherited.iter().for_each(|labels| section.resolve("CLS_ANN_DIR", *labels));
            inherited.cloned()
        }
        // Nothing, said in so many words.
        Some(path) => Some(path).filter(|path| !path.as_os_str().is_empty()),
    }
}
