//! One object through the frames of a video: crop, model, window, box.

use super::boxes::{clip_box, map_back};
use super::hann::hann_window;
use crate::{
    data::condition::Condition,
    failure::{Failure, Result},
    model::{
        Config, MaskClamp,
        online::{MemoryPolicy, Online, Session},
    },
    train::{experiment::Experiment, normalise::Normaliser},
    vision::{
        area::DecodedRegion,
        rect::Rect,
        resample::{ExactBilinear, Resampler},
        window::Window,
    },
};
use tch::{Kind, Tensor};

/// A box is never thinner than this many pixels of the frame.
const MARGIN: f64 = 10.0;

/// How a tracker crops, remembers and normalises.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Side of the template window as a multiple of √(box area) (`TEST.TEMPLATE_FACTOR`).
    pub template_factor: f64,
    /// Side of the search window as a multiple of √(box area) (`TEST.SEARCH_FACTOR`).
    pub search_factor: f64,
    /// What is remembered.
    pub memory: MemoryPolicy,
    /// How masks treat boxes over the border.
    pub masks: MaskClamp,
    /// Of the pixels' channels, as shares of white (`DATA.MEAN`, `DATA.STD`).
    pub mean: [f64; 3],
    /// Of the pixels' channels.
    pub std: [f64; 3],
}

impl Options {
    /// What `experiment` says for a model with `config`.
    ///
    /// # Errors
    /// Crop sizes under `TEST` that the model was not made for: its positions belong to one size.
    pub fn of(experiment: &Experiment, config: &Config) -> Result<Self> {
        let test = &experiment.test;
        let mut wrong = Vec::new();
        for (key, size, needed) in [
            ("TEMPLATE", test.template_size as i64, config.template_size),
            ("SEARCH", test.search_size as i64, config.search_size),
        ] {
            if size != needed {
                wrong.push(format!(
                    "TEST.{key}_SIZE is {size}, but the model's positions are for DATA.{key}.SIZE {needed}; make them equal"
                ));
            }
        }
        if !wrong.is_empty() {
            return Err(Failure::config(wrong.join("\n")));
        }
        Ok(Self {
            template_factor: test.template_factor,
            search_factor: test.search_factor,
            memory: MemoryPolicy { capacity: experiment.model.max_memory, interval: test.update_interval },
            masks: if experiment.compat { MaskClamp::Reference } else { MaskClamp::Correct },
            mean: experiment.data.mean,
            std: experiment.data.std,
        })
    }
}

/// What the tracker says about one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracked {
    /// The object's box in pixels of the frame.
    pub object: Rect,
    /// Score at the box's centre, in (0, 1), before the window.
    pub score: f64,
    /// The scene's condition; none without a condition head.
    pub condition: Option<Guess>,
    /// The box as the model gave it, `(cx, cy, w, h)` as shares of the search crop.
    pub raw: [f32; 4],
    /// Crop pixels per frame pixel.
    pub scale: f64,
}

/// A condition and how sure the model is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// The most probable one.
    pub condition: Condition,
    /// Its probability.
    pub probability: f64,
    /// How much the conditions disturb, in the scale of the labels, where the head tells it.
    pub severity: Option<f64>,
}

/// A tracker on its way through a video.
#[derive(Debug)]
pub struct Tracker<'a> {
    online: &'a Online,
    options: &'a Options,
    normaliser: Normaliser,
    resampler: ExactBilinear,
    window: Tensor,
    session: Session,
    object: Rect,
}

impl<'a> Tracker<'a> {
    /// Begins with the object at `object` in `frame`.
    ///
    /// # Errors
    /// A box that no template can be cut around.
    pub fn start(online: &'a Online, options: &'a Options, frame: &DecodedRegion, object: Rect) -> Result<Self> {
        let config = online.config();
        let device = online.device();
        let normaliser = Normaliser::new(&options.mean, &options.std, device);
        let mut resampler = ExactBilinear::default();
        let size = config.template_size as u32;
        let window = around(&object, options.template_factor)?;
        let template = pixels(&normaliser, &mut resampler, frame, &window, size)?;
        let Rect { x, y, w, h } = window.to_crop_normalised(&object, size);
        let boxes = Tensor::from_slice(&[x, y, w, h].map(|value| value as f32)).view([1, 4]).f_to_device(device)?;
        Ok(Self {
            session: Session::new(online, &template, &boxes, options.memory, options.masks)?,
            window: hann_window(config.search_grid() as usize).f_to_device(device)?,
            online,
            options,
            normaliser,
            resampler,
            object,
        })
    }

    /// Where the object is in the next frame.
    ///
    /// # Errors
    /// An operation that libtorch refuses.
    pub fn follow(&mut self, frame: &DecodedRegion) -> Result<Tracked> {
        let size = self.online.config().search_size as u32;
        let window = around(&self.object, self.options.search_factor)?;
        let search = pixels(&self.normaliser, &mut self.resampler, frame, &window, size)?;
        let output = self.session.step(self.online, &search)?;
        let response = output.boxes(Some(&self.window)).f_reshape([4])?;
        let score = (&output.score_map * &self.window).argmax(None, false);
        let score = output.score_map.flatten(0, -1).f_index_select(0, &score.view([1]))?;
        // One transfer for everything that the host wants to know.
        let mut parts = vec![response, score];
        if let Some(logits) = &output.logits {
            let head = self.online.config().class_head.as_ref();
            let all = head.map_or_else(|| logits.softmax(-1, Kind::Float), |head| head.probabilities(logits));
            let (probability, index) = all.f_view([-1])?.max_dim(0, true);
            parts.extend([probability, index.to_kind(Kind::Float)]);
            parts.extend(output.severity);
        }
        let values = Vec::<f32>::try_from(Tensor::f_cat(&parts, 0)?)?;
        let raw = [values[0], values[1], values[2], values[3]];
        if !raw.iter().all(|value| value.is_finite()) {
            return Err(Failure::input("the model's box is not finite; check the weights"));
        }
        let (width, height) = (f64::from(frame.frame.0), f64::from(frame.frame.1));
        let scale = window.scale(size);
        self.object = clip_box(&map_back(raw, &self.object, size, scale), width, height, MARGIN);
        let condition = values.get(6).and_then(|&index| {
            let condition = *Condition::ALL.get(index as usize)?;
            let severity = values.get(7).copied().map(f64::from);
            Some(Guess { condition, probability: f64::from(values[5]), severity })
        });
        Ok(Tracked { object: self.object, score: f64::from(values[4]), condition, raw, scale })
    }

    /// Entries of the memory.
    pub fn remembered(&self) -> i64 {
        self.session.remembered().0
    }

    /// The window that is searched in the next frame; none around a box without area.
    pub fn window(&self) -> Option<Window> {
        Window::around(&self.object, self.options.search_factor)
    }
}

fn around(object: &Rect, factor: f64) -> Result<Window> {
    Window::around(object, factor).ok_or_else(|| {
        let Rect { x, y, w, h } = object;
        Failure::input(format!("the box {x},{y},{w},{h} has no area that could be tracked"))
    })
}

/// The window's pixels, `[1, 3, size, size]`, normalised on the device.
fn pixels(
    normaliser: &Normaliser,
    resampler: &mut ExactBilinear,
    frame: &DecodedRegion,
    window: &Window,
    size: u32,
) -> Result<Tensor> {
    let crop = resampler.crop(frame, window, size)?;
    normaliser.planes_of(crop.as_raw(), &[1, i64::from(size), i64::from(size), 3])
}
