//! The pure-Rust decoder of the `image` crate behind a check that the file is complete.

use std::io::Cursor;

use image::{DynamicImage, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::segments::without_filler;
use super::{Container, DecodeError, DecodeReason, Decoder, Header, check_complete};
use crate::vision::area::{Area, DecodedRegion};
use crate::vision::window::Window;

/// Decodes whole frames, JPEG and PNG; grey, palette and transparent pictures come out as RGB. JPEG files of sorts that
/// the crate does not know, as those with arithmetic coding, go to libjpeg-turbo where that is built in.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageDecoder;

impl Decoder for ImageDecoder {
    fn decode(&mut self, bytes: &[u8], _window: Option<&Window>) -> Result<DecodedRegion, DecodeError> {
        let header = check_complete(bytes)?;
        decode_complete(bytes, &header)
    }

    fn decode_area(&mut self, bytes: &[u8], _area: &Area, reduction: u32) -> Result<DecodedRegion, DecodeError> {
        match reduction {
            1 => self.decode(bytes, None),
            _ => Err(DecodeError::new(DecodeReason::Unsupported, "the decoder `image` does not reduce pictures")),
        }
    }
}

/// Bytes that a picture of the largest size takes with the most bits a pixel; its header was checked.
const LARGEST: u64 = super::MAX_PIXELS * 8;

/// Decodes a file that is known to be complete and of a sane size.
pub(super) fn decode_complete(bytes: &[u8], header: &Header) -> Result<DecodedRegion, DecodeError> {
    if header.arithmetic {
        return other_jpeg(bytes, None);
    }
    let decoded = match (header.container, header.filler) {
        (Container::Png, _) => decoded(bytes, ImageFormat::Png),
        (Container::Jpeg, 0) => decoded(bytes, ImageFormat::Jpeg),
        (Container::Jpeg, _) => decoded(&without_filler(bytes)?, ImageFormat::Jpeg),
    };
    match decoded {
        Ok(picture) => Ok(header.orientation.turn(DecodedRegion::whole(rgb(picture)))),
        Err(error @ ImageError::Unsupported(_)) => {
            let error = DecodeError::new(DecodeReason::Unsupported, error.to_string());
            if header.container == Container::Jpeg { other_jpeg(bytes, Some(error)) } else { Err(error) }
        }
        Err(error) => Err(DecodeError::new(DecodeReason::Corrupt, error.to_string())),
    }
}

/// The picture in 8 bits a sample: of 16, the upper 8, as OpenCV's reader has them.
fn rgb(picture: DynamicImage) -> RgbImage {
    use DynamicImage::{ImageLuma16, ImageLumaA16, ImageRgb16, ImageRgba16};
    match picture {
        ImageLuma16(_) | ImageLumaA16(_) | ImageRgb16(_) | ImageRgba16(_) => {
            let deep = picture.into_rgb16();
            let samples = deep.as_raw().iter().map(|sample| (sample >> 8) as u8).collect();
            RgbImage::from_raw(deep.width(), deep.height(), samples).unwrap_or_default()
        }
        _ => picture.into_rgb8(),
    }
}

fn decoded(bytes: &[u8], format: ImageFormat) -> Result<DynamicImage, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(LARGEST);
    reader.limits(limits);
    reader.decode()
}

/// What libjpeg-turbo makes of a file that the crate does not decode, for the reason `why`.
#[cfg(feature = "turbojpeg")]
fn other_jpeg(bytes: &[u8], _why: Option<DecodeError>) -> Result<DecodedRegion, DecodeError> {
    super::TurboDecoder::new()?.decode(bytes, None)
}

#[cfg(not(feature = "turbojpeg"))]
fn other_jpeg(_bytes: &[u8], why: Option<DecodeError>) -> Result<DecodedRegion, DecodeError> {
    Err(why.unwrap_or_else(|| DecodeError::new(DecodeReason::Unsupported, "arithmetic coding")))
}
