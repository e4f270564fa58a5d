//! Which sorts of pictures are decoded: what the header check passes, every decoder decodes.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use super::tests::{decoders, encoded, scene};
use super::*;
use crate::vision::area::{Area, DecodedRegion};

/// `jpeg` with bytes before its first scan header.
fn before_scan(jpeg: &[u8], put: &[u8]) -> Vec<u8> {
    let at = jpeg.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    [&jpeg[..at], put, &jpeg[at..]].concat()
}

/// `jpeg` turned by an Exif segment, or `png` by a chunk, before its picture data or behind them.
fn turned(bytes: &[u8], value: u16, behind: bool) -> Vec<u8> {
    let segment = orientation_segment(crate::vision::orientation::Orientation::of_exif(value));
    if bytes[0] == 0xFF {
        return if behind { before_scan(bytes, &segment) } else { [&bytes[..2], &segment, &bytes[2..]].concat() };
    }
    let chunk = [b"eXIf", &segment[10..]].concat();
    let length = (chunk.len() - 4) as u32;
    let sum = crc32fast::hash(&chunk);
    let kind: &[u8] = if behind { b"IEND" } else { b"IDAT" };
    let at = bytes.windows(4).position(|name| name == kind).unwrap() - 4;
    [&bytes[..at], &length.to_be_bytes(), &chunk, &sum.to_be_bytes(), &bytes[at..]].concat()
}

#[test]
fn turned_pictures_are_those_that_an_upright_file_of_the_same_pixels_turns_into() {
    for mut decoder in decoders() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let plain = encoded(format);
            let stored = decoder.decode(&plain, None).unwrap();
            for value in 1..=8 {
                let orientation = crate::vision::orientation::Orientation::of_exif(value);
                let expected = orientation.turn(stored.clone());
                for behind in [false, true] {
                    let bytes = turned(&plain, value, behind);
                    assert_eq!(dimensions(&bytes).unwrap(), expected.frame);
                    let whole = decoder.decode(&bytes, None).unwrap();
                    assert!(whole == expected, "{format:?} {value} {behind}");
                    for (x, y, side) in [(-3, 5, 20), (40, 30, 16), (90, 40, 30), (0, 0, 200), (300, 0, 4)] {
                        let window = Window { x, y, side, centre: (0.0, 0.0) };
                        let part = decoder.decode(&bytes, Some(&window)).unwrap();
                        assert_eq!(part.frame, expected.frame);
                        let crop = |part: &DecodedRegion| crate::vision::crop::crop(part, &window).unwrap();
                        assert!(crop(&part) == crop(&expected), "{format:?} {value} {window:?}");
                    }
                }
            }
        }
    }
}

#[cfg(feature = "turbojpeg")]
#[test]
fn a_reduced_area_is_of_the_turned_picture() {
    let plain = encoded(ImageFormat::Jpeg);
    let mut decoder = TurboDecoder::new().unwrap();
    for reduction in [2, 4, 8] {
        let stored = (97u32.div_ceil(reduction), 61u32.div_ceil(reduction));
        let whole = decoder.decode_area(&plain, &Area::whole(stored.0, stored.1), reduction).unwrap();
        for value in 1..=8 {
            let orientation = crate::vision::orientation::Orientation::of_exif(value);
            let expected = orientation.turn(whole.clone());
            let area = orientation.to_upright(&Area { x: 1, y: 2, width: 5, height: 4 }, stored);
            let part = decoder.decode_area(&turned(&plain, value, false), &area, reduction).unwrap();
            assert_eq!((part.frame, part.reduction), (expected.frame, reduction));
            assert!(part.area().contains(&area), "{value}");
            for (x, y) in
                (area.x..area.x + area.width).flat_map(|x| (area.y..area.y + area.height).map(move |y| (x, y)))
            {
                let pixel = part.pixels.get_pixel(x - part.origin.0, y - part.origin.1);
                assert_eq!(pixel, expected.pixels.get_pixel(x, y), "{value} at {x}, {y}");
            }
        }
    }
}

#[test]
fn bytes_between_segments_are_passed_over_and_counted() {
    for mut decoder in decoders() {
        let plain = encoded(ImageFormat::Jpeg);
        let expected = decoder.decode(&plain, None).unwrap();
        for (filler, count) in [(&b"\0\0\0"[..], 3), (b"text", 4), (b"\xFF\xFF\xFF", 0), (b"\x12\xFF\0\x34\xFF", 4)] {
            let bytes = before_scan(&plain, filler);
            let filled = [&bytes[..2], filler, &bytes[2..]].concat();
            assert_eq!(check_complete(&filled).unwrap().filler, 2 * count, "{filler:?}");
            assert!(decoder.decode(&filled, None).unwrap() == expected, "{filler:?}");
        }
    }
}

/// A JPEG file whose frame header has been changed.
fn with_frame(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = encoded(ImageFormat::Jpeg);
    let at = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    // From the marker on: FF C0, length, bits, height, width, components.
    change(&mut bytes[at..]);
    bytes
}

fn with_components(components: &[[u8; 3]]) -> Vec<u8> {
    let bytes = encoded(ImageFormat::Jpeg);
    let at = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
    let mut frame = bytes[at..at + 9].to_vec();
    frame[2..4].copy_from_slice(&(8 + 3 * components.len() as u16).to_be_bytes());
    frame.push(components.len() as u8);
    components.iter().for_each(|component| frame.extend(component));
    [&bytes[..at], &frame, &bytes[at + 2 + length..]].concat()
}

#[test]
fn what_is_not_decoded_is_told_by_the_header_alone() {
    let sof = |marker: u8| with_frame(|frame| frame[1] = marker);
    let cases = [
        (sof(0xC3), "lossless"),
        (sof(0xCB), "lossless"),
        (sof(0xC5), "hierarchical"),
        (sof(0xCE), "hierarchical"),
        (with_frame(|frame| frame[4] = 12), "12 bits a sample; save it with 8"),
        (with_frame(|frame| frame[5..9].fill(0xFF)), "65535×65535 pixels"),
        (with_frame(|frame| frame[5..9].copy_from_slice(&[0, 1, 0xFF, 0xFF])), "no side may be longer"),
        (with_frame(|frame| frame[5..7].fill(0)), "declares 97×0 pixels"),
        (with_components(&[[1, 0x11, 0]; 4]), "four components (CMYK)"),
        (with_components(&[[1, 0x11, 0]; 2]), "2 components"),
        (with_components(&[[1, 0x31, 0], [2, 0x21, 0], [3, 0x11, 0]]), "chroma sampled at a fraction"),
        (with_components(&[[1, 0x51, 0], [2, 0x11, 0], [3, 0x11, 0]]), "sampling factors outside"),
        (with_components(&[[1, 0x11, 3], [2, 0x11, 0], [3, 0x11, 0]]), "no quantisation table 3"),
        (with_components(&[[7, 0x11, 0], [8, 0x11, 0], [9, 0x11, 0]]), "a damaged scan header"),
    ];
    for (bytes, expected) in cases {
        let error = header(&bytes).unwrap_err();
        assert!(error.to_string().contains(expected), "{error} is not {expected}");
        for mut decoder in decoders() {
            assert_eq!(decoder.decode(&bytes, None).unwrap_err(), error);
        }
    }
}

#[test]
fn of_sixteen_bits_the_upper_eight_count() {
    let deep =
        image::ImageBuffer::from_fn(9, 5, |x, y| image::Rgb([0x1234u16 + 7000 * x as u16, 0x80FF, y as u16 * 255]));
    let expected = RgbImage::from_fn(9, 5, |x, y| image::Rgb(deep.get_pixel(x, y).0.map(|sample| (sample >> 8) as u8)));
    let mut bytes = Cursor::new(Vec::new());
    image::DynamicImage::ImageRgb16(deep).write_to(&mut bytes, ImageFormat::Png).unwrap();
    for mut decoder in decoders() {
        assert_eq!(decoder.decode(bytes.get_ref(), None).unwrap().pixels, expected);
    }
}

/// Every sampling that the header check passes, every depth and colour type of PNG, and progressive files.
#[test]
fn what_the_header_check_passes_is_decoded() {
    let mut pictures = Vec::new();
    for factor in [
        jpeg_encoder::SamplingFactor::F_1_1,
        jpeg_encoder::SamplingFactor::F_2_1,
        jpeg_encoder::SamplingFactor::F_1_2,
        jpeg_encoder::SamplingFactor::F_2_2,
        jpeg_encoder::SamplingFactor::F_4_1,
        jpeg_encoder::SamplingFactor::F_4_2,
        jpeg_encoder::SamplingFactor::F_1_4,
        jpeg_encoder::SamplingFactor::F_2_4,
    ] {
        for progressive in [false, true] {
            let mut bytes = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
            encoder.set_sampling_factor(factor);
            encoder.set_progressive(progressive);
            encoder.encode(scene(97, 61).as_raw(), 97, 61, jpeg_encoder::ColorType::Rgb).unwrap();
            pictures.push((format!("{factor:?} {progressive}"), bytes));
        }
    }
    let rgb = image::DynamicImage::ImageRgb8(scene(97, 61));
    let pngs = [
        image::DynamicImage::from(rgb.to_luma8()),
        rgb.to_luma_alpha8().into(),
        rgb.to_rgba8().into(),
        rgb.to_luma16().into(),
        rgb.to_luma_alpha16().into(),
        rgb.to_rgb16().into(),
        rgb.to_rgba16().into(),
    ];
    for picture in pngs {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        pictures.push((format!("{:?}", picture.color()), bytes.into_inner()));
    }
    for (name, bytes) in pictures {
        let size = header(&bytes).unwrap_or_else(|error| panic!("{name}: {error}")).size();
        let decoded: Vec<RgbImage> =
            decoders().iter_mut().map(|decoder| decoder.decode(&bytes, None).unwrap().pixels.clone()).collect();
        for pixels in decoded {
            assert_eq!(pixels.dimensions(), size, "{name}");
        }
    }
}
