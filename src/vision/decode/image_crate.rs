//! The pure-Rust decoder of the `image` crate behind a check that the file is complete.

use image::ImageFormat;

use super::{Container, DecodeError, DecodeReason, Decoder, check_complete, check_size, dimensions};
use crate::vision::area::{Area, Part};
use crate::vision::window::Window;

/// Decodes whole frames, JPEG and PNG; grey, palette and transparent pictures come out as RGB.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageDecoder;

impl Decoder for ImageDecoder {
    fn decode(&mut self, bytes: &[u8], _window: Option<&Window>) -> Result<Part, DecodeError> {
        let container = check_complete(bytes)?;
        let (width, height) = dimensions(bytes)?;
        check_size(width, height)?;
        decode_complete(bytes, container)
    }

    fn decode_area(&mut self, bytes: &[u8], _area: &Area, reduction: u32) -> Result<Part, DecodeError> {
        match reduction {
            1 => self.decode(bytes, None),
            _ => Err(DecodeError::new(DecodeReason::Unsupported, "the decoder `image` does not reduce pictures")),
        }
    }
}

/// Decodes a file that is known to be complete and of a sane size.
pub(super) fn decode_complete(bytes: &[u8], container: Container) -> Result<Part, DecodeError> {
    let format = match container {
        Container::Jpeg => ImageFormat::Jpeg,
        Container::Png => ImageFormat::Png,
    };
    match image::load_from_memory_with_format(bytes, format) {
        Ok(picture) => Ok(Part::whole(picture.into_rgb8())),
        Err(error @ image::ImageError::Unsupported(_)) => {
            Err(DecodeError::new(DecodeReason::Unsupported, error.to_string()))
        }
        Err(error) => Err(DecodeError::new(DecodeReason::Corrupt, error.to_string())),
    }
}
