//! `TEST`: the online tracker.

use super::{Crop, Data, family::Kind};
use crate::settings::{Config, Section};

/// `TEST`.
#[derive(Clone, Debug, PartialEq, Config)]
#[config(context = Context<'_>)]
pub struct Test {
    /// The epoch whose checkpoint is tested.
    #[config(key = "EPOCH", default = 500)]
    pub epoch: usize,
    /// Side of the template's window as a multiple of √(area of the box).
    #[config(
        key = "TEMPLATE_FACTOR", above = 0,
        default = factor(section, "TEMPLATE_SIZE", &context.data.template, TEMPLATE),
        absent = "2.0; that of DATA.TEMPLATE where TEMPLATE_SIZE is absent and DATA.TEMPLATE.SIZE is not 128"
    )]
    pub template_factor: f64,
    /// Side of the template's crop in pixels.
    #[config(key = "TEMPLATE_SIZE", default = context.data.template.size, absent = "DATA.TEMPLATE.SIZE", min = 1)]
    pub template_size: usize,
    /// Side of the search window as a multiple of √(area of the box).
    #[config(
        key = "SEARCH_FACTOR", above = 0,
        default = factor(section, "SEARCH_SIZE", &context.data.search, SEARCH),
        absent = "5.0; that of DATA.SEARCH where SEARCH_SIZE is absent and DATA.SEARCH.SIZE is not 320"
    )]
    pub search_factor: f64,
    /// Side of the search crop in pixels.
    #[config(key = "SEARCH_SIZE", default = context.data.search.size, absent = "DATA.SEARCH.SIZE", min = 1)]
    pub search_size: usize,
    /// HIPTrack: frames between two writes to the memory.
    #[config(
        key = "UPDATE_INTERVAL", default = 20, min = 1,
        refused = (!context.kind.new_hip).then(|| context.kind.only_hiptrack())
    )]
    pub update_interval: usize,
    /// Data sets that checkpoints are scored on during training; the best checkpoint on them is kept.
    #[config(key = "BENCHMARK", default = Vec::new(), absent = "none", resume = free)]
    pub benchmark: Vec<String>,
    /// Epochs between two of those.
    #[config(key = "BENCHMARK_INTERVAL", default = 1, min = 1, resume = free)]
    pub benchmark_interval: usize,
}

/// What absent keys depend on.
pub(super) struct Context<'a> {
    pub data: &'a Data,
    pub kind: &'a Kind,
}

/// Factor and size that the reference crops with when nobody says.
const TEMPLATE: (f64, usize) = (2.0, 128);
const SEARCH: (f64, usize) = (5.0, 320);

/// The factor of a crop of the online tracker where it is absent: the reference's; only where a model with the reference's
/// size cannot be, as it was trained on crops of another, that of training.
fn factor(section: &Section<'_>, size_key: &str, trained: &Crop, (factor, size): (f64, usize)) -> f64 {
    if !section.has(size_key) && trained.size != size { trained.factor } else { factor }
}

impl Test {
    pub(super) fn read_noting(mut section: Section<'_>, context: &Context<'_>, notes: &mut Vec<String>) -> Self {
        let test = Self::read(&mut section, context);
        for (key, found, trained) in [
            ("TEMPLATE_FACTOR", test.template_factor, &context.data.template),
            ("SEARCH_FACTOR", test.search_factor, &context.data.search),
        ] {
            if !section.has(key) && found != trained.factor {
                notes.push(format!(
                    "TEST.{key} is absent: the online tracker crops with {found}, training with {}",
                    trained.factor
                ));
            }
        }
        section.close();
        test
    }
}
