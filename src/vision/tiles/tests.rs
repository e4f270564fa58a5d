use image::RgbImage;
use proptest::prelude::*;

use super::*;
use crate::vision::decode::{Decoder, ImageDecoder, TurboDecoder};
use crate::vision::golden::Noise;
use crate::vision::jpeg::{Decompressor, encode, with_restarts};

/// A picture with edges and noise, so that every block has something to it.
fn picture(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut noise = Noise::new(seed);
    RgbImage::from_fn(width, height, |x, y| {
        let wave = ((x / 7 + y / 5) % 2 * 120) as u8;
        image::Rgb([wave + noise.byte() / 4, noise.byte() / 2, (x * 3 + y) as u8])
    })
}

fn original(width: u32, height: u32, seed: u64, sampling: jpeg_encoder::SamplingFactor, progressive: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 85);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    let picture = picture(width, height, seed);
    encoder.encode(picture.as_raw(), width as u16, height as u16, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

/// The file in tiles of about `wanted` units, and the length of its head.
fn tiled(bytes: &[u8], wanted: u32) -> (Vec<u8>, usize) {
    let mut jpeg = Decompressor::new().unwrap();
    let header = *jpeg.open(bytes).unwrap().header();
    let units = interval(header.width.div_ceil(header.mcu.0), wanted).unwrap();
    list_tiles(&with_restarts(bytes, units).unwrap()).unwrap()
}

fn part(pixels: &RgbImage, area: &Area) -> RgbImage {
    image::imageops::crop_imm(pixels, area.x, area.y, area.width, area.height).to_image()
}

#[test]
fn tiles_are_as_wide_as_the_row_allows() {
    assert_eq!(interval(120, 8), Some(8));
    assert_eq!(interval(80, 7), Some(8));
    assert_eq!(interval(54, 8), Some(9));
    // Of a prime number of units nothing but all fits.
    assert_eq!(interval(59, 8), Some(59));
    assert_eq!((interval(1, 8), interval(0, 8)), (Some(1), None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_window_of_tiles_equals_that_of_the_original(
        width in 20u32..300, height in 20u32..200, seed in 0u64..1000, wanted in 1u32..9, kind in 0usize..4,
        progressive: bool, place in prop::array::uniform4(0.0f64..1.0),
    ) {
        use jpeg_encoder::SamplingFactor::{F_1_1, F_2_1, F_2_2, F_4_1};
        let bytes = original(width, height, seed, [F_2_2, F_1_1, F_2_1, F_4_1][kind], progressive);
        let mut decoder = TurboDecoder::new().unwrap();
        let whole = decoder.decode(&bytes, None).unwrap().pixels.clone();
        let (file, length) = tiled(&bytes, wanted);
        // Every decoder reads all of it, and gets the same.
        prop_assert_eq!(&decoder.decode(&file, None).unwrap().pixels, &whole);

        let tiling = Tiling::parse(&file[..length]).unwrap();
        prop_assert_eq!((tiling.frame, tiling.file_length()), ((width, height), file.len() as u64));
        let span = |from: f64, share: f64, all: u32| {
            let from = (from * f64::from(all)) as u32;
            (from, ((share * f64::from(all - from)) as u32).max(1))
        };
        let ((x, w), (y, h)) = (span(place[0], place[1], width), span(place[2], place[3], height));
        let area = Area { x, y, width: w, height: h };
        let region = tiling.region(&area);
        prop_assert!(region.area.contains(&area));
        let cut = tiling.cut(&region, &file[region.bytes.start as usize..region.bytes.end as usize]).unwrap();
        let inner = Area { x: x - region.area.x, y: y - region.area.y, ..area };
        let decoded = decoder.decode_area(&cut, &inner, 1).unwrap();
        let (dx, dy) = decoded.origin;
        let got = part(&decoded.pixels, &Area { x: inner.x - dx, y: inner.y - dy, ..area });
        prop_assert_eq!(got, part(&whole, &area));

        // The pure decoder, which has its own rounding, agrees with itself in the same way.
        let other = ImageDecoder.decode(&bytes, None).unwrap().pixels.clone();
        let cut = ImageDecoder.decode_area(&cut, &inner, 1).unwrap();
        prop_assert_eq!(part(&cut.pixels, &inner), part(&other, &area));
    }

    #[test]
    fn a_damaged_head_is_an_error_and_nothing_else(at in 0usize..1000, value: u8, cut in 0usize..1000) {
        let (file, length) = tiled(&original(90, 70, 3, jpeg_encoder::SamplingFactor::F_2_2, false), 2);
        let mut head = file[..length].to_vec();
        let at = at % length;
        head[at] = value;
        if let Ok(tiling) = Tiling::parse(&head) {
            let region = tiling.region(&Area { x: 0, y: 0, width: 1, height: 1 });
            let bytes = region.bytes.start as usize..(region.bytes.end as usize).min(file.len());
            let _ = tiling.cut(&region, file.get(bytes).unwrap_or_default());
        }
        prop_assert!(Tiling::parse(&file[..cut % length]).is_err());
    }
}

#[test]
fn grey_pictures_and_compressed_pixels_have_tiles_too() {
    let mut bytes = Vec::new();
    let grey: Vec<u8> = picture(100, 60, 1).pixels().map(|pixel| pixel.0[0]).collect();
    jpeg_encoder::Encoder::new(&mut bytes, 90).encode(&grey, 100, 60, jpeg_encoder::ColorType::Luma).unwrap();
    let (file, length) = tiled(&bytes, 4);
    assert_eq!(Tiling::parse(&file[..length]).unwrap().frame, (100, 60));
    let mut decoder = TurboDecoder::new().unwrap();
    assert_eq!(decoder.decode(&file, None).unwrap(), decoder.decode(&bytes, None).unwrap());

    // Smooth in colour, as chroma is kept at half size.
    let pixels = RgbImage::from_fn(128, 64, |x, y| image::Rgb([2 * x as u8, 3 * y as u8, 90]));
    let (file, _) = list_tiles(&encode(&pixels, 90, 4).unwrap()).unwrap();
    let back = decoder.decode(&file, None).unwrap().pixels.clone();
    let error: f64 = back.iter().zip(pixels.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    assert!(error / (back.len() as f64) < 2.0, "{error}");
    assert!(encode(&RgbImage::new(0, 0), 90, 4).is_err());
}

#[test]
fn what_is_no_picture_is_refused() {
    assert!(with_restarts(b"", 4).is_err() && with_restarts(b"\xFF\xD8\xFF\xD9", 4).is_err());
    let bytes = original(64, 64, 5, jpeg_encoder::SamplingFactor::F_2_2, false);
    assert!(with_restarts(&bytes[..bytes.len() / 2], 4).is_err());
    assert!(list_tiles(&bytes).is_err(), "a file without restart markers");
}
