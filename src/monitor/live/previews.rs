//! The newest clips that the model saw, as pictures for the page.

use super::status::Short;
use crate::{
    track::score::overlap,
    train::{
        events::{Preview, PreviewFrame},
        run_schedule::Split,
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
    split: Split,
    /// From 1; 0 before training.
    epoch: u64,
    position: u64,
    clips: Vec<Value>,
    /// JPEG, numbered as in `clips`.
    files: Vec<Bytes>,
}

impl Previews {
    /// Shows `new` instead of what was shown of its split.
    pub fn show(&mut self, new: PreviewFiles) {
        match new.split {
            Split::Train => self.train = Some(new),
            Split::Val => self.val = Some(new),
        }
    }

    /// What a run has kept of its newest validation: what `status` says of `files`.
    pub fn kept(mut status: Value, files: Vec<Vec<u8>>) -> Self {
        let clips = status["clips"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let number = |key: &str| status[key].as_u64().unwrap_or(0);
        let (epoch, position) = (number("epoch"), number("position"));
        let files = files.into_iter().map(Bytes::from).collect();
        Self { train: None, val: Some(PreviewFiles { split: Split::Val, epoch, position, clips, files }) }
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
        let info = &preview.info;
        let epoch = if info.before { 0 } else { info.epoch as u64 + 1 };
        let (split, position) = (info.split, info.position);
        let mut files = Self { split, epoch, position, clips: Vec::new(), files: Vec::new() };
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
        let Self { split, epoch, position, clips, .. } = self;
        json!({"split": split.name(), "epoch": epoch, "position": position, "clips": clips})
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
        let (predicted, condition) = (numbers(&frame.predicted), frame.predicted_condition.map(|one| one.name()));
        json!({
            "picture": self.add(&frame.crop),
            "truth": numbers(&frame.truth),
            "predicted": predicted,
            "iou": Short(iou),
            "condition": frame.condition.map(|condition| condition.name()),
            "predicted_condition": condition,
            // The names of earlier versions, for programs that read them.
            "told": predicted,
            "told_condition": condition,
        })
    }
}

fn numbers(object: &Rect) -> Value {
    json!([object.x, object.y, object.w, object.h].map(Short))
}
