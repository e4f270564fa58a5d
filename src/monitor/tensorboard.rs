//! TensorBoard event files, where users of the reference look for them: `tensorboard/train/<script>/<config>/train` and
//! `…/val` hold the means of each epoch under the reference's names, `…/steps` those of the training steps between two
//! lines of progress.
//!
//! A file is a sequence of records: the length (8 bytes), its masked CRC-32C, the data, its masked CRC-32C
//! (tensorflow/core/lib/io/record_writer.h). The data are `Event` messages (tensorflow/core/util/event.proto), of which
//! four kinds of fields are needed. A run that goes on says at which step it begins, and TensorBoard forgets what a run
//! that was stopped had written beyond that.

use crate::{
    telemetry::log,
    train::{
        events::Observer,
        means::{AverageMeter, BatchMetrics},
        metrics::StepMetrics,
        run_event::RunEvent,
        run_schedule::Split,
    },
};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Writes the curves of a run.
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    every: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<&'static str, File>,
    window: AverageMeter,
    batches: usize,
    warned: bool,
}

impl TensorBoard {
    /// Curves below `folder`, with a point of `steps` for every `every` batches. Files are made when there is something
    /// to write.
    pub fn new(folder: &Path, every: usize) -> Self {
        Self { folder: folder.to_path_buf(), every: every.max(1), state: Mutex::default() }
    }

    /// Appends `scalars` at `step` to the file of `part`. What cannot be written is reported once: the numbers are in
    /// `run.jsonl` as well.
    fn write(&self, state: &mut State, part: &'static str, step: u64, scalars: &[(String, f64)]) {
        let written = match state.files.get_mut(part) {
            Some(file) => file.write_all(&record(&event(step, &Field::Scalars(scalars)))),
            None => self.begin(part, step, scalars).map(|file| drop(state.files.insert(part, file))),
        };
        if let Err(error) = written {
            // The record may be torn, and readers stop there: the next one goes to a new file.
            state.files.remove(part);
            if !std::mem::replace(&mut state.warned, true) {
                let folder = self.folder.display();
                log::warn(&format!("{folder}: {error}; curves for TensorBoard have gaps, run.jsonl has all numbers"));
            }
        }
    }

    fn begin(&self, part: &str, step: u64, scalars: &[(String, f64)]) -> std::io::Result<File> {
        let folder = self.folder.join(part);
        std::fs::create_dir_all(&folder)?;
        // TensorBoard reads the files of a folder in the order of their names.
        let name = format!("events.out.tfevents.{:.6}.{}.trackflow", now(), std::process::id());
        let mut file = OpenOptions::new().append(true).create(true).open(folder.join(name))?;
        let mut bytes = record(&event(0, &Field::Version));
        bytes.extend(record(&event(step, &Field::Start)));
        bytes.extend(record(&event(step, &Field::Scalars(scalars))));
        file.write_all(&bytes)?;
        Ok(file)
    }
}

impl Observer for TensorBoard {
    fn batch(&self, event: &RunEvent, metrics: &BatchMetrics) {
        let RunEvent::Batch(batch) = event else { return };
        if batch.split != Split::Train {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.window.add(&StepMetrics::from(&batch.metrics), metrics);
        state.batches += 1;
        let number = batch.batch + 1;
        if !number.is_multiple_of(self.every as u64) && number != batch.batches {
            return;
        }
        let window = std::mem::take(&mut state.window);
        state.batches = 0;
        let mut scalars = window.means().map_or_else(Vec::new, |means| scalars(&means));
        let rates = [batch.lr, batch.lr_backbone];
        scalars.extend(rates.iter().enumerate().map(|(group, lr)| (format!("LearningRate/group{group}"), lr.0)));
        self.write(&mut state, "steps", batch.step + 1, &scalars);
    }

    fn observe(&self, event: &RunEvent) {
        let RunEvent::Pass(pass) = event else { return };
        let mut scalars = scalars(&StepMetrics::from(&pass.metrics));
        scalars.extend(pass.confusion.recalls().iter().map(|recall| {
            let share = recall.right as f64 / recall.frames.max(1) as f64;
            (format!("Accuracy/{}", recall.condition), share)
        }));
        scalars.extend(pass.conditions.iter().map(|(name, score)| (format!("IoU/{name}"), score.iou.0)));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut state, pass.split.name(), pass.epoch, &scalars);
    }
}

fn scalars(step_metrics: &StepMetrics) -> Vec<(String, f64)> {
    let mut scalars: Vec<(String, f64)> =
        step_metrics.losses().iter().map(|(name, value)| ((*name).to_string(), *value)).collect();
    scalars.push(("IoU".into(), step_metrics.iou));
    scalars.extend(step_metrics.accuracy().map(|accuracy| ("Accuracy".to_string(), accuracy)));
    scalars
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// The one field of an event that is not its time or step.
enum Field<'a> {
    /// The first event of a file.
    Version,
    /// What was written before for this step and later ones is void.
    Start,
    Scalars(&'a [(String, f64)]),
}

/// An `Event` message.
fn event(step: u64, field: &Field<'_>) -> Vec<u8> {
    let mut bytes = vec![0x09];
    bytes.extend(now().to_le_bytes());
    bytes.push(0x10);
    varint(&mut bytes, step);
    match field {
        Field::Version => block(&mut bytes, 3, b"brain.Event:2"),
        // SessionLog { status: START }
        Field::Start => block(&mut bytes, 7, &[0x08, 1]),
        Field::Scalars(scalars) => {
            let mut summary = Vec::new();
            for (tag, number) in *scalars {
                let mut value = Vec::new();
                block(&mut value, 1, tag.as_bytes());
                value.push(0x15);
                value.extend((*number as f32).to_le_bytes());
                block(&mut summary, 1, &value);
            }
            block(&mut bytes, 5, &summary);
        }
    }
    bytes
}

/// A field of bytes: its number and type, their length, and they.
fn block(bytes: &mut Vec<u8>, field: u8, content: &[u8]) {
    bytes.push(field << 3 | 2);
    varint(bytes, content.len() as u64);
    bytes.extend(content);
}

fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn record(data: &[u8]) -> Vec<u8> {
    let masked = |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_records_are_laid_out_as_their_formats_say() {
        let mut bytes = Vec::new();
        varint(&mut bytes, 300);
        assert_eq!(bytes, [0xac, 0x02]);
        // RFC 3720, B.4: the CRC-32C of 32 zero bytes. The mask rotates it by 15 and adds a constant.
        let masked = 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8);
        let record = record(&[0; 32]);
        assert_eq!((&record[..8], &record[44..]), (&32u64.to_le_bytes()[..], &masked.to_le_bytes()[..]));
    }
}
