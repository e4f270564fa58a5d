//! How the weights of a file fit the model of an experiment.

use crate::{
    failure::Result,
    model::Hiptrack,
    session::find,
    train::{
        network,
        pretrained::{self, Loaded},
    },
    weights::Choice,
};
use serde_json::{Value, json};
use std::path::Path;
use tch::Device;

/// How the weights of a file fit the model of an experiment.
pub(super) struct Fit {
    config: String,
    loaded: Loaded,
}

/// Names that are printed before a list is cut; `--json` has all.
const MOST_LISTED: usize = 12;

impl Fit {
    pub fn of(file: &Path, choice: Choice<'_>, script: &str, config: &str, set: &[String]) -> Result<Self> {
        let experiment = find::read(script, config, set)?;
        crate::cli::note(&experiment);
        let model = Hiptrack::new(&network::config(&experiment), 0, Device::Cpu)?;
        Ok(Self { config: config.to_string(), loaded: pretrained::compare(&model, file, choice)? })
    }

    /// Whether the model can be loaded from the file.
    pub fn fits(&self) -> bool {
        self.loaded.missing.is_empty() && self.loaded.report.reshaped.is_empty() && self.loaded.foreign().is_empty()
    }

    pub fn print(&self) {
        let Loaded { report, scratch, missing, ignored, .. } = &self.loaded;
        let verdict = if self.fits() { "can be loaded" } else { "cannot be loaded" };
        say!("the model of {} {verdict} from this file:", self.config);
        say!("  {} tensors match", report.matched.len());
        let list = |what: &str, names: &[String]| {
            if !names.is_empty() {
                let rest = names.len().saturating_sub(MOST_LISTED);
                let more = if rest > 0 { format!(", … and {rest} more") } else { String::new() };
                say!("  {} {what}: {}{more}", names.len(), names[..names.len() - rest].join(", "));
            }
        };
        list("would start from scratch, as this source need not have them", scratch);
        list("are missing", missing);
        list("are skipped, as nothing here uses them", ignored);
        list("are unexpected", &report.unexpected);
        if !self.loaded.foreign().is_empty() {
            say!("  without them it is another tracker: the model is plain OSTrack (MODEL.NEW_HIP: False)");
        }
        for (name, have, given) in &report.reshaped {
            say!("  {name}: shape {given:?}, the model has {have:?}");
        }
    }

    pub fn json(&self) -> Value {
        let Loaded { report, scratch, missing, ignored, .. } = &self.loaded;
        let reshaped: Vec<Value> = report
            .reshaped
            .iter()
            .map(|(name, have, given)| json!({"name": name, "model": have, "file": given}))
            .collect();
        json!({
            "config": self.config, "fits": self.fits(), "matched": report.matched, "scratch": scratch,
            "missing": missing, "left_out": ignored, "unexpected": report.unexpected, "reshaped": reshaped,
        })
    }
}
