//! What a run that goes on did before.

use super::{Live, Saved, Validation, push};
use crate::train::{events::Event, itinerary::Split};

impl Live {
    /// Takes in an `event` of an earlier call, which is in no counter of this process.
    pub fn recall(&self, event: &Event) {
        let mut shown = self.shown();
        match event {
            Event::Batch { visit, clips, terms, lr, time, .. } if visit.split == Split::Train => {
                shown.batch(visit, terms, *clips, *lr, [time.data, time.forward]);
            }
            Event::Pass { visit, means, confusion, .. } if visit.split == Split::Val => {
                let step = shown.newest.map_or(0, |(newest, ..)| newest.step + 1);
                let epoch = if visit.before { 0 } else { visit.epoch + 1 };
                shown.validation(Validation { epoch, step, means: *means, confusion: confusion.clone() });
            }
            Event::Saved { path, bytes, seconds, position, .. } => {
                let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
                let (bytes, seconds, position) = (*bytes, *seconds, *position);
                push(&mut shown.checkpoints, Saved { file, bytes, seconds, position, at: None });
            }
            _ => {}
        }
    }
}
