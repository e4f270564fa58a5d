//! Tracked frames for people: prediction, ground truth, search window, history, and what the tracker says.

use super::run::Step;
use crate::vision::{
    canvas::{Canvas, Colour, Font, GREEN, YELLOW},
    rect::Rect,
};
use image::RgbImage;
use std::collections::VecDeque;

/// Where the tracker looks.
const SEARCHED: Colour = [90, 170, 255];
/// Where the object was.
const TRAIL: Colour = [255, 140, 0];
/// Behind text.
const PLATE: Colour = [16, 18, 22];
const WHITE: Colour = [245, 245, 245];
/// Rows of text below a frame.
const ROWS: usize = 5;
/// Frames of which the object's centre is drawn.
const HISTORY: usize = 60;

/// Draws the frames of one video in their order.
#[derive(Debug, Default)]
pub struct Drawing {
    trail: VecDeque<(f64, f64)>,
    with_memory: bool,
}

impl Drawing {
    /// `with_memory`: whether the tracker remembers frames.
    pub fn new(with_memory: bool) -> Self {
        Self { trail: VecDeque::new(), with_memory }
    }

    /// The frame of `step` with all that is known of it; `truth` is the annotator's box, where there is one.
    pub fn frame(&mut self, step: &Step<'_>, truth: Option<&Rect>) -> RgbImage {
        let (width, height) = step.frame.pixels.dimensions();
        let (_, line) = Font::Plain.cell();
        let strip = line * ROWS as i32 + 4;
        let mut canvas = Canvas::new(width, height + strip as u32);
        canvas.paste(0, 0, &step.frame.pixels);
        let side = width.max(height);
        self.trail.push_back(step.object.centre());
        if self.trail.len() > HISTORY {
            self.trail.pop_front();
        }
        if let Some(window) = step.window {
            canvas.outline(
                (0, 0),
                side,
                &Rect::new(window.x as f64, window.y as f64, f64::from(window.side), f64::from(window.side)),
                SEARCHED,
            );
        }
        for (x, y) in &self.trail {
            let at = |v: f64| v.round().clamp(-1e6, 1e6) as i32 - 1;
            canvas.fill(at(*x), at(*y), 3, 3, TRAIL);
        }
        if let Some(truth) = truth.filter(|truth| truth.is_sane()) {
            canvas.outline((0, 0), side, truth, GREEN);
        }
        canvas.outline((0, 0), side, &step.object, YELLOW);
        let top = i32::try_from(height).unwrap_or(i32::MAX - strip);
        canvas.fill(0, top, width, strip as u32, PLATE);
        for (at, (text, colour)) in self.words(step, truth).iter().enumerate() {
            canvas.text(4, top + 2 + line * at as i32, text, Font::Plain, *colour);
        }
        canvas.picture
    }

    /// The rows below a frame; those of which nothing is known are empty, so that all frames are of one size.
    fn words(&self, step: &Step<'_>, truth: Option<&Rect>) -> [(String, Colour); ROWS] {
        let memory = if self.with_memory { format!(", memory {}", step.memory) } else { String::new() };
        let said = step.tracked.map_or_else(|| "given".into(), |tracked| format!("score {:.2}", tracked.score));
        let guess = step.tracked.and_then(|tracked| tracked.condition);
        let condition = guess.map_or_else(String::new, |guess| format!("{} {:.2}", guess.condition, guess.probability));
        let truth = match truth {
            Some(truth) if truth.is_sane() => format!("truth, IoU {:.2}", super::score::overlap(truth, &step.object)),
            Some(_) => "truth: absent".into(),
            None => String::new(),
        };
        let window = if step.window.is_some() { "search window" } else { "" };
        [
            (format!("{}{memory}", step.index), WHITE),
            (said, YELLOW),
            (condition, WHITE),
            (truth, GREEN),
            (window.into(), SEARCHED),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        data::condition::Condition,
        track::{Guess, Tracked},
        vision::{area::DecodedRegion, window::Window},
    };

    #[test]
    fn boxes_window_and_trail_are_drawn() {
        let part = DecodedRegion::whole(RgbImage::new(160, 160));
        let mut drawing = Drawing::new(true);
        let guess = Guess { condition: Condition::MotionBlur, probability: 0.5, severity: None };
        let mut step = |index, x: f64, with: bool| {
            let object = Rect::new(x, 100.0, 20.0, 20.0);
            let tracked = Tracked { object, score: 0.9, condition: Some(guess), raw: [0.0; 4], scale: 1.0 };
            let step = Step {
                index,
                frame: &part,
                object,
                tracked: with.then_some(tracked),
                window: Window::around(&object, 2.0).filter(|_| with),
                memory: 1,
                seconds: 0.0,
            };
            drawing.frame(&step, with.then_some(&Rect::new(60.0, 120.0, 30.0, 30.0)))
        };
        let has = |picture: &RgbImage, colour| picture.pixels().filter(|pixel| pixel.0 == colour).count();
        let first = step(0, 60.0, false);
        assert!(has(&first, YELLOW) > 60 && has(&first, GREEN) == 0 && has(&first, SEARCHED) == 0);
        let second = step(1, 90.0, true);
        assert!(has(&second, GREEN) > 60 && has(&second, SEARCHED) > 60);
        // Two centres of nine pixels each.
        assert_eq!(has(&second, TRAIL), 18);
    }
}
