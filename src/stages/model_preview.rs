//! Clips on the device as pictures with boxes and conditions.

use crate::{
    data::condition::Condition,
    failure::{Failure, Result},
    train::{
        events::{Preview, PreviewClip, PreviewFrame},
        run_schedule::BatchInfo,
        step::PreviewTensors,
    },
    vision::rect::Rect,
};
use image::RgbImage;
use tch::{Device, Kind, Tensor};

/// How pixels were normalised: mean and standard deviation by channel, as shares of white.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixels {
    pub mean: [f64; 3],
    pub std: [f64; 3],
}

/// Reads `preview` from the device.
///
/// # Errors
/// Tensors of other shapes than [`PreviewTensors`] says.
pub(super) fn render(info: BatchInfo, preview: &PreviewTensors, pixels: &Pixels) -> Result<Preview> {
    let clips = preview.template.size().first().copied().unwrap_or(0);
    let frames = preview.search.size().first().copied().unwrap_or(0);
    let (templates, crops) = (pixels.bytes(&preview.template)?, pixels.bytes(&preview.search)?);
    let objects = boxes(&preview.template_boxes)?;
    let (truth, predicted) = (boxes(&preview.truth)?, boxes(&preview.predicted)?);
    let labels = classes(&preview.labels)?;
    let conditions = preview.conditions.as_ref().map(classes).transpose()?;
    let frame = |frame: i64, clip: i64| -> Result<PreviewFrame> {
        let at = (frame * clips + clip) as usize;
        let centred = box_of(&predicted, at)?;
        Ok(PreviewFrame {
            crop: picture(&crops.get(frame).get(clip))?,
            truth: box_of(&truth, at)?,
            predicted: Rect::new(centred.x - 0.5 * centred.w, centred.y - 0.5 * centred.h, centred.w, centred.h),
            condition: labels.get(at).copied().flatten(),
            predicted_condition: conditions.as_ref().and_then(|predicted| predicted.get(at).copied().flatten()),
        })
    };
    let clip = |clip: i64| -> Result<PreviewClip> {
        Ok(PreviewClip {
            template: picture(&templates.get(clip))?,
            object: box_of(&objects, clip as usize)?,
            frames: (0..frames).map(|index| frame(index, clip)).collect::<Result<_>>()?,
        })
    };
    Ok(Preview { info, clips: (0..clips).map(clip).collect::<Result<_>>()? })
}

fn box_of(boxes: &[Rect], at: usize) -> Result<Rect> {
    boxes.get(at).copied().ok_or_else(|| Failure::stage("a preview of clips lacks a box"))
}

impl Pixels {
    /// `[…, 3, H, W]` normalised as `[…, H, W, 3]` bytes on the CPU.
    fn bytes(&self, planes: &Tensor) -> Result<Tensor> {
        let channels = |values: &[f64; 3]| Tensor::from_slice(values).view([3, 1, 1]).to_kind(Kind::Float);
        let planes = planes.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?;
        let last = planes.dim() as i64 - 1;
        let white = (planes * channels(&self.std) + channels(&self.mean)) * 255.0;
        let bytes = white.round().clamp(0.0, 255.0).f_to_kind(Kind::Uint8)?;
        Ok(bytes.f_movedim_int(last - 2, last)?.f_contiguous()?)
    }
}

/// `[H, W, 3]` bytes as a picture.
fn picture(bytes: &Tensor) -> Result<RgbImage> {
    let wrong = || Failure::stage("a preview of clips has no images");
    let &[height, width, 3] = bytes.size().as_slice() else { return Err(wrong()) };
    let side = |length: i64| u32::try_from(length).map_err(|_| wrong());
    RgbImage::from_raw(side(width)?, side(height)?, Vec::<u8>::try_from(bytes.f_flatten(0, -1)?)?).ok_or_else(wrong)
}

/// `[…, 4]`, four numbers each.
fn boxes(tensor: &Tensor) -> Result<Vec<Rect>> {
    let values = Vec::<f64>::try_from(tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_flatten(0, -1)?)?;
    Ok(values.chunks_exact(4).map(|four| Rect::new(four[0], four[1], four[2], four[3])).collect())
}

/// Class indices as conditions; what is no condition is none.
fn classes(tensor: &Tensor) -> Result<Vec<Option<Condition>>> {
    let values = Vec::<i64>::try_from(tensor.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)?;
    let condition = |index: i64| Condition::ALL.get(usize::try_from(index).ok()?).copied();
    Ok(values.into_iter().map(condition).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::condition::UNLABELLED,
        train::{normalise::Normaliser, run_schedule::Split},
    };

    #[test]
    fn pictures_boxes_and_conditions_come_back_as_they_went_in() {
        let pixels = Pixels { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
        let normaliser = Normaliser::new(&pixels.mean, &pixels.std, Device::Cpu);
        let bytes = |count: usize| -> Vec<u8> { (0..count).map(|at| (at * 37 % 256) as u8).collect() };
        let (template, search) = (bytes(2 * 4 * 4 * 3), bytes(3 * 2 * 8 * 8 * 3));
        let numbers = |count: i64| Tensor::arange(count, (Kind::Float, Device::Cpu)) / 100.0;
        let preview = PreviewTensors {
            template: normaliser.planes(&Tensor::from_slice(&template).view([2, 4, 4, 3])).unwrap(),
            template_boxes: numbers(8).view([2, 4]),
            search: normaliser.planes(&Tensor::from_slice(&search).view([3, 2, 8, 8, 3])).unwrap(),
            truth: numbers(24).view([3, 2, 4]),
            predicted: numbers(24).view([3, 2, 4]),
            labels: Tensor::from_slice(&[0i64, 9, UNLABELLED, 3, 4, 5]).view([3, 2]),
            conditions: Some(Tensor::from_slice(&[0i64, 1, 2, 3, 4, 11]).view([3, 2])),
        };
        let info = BatchInfo {
            position: 0,
            split: Split::Val,
            epoch: 0,
            batch: 0,
            of: 1,
            step: 0,
            before: true,
            closes_epoch: false,
        };
        let render = render(info, &preview, &pixels).unwrap();
        assert_eq!(render.clips.len(), 2);
        assert_eq!(render.clips[1].template.as_raw(), &template[48..]);
        let (first, last) = (&render.clips[0].frames[1], &render.clips[1].frames[2]);
        assert_eq!(first.crop.as_raw(), &search[2 * 192..3 * 192]);
        assert_eq!((first.condition, first.predicted_condition), (None, Some(Condition::ScaleVariation)));
        assert_eq!((last.condition, last.predicted_condition), (Some(Condition::PartialVisibility), None));
        let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(near(first.truth.x, 0.08) && near(first.truth.h, 0.11), "{:?}", first.truth);
        // (cx, cy, w, h) = (0.08, 0.09, 0.10, 0.11)
        assert!(
            near(first.predicted.x, 0.03) && near(first.predicted.y, 0.035) && near(first.predicted.w, 0.1),
            "{:?}",
            first.predicted
        );
    }
}
