//! The newest clips that the model saw, as pictures for the page.

use super::status::Short;
use crate::{
    track::score::overlap,
    train::{
        events::{Seen, SeenFrame},
        itinerary::{Split, Visit},
    },
    vision::rect::Rect,
};
use actix_web::web::Bytes;
use image::{RgbImage, codecs::jpeg::JpegEncoder};
use serde_json::{Value, json};

/// Fine enough to see what a small crop shows.
const QUALITY: u8 = 88;

/// The newest clips of training and of validation.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    train: Option<Shown>,
    val: Option<Shown>,
}

/// Some clips, ready to be sent.
#[derive(Debug)]
pub(in crate::monitor) struct Shown {
    visit: Visit,
    clips: Vec<Value>,
    /// JPEG, numbered as in `clips`.
    files: Vec<Bytes>,
}

impl Pictures {
    /// Shows `new` instead of what was shown of its split.
    pub fn show(&mut self, new: Shown) {
        match new.visit.split {
            Split::Train => self.train = Some(new),
            Split::Val => self.val = Some(new),
        }
    }

    /// The picture of this number of a split; none when there is no such.
    pub fn file(&self, split: &str, number: usize) -> Option<Bytes> {
        let shown = match split {
            "train" => self.train.as_ref(),
            "val" => self.val.as_ref(),
            _ => None,
        };
        shown?.files.get(number).cloned()
    }

    /// What `status.json` says of them, validation first.
    pub fn status(&self) -> Value {
        let shown = [&self.val, &self.train].into_iter().flatten();
        shown.map(Shown::status).collect()
    }
}

impl Shown {
    /// Of each clip the template, the first search frame, and the last, before which the model has seen the most.
    pub fn new(seen: &Seen) -> Self {
        let mut shown = Self { visit: seen.visit, clips: Vec::new(), files: Vec::new() };
        for clip in &seen.clips {
            let template = json!({"picture": shown.add(&clip.template), "truth": numbers(&clip.object)});
            let last = clip.frames.iter().skip(1).last();
            let frames: Vec<Value> = clip.frames.first().into_iter().chain(last).map(|one| shown.frame(one)).collect();
            shown.clips.push(json!({"template": template, "frames": frames}));
        }
        shown
    }

    /// The pictures as JPEG, in their order.
    pub fn files(&self) -> &[Bytes] {
        &self.files
    }

    /// What `status.json` says of them.
    pub fn status(&self) -> Value {
        let visit = &self.visit;
        let epoch = if visit.before { 0 } else { visit.epoch + 1 };
        json!({"split": visit.split.name(), "epoch": epoch, "position": visit.position, "clips": self.clips})
    }

    /// The number of the picture; null when it cannot be encoded.
    fn add(&mut self, picture: &RgbImage) -> Value {
        let mut bytes = Vec::new();
        match JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(picture) {
            Ok(()) => {
                self.files.push(bytes.into());
                (self.files.len() - 1).into()
            }
            Err(_) => Value::Null,
        }
    }

    fn frame(&mut self, frame: &SeenFrame) -> Value {
        // Within the crop, as training takes it.
        let iou = overlap(&frame.truth.clipped(1.0, 1.0), &frame.told.clipped(1.0, 1.0));
        json!({
            "picture": self.add(&frame.crop),
            "truth": numbers(&frame.truth),
            "told": numbers(&frame.told),
            "iou": Short(iou),
            "condition": frame.condition.map(|condition| condition.name()),
            "told_condition": frame.told_condition.map(|condition| condition.name()),
        })
    }
}

fn numbers(object: &Rect) -> Value {
    json!([object.x, object.y, object.w, object.h].map(Short))
}
