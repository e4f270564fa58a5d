//! The newest clips that the model saw, as pictures for the page.

use super::status::Short;
use crate::{
    track::score::overlap,
    train::{
        events::{Preview, PreviewFrame},
        run_schedule::{BatchInfo, Split},
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
pub(super) struct Previews {
    train: Option<PreviewFiles>,
    val: Option<PreviewFiles>,
}

/// Some clips, ready to be sent.
#[derive(Debug)]
pub(in crate::monitor) struct PreviewFiles {
    info: BatchInfo,
    clips: Vec<Value>,
    /// JPEG, numbered as in `clips`.
    files: Vec<Bytes>,
}

impl Previews {
    /// Shows `new` instead of what was shown of its split.
    pub fn show(&mut self, new: PreviewFiles) {
        match new.info.split {
            Split::Train => self.train = Some(new),
            Split::Val => self.val = Some(new),
        }
    }

    /// The picture of this number of a split; none when there is no such.
    pub fn file(&self, split: &str, number: usize) -> Option<Bytes> {
        let files = match split {
            "train" => self.train.as_ref(),
            "val" => self.val.as_ref(),
            _ => None,
        };
        files?.files.get(number).cloned()
    }

    /// What `status.json` says of them, validation first.
    pub fn status(&self) -> Value {
        let files = [&self.val, &self.train].into_iter().flatten();
        files.map(PreviewFiles::status).collect()
    }
}

impl PreviewFiles {
    /// Of each clip the template, the first search frame, and the last, before which the model has seen the most.
    pub fn new(preview: &Preview) -> Self {
        let mut files = Self { info: preview.info, clips: Vec::new(), files: Vec::new() };
        for clip in &preview.clips {
            let template = json!({"picture": files.add(&clip.template), "truth": numbers(&clip.object)});
            let last = clip.frames.iter().skip(1).last();
            let frames: Vec<Value> = clip.frames.first().into_iter().chain(last).map(|one| files.frame(one)).collect();
            files.clips.push(json!({"template": template, "frames": frames}));
        }
        files
    }

    /// The pictures as JPEG, in their order.
    pub fn files(&self) -> &[Bytes] {
        &self.files
    }

    /// What `status.json` says of them.
    pub fn status(&self) -> Value {
        let info = &self.info;
        let epoch = if info.before { 0 } else { info.epoch + 1 };
        json!({"split": info.split.name(), "epoch": epoch, "position": info.position, "clips": self.clips})
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

    fn frame(&mut self, frame: &PreviewFrame) -> Value {
        // Within the crop, as training takes it.
        let iou = overlap(&frame.truth.clipped(1.0, 1.0), &frame.predicted.clipped(1.0, 1.0));
        json!({
            "picture": self.add(&frame.crop),
            "truth": numbers(&frame.truth),
            "told": numbers(&frame.predicted),
            "iou": Short(iou),
            "condition": frame.condition.map(|condition| condition.name()),
            "told_condition": frame.predicted_condition.map(|condition| condition.name()),
        })
    }
}

fn numbers(object: &Rect) -> Value {
    json!([object.x, object.y, object.w, object.h].map(Short))
}
