use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, RgbImage};

use super::*;

/// Every decoder that this program was built with.
pub(super) fn decoders() -> Vec<Box<dyn Decoder>> {
    let built = [DecoderKind::Image, DecoderKind::Turbojpeg].into_iter().filter(|kind| kind.is_built());
    built.map(|kind| kind.decoder().unwrap()).collect()
}

pub(super) fn scene(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 3) as u8, (y * 5) as u8, ((x * y) >> 3) as u8]))
}

pub(super) fn encoded(format: ImageFormat) -> Vec<u8> {
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
    for mut decoder in decoders() {
        let png = decoder.decode(&encoded(ImageFormat::Png), None).unwrap();
        assert_eq!(png, DecodedRegion::whole(scene(97, 61)));
        let jpeg = decoder.decode(&encoded(ImageFormat::Jpeg), None).unwrap();
        assert_eq!((jpeg.frame, jpeg.pixels.dimensions(), jpeg.origin), ((97, 61), (97, 61), (0, 0)));
        for frame in real_frames() {
            let picture = decoder.decode(&frame, None).unwrap();
            assert_eq!(picture.pixels.dimensions(), dimensions(&frame).unwrap());
        }
    }
}

#[test]
fn a_picture_cut_anywhere_is_an_error() {
    // In its last row, and in none.
    let windows = [
        None,
        Some(Window { x: 10, y: 10, side: 5, centre: (12.0, 12.0) }),
        Some(Window { x: -90, y: 0, side: 5, centre: (0.0, 0.0) }),
    ];
    for mut decoder in decoders() {
        for bytes in [encoded(ImageFormat::Jpeg), encoded(ImageFormat::Png)] {
            for (keep, window) in (0..bytes.len()).zip(windows.iter().cycle()) {
                let error = decoder.decode(&bytes[..keep], window.as_ref()).unwrap_err();
                let expected = if keep == 0 { DecodeReason::Empty } else { DecodeReason::Truncated };
                assert_eq!(error.reason, expected, "{keep} of {} bytes: {error}", bytes.len());
            }
        }
        for frame in real_frames() {
            for part in 1..200 {
                let keep = frame.len() * part / 200;
                let error = decoder.decode(&frame[..keep], None).unwrap_err();
                assert_eq!(error.reason, DecodeReason::Truncated);
            }
        }
    }
}

#[test]
fn a_torn_tail_of_zeros_is_an_error_but_garbage_after_the_end_is_not() {
    for mut decoder in decoders() {
        for bytes in real_frames().into_iter().chain([encoded(ImageFormat::Jpeg), encoded(ImageFormat::Png)]) {
            let mut torn = bytes.clone();
            let half = torn.len() / 2;
            torn[half..].fill(0);
            assert!(decoder.decode(&torn, None).is_err());
            let mut longer = bytes.clone();
            longer.extend([0, 0, 0, 7, 0xFF, 0x13]);
            assert_eq!(decoder.decode(&longer, None).unwrap(), decoder.decode(&bytes, None).unwrap());
        }
    }
}

#[test]
fn a_page_that_was_never_written_is_an_error() {
    let mut noise = crate::vision::golden::Noise::new(2);
    let picture = RgbImage::from_fn(160, 160, |_, _| image::Rgb([noise.byte(), noise.byte(), noise.byte()]));
    for mut decoder in decoders() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let mut bytes = Cursor::new(Vec::new());
            picture.write_to(&mut bytes, format).unwrap();
            let mut bytes = bytes.into_inner();
            assert!(decoder.decode(&bytes, None).is_ok());
            bytes[2 * 4096..3 * 4096].fill(0);
            assert_eq!(decoder.decode(&bytes, None).unwrap_err().reason, DecodeReason::Corrupt, "{format:?}");
        }
    }
}

#[test]
fn grey_pictures_become_rgb() {
    let grey = image::GrayImage::from_fn(16, 16, |x, _| image::Luma([(x * 16) as u8]));
    for mut decoder in decoders() {
        for (format, tolerance) in [(ImageFormat::Png, 0), (ImageFormat::Jpeg, 8)] {
            let mut bytes = Cursor::new(Vec::new());
            grey.write_to(&mut bytes, format).unwrap();
            let [r, g, b] = decoder.decode(&bytes.into_inner(), None).unwrap().pixels.get_pixel(3, 3).0;
            assert!(r == g && g == b && r.abs_diff(48) <= tolerance, "{r} {g} {b}");
        }
    }
}

#[test]
fn a_window_beside_the_frame_needs_no_pixel() {
    let beside = Window { x: 97, y: 0, side: 9, centre: (101.0, 4.0) };
    for mut decoder in decoders() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let part = decoder.decode(&encoded(format), Some(&beside)).unwrap();
            assert_eq!(part.frame, (97, 61));
            assert!(crate::vision::crop::crop(&part, &beside).unwrap().pixels().all(|pixel| pixel.0 == [0; 3]));
        }
    }
}
