use std::path::{Path, PathBuf};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

use super::*;
use crate::vision::{area::Area, golden::Noise};

/// A picture to be encoded: blocks, slopes and noise, so that every coefficient is used.
fn pixels(width: u32, height: u32, channels: u32, seed: u64) -> Vec<u8> {
    let mut noise = Noise::new(seed);
    let value = |x: u32, y: u32, c: u32| {
        (x * (3 + c) + y * 2) as u8 / 2 + if (x / 7 + y / 5 + c).is_multiple_of(3) { 90 } else { 0 }
    };
    let mut out = Vec::new();
    for y in 0..height {
        for x in 0..width {
            out.extend((0..channels).map(|c| value(x, y, c).saturating_add(noise.byte() / 8)));
        }
    }
    out
}

#[derive(Clone, Copy, Debug)]
struct Format {
    sampling: Option<SamplingFactor>,
    progressive: bool,
    restart: u16,
    quality: u8,
}

fn encode((width, height): (u16, u16), format: Format, seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, format.quality);
    encoder.set_progressive(format.progressive);
    if format.restart > 0 {
        encoder.set_restart_interval(format.restart);
    }
    let (channels, colour) = match format.sampling {
        Some(sampling) => {
            encoder.set_sampling_factor(sampling);
            (3, ColorType::Rgb)
        }
        None => (1, ColorType::Luma),
    };
    encoder.encode(&pixels(width.into(), height.into(), channels, seed), width, height, colour).unwrap();
    bytes
}

fn whole(jpeg: &mut Decompressor, bytes: &[u8]) -> (Header, Vec<u8>) {
    let opened = jpeg.open(bytes).unwrap();
    let header = *opened.header();
    let mut pixels = Vec::new();
    let area = opened.read(Area::whole(header.width, header.height), &mut pixels).unwrap();
    assert_eq!(area, Area::whole(header.width, header.height));
    (header, pixels)
}

/// Compares `area`, decoded alone, with the same pixels of a full decode.
fn compare(jpeg: &mut Decompressor, bytes: &[u8], area: Area, full: &[u8], width: u32) -> Result<(), String> {
    let mut pixels = Vec::new();
    let got = jpeg.open(bytes).unwrap().read(area, &mut pixels).map_err(|error| error.to_string())?;
    if !got.contains(&area) || pixels.len() != got.width as usize * got.height as usize * 3 {
        return Err(format!("asked for {area:?}, got {got:?} and {} bytes", pixels.len()));
    }
    for y in area.y..area.y + area.height {
        let row = |pixels: &[u8], x: u32, y: u32, stride: u32| {
            let from = (y as usize * stride as usize + x as usize) * 3;
            pixels[from..from + area.width as usize * 3].to_vec()
        };
        if row(&pixels, area.x - got.x, y - got.y, got.width) != row(full, area.x, y, width) {
            return Err(format!("row {y} of {area:?} differs"));
        }
    }
    Ok(())
}

fn formats() -> impl Strategy<Value = Format> {
    let sampling = prop_oneof![
        Just(None),
        Just(Some(SamplingFactor::F_1_1)),
        Just(Some(SamplingFactor::F_2_1)),
        Just(Some(SamplingFactor::F_1_2)),
        Just(Some(SamplingFactor::F_2_2)),
        Just(Some(SamplingFactor::F_4_1)),
        Just(Some(SamplingFactor::F_4_2)),
        Just(Some(SamplingFactor::F_1_4)),
        Just(Some(SamplingFactor::F_2_4)),
    ];
    let restart = prop_oneof![3 => Just(0u16), 1 => 1u16..20];
    (sampling, any::<bool>(), restart, 20u8..100).prop_map(|(sampling, progressive, restart, quality)| Format {
        sampling,
        progressive,
        restart,
        quality,
    })
}

proptest! {
    #[test]
    fn a_window_equals_the_same_pixels_of_a_full_decode(
        format in formats(),
        size in (1u16..220, 1u16..160),
        seed in any::<u64>(),
        corners in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64, 0.0..1.0f64), 6),
    ) {
        let bytes = encode(size, format, seed);
        let mut jpeg = Decompressor::new().unwrap();
        let (header, full) = whole(&mut jpeg, &bytes);
        prop_assert_eq!((header.width, header.height), (size.0.into(), size.1.into()));
        prop_assert_eq!(header.components, if format.sampling.is_some() { 3 } else { 1 });
        for (x, y, width, height) in corners {
            let span = |from: f64, length: f64, of: u32| {
                let first = (from * f64::from(of)) as u32;
                (first, 1 + (length * f64::from(of - first - 1)).round() as u32)
            };
            let ((x, width), (y, height)) = (span(x, width, header.width), span(y, height, header.height));
            let area = Area { x, y, width, height };
            if let Err(message) = compare(&mut jpeg, &bytes, area, &full, header.width) {
                return Err(TestCaseError::fail(message));
            }
        }
    }
}

/// All JPEG files below the folder of real sequences, when it is at hand.
fn real_frames() -> Vec<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let mut folders = vec![std::env::var_os("TRACKFLOW_DATA").map_or_else(default, PathBuf::from)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "jpg") {
                files.push(entry);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn windows_of_real_frames_equal_those_of_full_decodes() {
    let files = real_frames();
    if files.is_empty() {
        eprintln!("SKIPPED: no real frames at hand");
    }
    let mut jpeg = Decompressor::new().unwrap();
    let mut noise = Noise::new(7);
    // Neighbouring frames of a sequence are alike.
    for file in files.iter().step_by(9) {
        let bytes = std::fs::read(file).unwrap();
        let (header, full) = whole(&mut jpeg, &bytes);
        for _ in 0..4 {
            let mut span = |of: u32| {
                let first = of * u32::from(noise.byte()) / 256;
                (first, 1 + (of - first - 1) * u32::from(noise.byte()) / 255)
            };
            let ((x, width), (y, height)) = (span(header.width), span(header.height));
            let area = Area { x, y, width, height };
            compare(&mut jpeg, &bytes, area, &full, header.width).unwrap_or_else(|m| panic!("{}: {m}", file.display()));
        }
    }
}

const PLAIN: Format = Format { sampling: Some(SamplingFactor::F_2_2), progressive: false, restart: 0, quality: 80 };

#[test]
fn the_header_says_how_the_picture_is_coded() {
    let mut jpeg = Decompressor::new().unwrap();
    let header = *jpeg.open(&encode((100, 60), Format { restart: 7, ..PLAIN }, 1)).unwrap().header();
    let expected =
        Header { width: 100, height: 60, components: 3, mcu: (16, 16), restart_interval: Some(7), progressive: false };
    assert_eq!(header, expected);
    let grey = Format { sampling: None, progressive: true, ..PLAIN };
    let header = *jpeg.open(&encode((9, 9), grey, 1)).unwrap().header();
    assert_eq!((header.components, header.mcu, header.progressive, header.restart_interval), (1, (8, 8), true, None));
}

#[test]
fn cmyk_is_refused_with_a_remedy_and_the_decoder_lives_on() {
    let mut bytes = Vec::new();
    let pixels = pixels(32, 32, 4, 3);
    Encoder::new(&mut bytes, 90).encode(&pixels, 32, 32, ColorType::Cmyk).unwrap();
    let mut jpeg = Decompressor::new().unwrap();
    let error = jpeg.open(&bytes).unwrap_err();
    assert_eq!(error.kind, JpegErrorKind::Unsupported);
    insta::assert_snapshot!(error, @"CMYK colours; save it as RGB");
    whole(&mut jpeg, &encode((40, 40), PLAIN, 2));
}

#[test]
fn an_area_outside_the_picture_is_a_misuse() {
    let bytes = encode((40, 30), PLAIN, 2);
    let mut jpeg = Decompressor::new().unwrap();
    for (x, y, width, height) in [(0, 0, 0, 5), (0, 0, 41, 5), (40, 0, 1, 1), (0, 29, 1, 2), (5, 5, u32::MAX, 1)] {
        let area = Area { x, y, width, height };
        let error = jpeg.open(&bytes).unwrap().read(area, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind, JpegErrorKind::Misuse, "{area:?}");
    }
    whole(&mut jpeg, &bytes);
}

#[test]
fn damage_is_an_error_or_leaves_a_picture_of_the_right_size_and_never_a_crash() {
    let mut jpeg = Decompressor::new().unwrap();
    let mut noise = Noise::new(11);
    let (mut refused, rounds) = (0, 3000);
    for round in 0..rounds {
        let format = Format { progressive: round % 3 == 0, restart: (round % 4) as u16, ..PLAIN };
        let mut bytes = encode((90, 70), format, round % 5);
        for _ in 0..=round % 3 {
            let at = (usize::from(noise.byte()) << 8 | usize::from(noise.byte())) % bytes.len();
            bytes[at] = noise.byte();
        }
        let mut pixels = Vec::new();
        match jpeg.open(&bytes).and_then(|opened| {
            let header = *opened.header();
            let area = Area { x: header.width / 2, y: header.height / 2, width: 1, height: 1 };
            opened.read(area, &mut pixels)
        }) {
            Ok(area) => assert_eq!(pixels.len(), area.width as usize * area.height as usize * 3),
            Err(error) => {
                refused += 1;
                assert!(!error.message.is_empty());
                assert!(!matches!(error.kind, JpegErrorKind::Misuse | JpegErrorKind::Memory), "{error:?}");
            }
        }
    }
    assert!(refused > rounds / 5, "{refused} of {rounds} refused");
}

#[test]
fn entropy_coded_data_that_end_early_are_an_error() {
    let bytes = encode((200, 200), PLAIN, 4);
    // The end-of-image marker right after a third of the data: a file that is complete by its structure.
    let mut short = bytes[..bytes.len() / 3].to_vec();
    if short.last() == Some(&0xFF) {
        short.pop();
    }
    short.extend([0xFF, 0xD9]);
    let mut jpeg = Decompressor::new().unwrap();
    let error = jpeg.open(&short).unwrap().read(Area::whole(200, 200), &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind, JpegErrorKind::Corrupt);
    assert!(error.message.contains("premature end"), "{error}");
    // What comes before the damage is there.
    let top = Area { x: 0, y: 0, width: 200, height: 16 };
    assert!(jpeg.open(&short).unwrap().read(top, &mut Vec::new()).is_ok());
}
