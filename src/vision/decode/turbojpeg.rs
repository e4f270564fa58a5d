//! The decoder that reads only the window of a JPEG file that a crop needs, with libjpeg-turbo.

use image::RgbImage;

use super::{
    Container, DecodeError, DecodeReason, Decoder, ImageDecoder, check_complete, check_size,
    image_crate::decode_complete,
};
use crate::vision::{
    area::{Area, DecodedRegion},
    crop::visible_area,
    jpeg::{Decompressor, JpegError, JpegErrorKind},
    orientation::Orientation,
    pool,
    window::Window,
};

/// Decodes windows of JPEG files (grey or colour, 8 bits, baseline or progressive) and whole PNG files.
#[derive(Debug)]
pub struct TurboDecoder {
    jpeg: Decompressor,
}

impl TurboDecoder {
    /// A decoder for one thread.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new() -> Result<Self, DecodeError> {
        Ok(Self { jpeg: Decompressor::new()? })
    }
}

impl TurboDecoder {
    /// Decodes the area that `wanted` names for the frame's size; nothing where it names none.
    fn part(
        &mut self,
        bytes: &[u8],
        orientation: Orientation,
        reduction: u32,
        wanted: impl FnOnce((u32, u32)) -> Option<Area>,
    ) -> Result<DecodedRegion, DecodeError> {
        let opened = self.jpeg.open(bytes)?;
        let frame = (opened.header().width, opened.header().height);
        check_size(frame.0, frame.1)?;
        let frame = (frame.0.div_ceil(reduction), frame.1.div_ceil(reduction));
        let upright = orientation.size(frame);
        let Some(area) = wanted(upright) else { return Ok(DecodedRegion::nothing(upright, reduction)) };
        if !Area::whole(upright.0, upright.1).contains(&area) {
            return Err(DecodeError::new(DecodeReason::Corrupt, "an area outside the picture"));
        }
        let area = orientation.to_stored(&area, frame);
        // The decoder widens the area to whole coded units on both sides.
        let mut pixels = pool::take((area.width as usize + 96) * area.height as usize * 3);
        let area = opened.reduced(reduction).read(area, &mut pixels)?;
        let pixels = RgbImage::from_raw(area.width, area.height, pixels).unwrap_or_default();
        Ok(orientation.turn(DecodedRegion { pixels, origin: (area.x, area.y), frame, reduction }))
    }
}

impl Decoder for TurboDecoder {
    fn decode(&mut self, bytes: &[u8], window: Option<&Window>) -> Result<DecodedRegion, DecodeError> {
        let header = check_complete(bytes)?;
        if header.container != Container::Jpeg {
            return decode_complete(bytes, &header);
        }
        self.part(bytes, header.orientation, 1, |frame| match window {
            None => Some(Area::whole(frame.0, frame.1)),
            Some(window) => visible_area(window, frame),
        })
    }

    fn decode_area(&mut self, bytes: &[u8], area: &Area, reduction: u32) -> Result<DecodedRegion, DecodeError> {
        let header = check_complete(bytes)?;
        match header.container {
            Container::Jpeg => self.part(bytes, header.orientation, reduction, |_| Some(*area)),
            Container::Png => ImageDecoder.decode_area(bytes, area, reduction),
        }
    }
}

impl From<JpegError> for DecodeError {
    fn from(error: JpegError) -> Self {
        let reason = match error.kind {
            JpegErrorKind::Truncated => DecodeReason::Truncated,
            JpegErrorKind::Unsupported => DecodeReason::Unsupported,
            JpegErrorKind::Corrupt | JpegErrorKind::Memory | JpegErrorKind::Misuse => DecodeReason::Corrupt,
        };
        Self::new(reason, error.message)
    }
}
