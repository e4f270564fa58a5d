//! The pure-Rust decoder of the `image` crate behind a check that the file is complete.

use image::{ImageFormat, RgbImage};

use super::{Container, DecodeError, DecodeReason, Decoder, check_complete, dimensions};

/// More pixels than any video frame has; a header that declares more is damaged.
const MAX_PIXELS: u64 = 1 << 27;

/// Decodes JPEG and PNG; grey, palette and transparent pictures come out as RGB.
#[derive(Clone, Copy, Debug, Default)]
pub struct StrictDecoder;

impl Decoder for StrictDecoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<RgbImage, DecodeError> {
        let format = match check_complete(bytes)? {
            Container::Jpeg => ImageFormat::Jpeg,
            Container::Png => ImageFormat::Png,
        };
        let (width, height) = dimensions(bytes)?;
        if u64::from(width) * u64::from(height) > MAX_PIXELS || width == 0 || height == 0 {
            return Err(DecodeError::new(DecodeReason::Corrupt, format!("declares {width}×{height} pixels")));
        }
        match image::load_from_memory_with_format(bytes, format) {
            Ok(picture) => Ok(picture.into_rgb8()),
            Err(error @ image::ImageError::Unsupported(_)) => {
                Err(DecodeError::new(DecodeReason::Unsupported, error.to_string()))
            }
            Err(error) => Err(DecodeError::new(DecodeReason::Corrupt, error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use super::*;

    fn scene(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 3) as u8, (y * 5) as u8, ((x * y) >> 3) as u8]))
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        scene(97, 61).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn real_frames() -> Vec<Vec<u8>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
        let found: Vec<_> = ["got10k/train/Bike/00000001.jpg", "otb/Car4/img/0001.jpg"]
            .iter()
            .filter_map(|path| std::fs::read(root.join(path)).ok())
            .collect();
        if found.is_empty() {
            eprintln!("SKIPPED: no real frames under {}", root.display());
        }
        found
    }

    #[test]
    fn whole_pictures_decode() {
        let png = StrictDecoder.decode(&encoded(ImageFormat::Png)).unwrap();
        assert_eq!(png, scene(97, 61));
        let jpeg = StrictDecoder.decode(&encoded(ImageFormat::Jpeg)).unwrap();
        assert_eq!(jpeg.dimensions(), (97, 61));
        for frame in real_frames() {
            let picture = StrictDecoder.decode(&frame).unwrap();
            assert_eq!(picture.dimensions(), dimensions(&frame).unwrap());
        }
    }

    #[test]
    fn a_picture_cut_anywhere_is_an_error() {
        for bytes in [encoded(ImageFormat::Jpeg), encoded(ImageFormat::Png)] {
            for keep in 0..bytes.len() {
                let error = StrictDecoder.decode(&bytes[..keep]).unwrap_err();
                let expected = if keep == 0 { DecodeReason::Empty } else { DecodeReason::Truncated };
                assert_eq!(error.reason, expected, "{keep} of {} bytes: {error}", bytes.len());
            }
        }
        for frame in real_frames() {
            for part in 1..200 {
                let keep = frame.len() * part / 200;
                assert_eq!(StrictDecoder.decode(&frame[..keep]).unwrap_err().reason, DecodeReason::Truncated);
            }
        }
    }

    #[test]
    fn a_torn_tail_of_zeros_is_an_error_but_garbage_after_the_end_is_not() {
        for bytes in real_frames().into_iter().chain([encoded(ImageFormat::Jpeg), encoded(ImageFormat::Png)]) {
            let mut torn = bytes.clone();
            let half = torn.len() / 2;
            torn[half..].fill(0);
            assert!(StrictDecoder.decode(&torn).is_err());
            let mut longer = bytes.clone();
            longer.extend([0, 0, 0, 7, 0xFF, 0x13]);
            assert_eq!(StrictDecoder.decode(&longer).unwrap(), StrictDecoder.decode(&bytes).unwrap());
        }
    }

    #[test]
    fn a_page_that_was_never_written_is_an_error() {
        let mut noise = crate::vision::golden::Noise::new(2);
        let picture = RgbImage::from_fn(160, 160, |_, _| image::Rgb([noise.byte(), noise.byte(), noise.byte()]));
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let mut bytes = Cursor::new(Vec::new());
            picture.write_to(&mut bytes, format).unwrap();
            let mut bytes = bytes.into_inner();
            assert!(StrictDecoder.decode(&bytes).is_ok());
            bytes[2 * 4096..3 * 4096].fill(0);
            assert_eq!(StrictDecoder.decode(&bytes).unwrap_err().reason, DecodeReason::Corrupt, "{format:?}");
        }
    }

    #[test]
    fn grey_pictures_become_rgb() {
        let grey = image::GrayImage::from_fn(16, 16, |x, _| image::Luma([(x * 16) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        grey.write_to(&mut bytes, ImageFormat::Png).unwrap();
        let picture = StrictDecoder.decode(&bytes.into_inner()).unwrap();
        assert_eq!(picture.get_pixel(3, 3), &image::Rgb([48, 48, 48]));
    }
}
