//! `TEST`: the online tracker.

use super::{Data, at_least_one, positive};
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
}

impl Test {
    pub(super) fn read(mut section: Section<'_>, data: &Data) -> Self {
        let test = Self {
            epoch: section.value("EPOCH", 500),
            template_factor: section.checked("TEMPLATE_FACTOR", data.template.factor, positive),
            template_size: section.checked("TEMPLATE_SIZE", data.template.size, at_least_one),
            search_factor: section.checked("SEARCH_FACTOR", data.search.factor, positive),
            search_size: section.checked("SEARCH_SIZE", data.search.size, at_least_one),
            update_interval: section.checked("UPDATE_INTERVAL", 20, at_least_one),
        };
        section.close();
        test
    }
}
