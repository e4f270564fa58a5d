//! The axis-aligned box of an object.

/// A box by its top-left corner and size, in pixels of some picture (or normalised, where said so).
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Rect {
    /// The box with this corner and size.
    pub fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }

    /// Horizontal and vertical centre.
    pub fn centre(&self) -> (f64, f64) {
        (self.x + 0.5 * self.w, self.y + 0.5 * self.h)
    }

    /// Width times height.
    pub fn area(&self) -> f64 {
        self.w * self.h
    }

    /// Whether all four numbers are finite and both sides positive.
    pub fn is_sane(&self) -> bool {
        [self.x, self.y, self.w, self.h].iter().all(|v| v.is_finite()) && self.w > 0.0 && self.h > 0.0
    }

    /// The part of this box inside a `width` × `height` picture; zero-sized when outside.
    pub fn clipped(&self, width: f64, height: f64) -> Self {
        let (x0, y0) = (self.x.clamp(0.0, width), self.y.clamp(0.0, height));
        let (x1, y1) = ((self.x + self.w).clamp(0.0, width), (self.y + self.h).clamp(0.0, height));
        Self::new(x0, y0, x1 - x0, y1 - y0)
    }
}
