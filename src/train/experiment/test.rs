//! `TEST`: the online tracker.

use super::{Crop, Data, at_least_one, family::Kind, positive};
use crate::settings::Section;

/// `TEST`.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The epoch whose checkpoint is tested.
    pub epoch: usize,
    /// Side of the template window as a multiple of √(box area).
    pub template_factor: f64,
    /// Side of the template crop in pixels.
    pub template_size: usize,
    /// Side of the search window as a multiple of √(box area).
    pub search_factor: f64,
    /// Side of the search crop in pixels.
    pub search_size: usize,
    /// Frames between two writes to the memory.
    pub update_interval: usize,
    /// Data sets that checkpoints are scored on during training; the best checkpoint on them is kept.
    pub benchmark: Vec<String>,
    /// Epochs between two of those.
    pub benchmark_interval: usize,
}

/// Sizes that the reference crops to when nobody says: template, search.
const SIZES: [usize; 2] = [128, 320];

impl Test {
    pub(super) fn read(mut section: Section<'_>, data: &Data, kind: &Kind, notes: &mut Vec<String>) -> Self {
        let epoch = section.value("EPOCH", 500);
        let (template_factor, template_size) =
            crop(&mut section, ["TEMPLATE_FACTOR", "TEMPLATE_SIZE"], (2.0, SIZES[0]), &data.template, notes);
        let (search_factor, search_size) =
            crop(&mut section, ["SEARCH_FACTOR", "SEARCH_SIZE"], (5.0, SIZES[1]), &data.search, notes);
        let update_interval = match kind.new_hip {
            true => section.checked("UPDATE_INTERVAL", 20, at_least_one),
            false => {
                section.refused("UPDATE_INTERVAL", 20usize, kind.only_hiptrack());
                20
            }
        };
        let benchmark = section.value("BENCHMARK", Vec::<String>::new());
        let benchmark_interval = section.checked("BENCHMARK_INTERVAL", 1, at_least_one);
        section.close();
        Self {
            benchmark,
            benchmark_interval,
            epoch,
            template_factor,
            template_size,
            search_factor,
            search_size,
            update_interval,
        }
    }
}

/// Factor and size of a crop of the online tracker. Absent, they are the reference's; only where a model with that size
/// cannot be, as it was trained on crops of another, they are those of training.
fn crop(
    section: &mut Section<'_>,
    keys: [&'static str; 2],
    default: (f64, usize),
    trained: &Crop,
    notes: &mut Vec<String>,
) -> (f64, usize) {
    let [factor_key, size_key] = keys;
    let follows = !section.has(size_key) && trained.size != default.1;
    let default = if follows { (trained.factor, trained.size) } else { default };
    let factor = section.checked(factor_key, default.0, positive);
    let size = section.checked(size_key, default.1, at_least_one);
    if !section.has(factor_key) && factor != trained.factor {
        notes.push(format!(
            "TEST.{factor_key} is absent: the online tracker crops with {factor}, training with {}",
            trained.factor
        ));
    }
    (factor, size)
}
