//! `preview`: pictures of what is trained on, for eyes: a row of crops with the object's box, now and then.

use super::{RunContext, items::*};
use crate::{
    failure::{Failure, Result},
    flow::{Emitter, Kind, Payload, Stage, StageConfig, unpack},
    settings::Config,
    vision::rect::Rect,
};
use image::{Rgb, RgbImage, imageops};
use std::path::PathBuf;

pub(super) const KIND: Kind<RunContext> = Kind {
    name: "preview",
    description: "writes every n-th clip as a picture: its crops in a row, with boxes; put it on a branch",
    input: Some(CROPPED_CLIPS),
    output: None,
    ordered: true,
    workers: 1,
    max_workers: 1,
    capacity: 1,
    parse: |section| Box::new(PreviewOptions::read(section, &())),
};

#[derive(Clone, Config)]
struct PreviewOptions {
    /// Clips from one picture to the next.
    #[config(key = "every", default = 100, min = 1)]
    every: u64,
    /// At most so many images in a run.
    #[config(key = "limit", default = 100)]
    limit: u64,
    /// The folder of the pictures.
    #[config(key = "folder", default = PathBuf::from("./preview"))]
    folder: PathBuf,
}

impl StageConfig<RunContext> for PreviewOptions {
    fn worker(&self, _context: &RunContext, _index: usize) -> Result<Box<dyn Stage>> {
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| Failure::output(format!("{}: cannot be made: {error}", self.folder.display())))?;
        Ok(Box::new(PreviewStage { options: self.clone(), clips: 0, written: 0 }))
    }
}

struct PreviewStage {
    options: PreviewOptions,
    clips: u64,
    written: u64,
}

impl Stage for PreviewStage {
    fn process(&mut self, payload: Payload, _out: &mut Emitter) -> Result<()> {
        let clip: CroppedClip = unpack(payload)?;
        let due = self.clips.is_multiple_of(self.options.every) && self.written < self.options.limit;
        self.clips += 1;
        if !due {
            return Ok(());
        }
        self.written += 1;
        let Ticket { info, slot, .. } = clip.ticket;
        let name = format!("{}-{:06}-{slot:03}.png", info.split.name(), info.position);
        let path = self.options.folder.join(name);
        row(&clip).save(&path).map_err(|error| Failure::output(format!("{}: {error}", path.display())))
    }
}

/// The crops side by side, each with the object's box.
fn row(clip: &CroppedClip) -> RgbImage {
    let height = clip.crops.iter().map(RgbImage::height).max().unwrap_or(1);
    let mut row = RgbImage::new(clip.crops.iter().map(RgbImage::width).sum::<u32>().max(1), height);
    let mut left = 0;
    for (crop, object) in clip.crops.iter().zip(&clip.boxes) {
        let mut crop = crop.clone();
        outline(&mut crop, object);
        imageops::replace(&mut row, &crop, i64::from(left), 0);
        left += crop.width();
    }
    row
}

/// Draws the edge of `object`, which is given in units of the crop's side.
fn outline(crop: &mut RgbImage, object: &Rect) {
    let (width, height) = (crop.width(), crop.height());
    if width == 0 || height == 0 {
        return;
    }
    let pixel = |at: f64, side: u32| (at * f64::from(side)).clamp(0.0, f64::from(side - 1)) as u32;
    let (x0, x1) = (pixel(object.x, width), pixel(object.x + object.w, width));
    let (y0, y1) = (pixel(object.y, height), pixel(object.y + object.h, height));
    let green = Rgb([0, 255, 0]);
    for x in x0..=x1 {
        crop.put_pixel(x, y0, green);
        crop.put_pixel(x, y1, green);
    }
    for y in y0..=y1 {
        crop.put_pixel(x0, y, green);
        crop.put_pixel(x1, y, green);
    }
}
