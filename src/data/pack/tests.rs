use std::path::Path;

use image::RgbImage;

use super::*;
use crate::data::dataset::{self, Dataset, Roots};
use crate::data::frame;
use crate::data::random::CounterRng;
use crate::vision::decode::{DecoderKind, orientation_segment};
use crate::vision::orientation::Orientation;
use crate::vision::rect::Rect;
use crate::vision::resample::{ExactBilinear, Resampler};
use crate::vision::window::Window;

const TILED: How = How::Lossless { tile: 2 };

/// A GOT-10k training set of three sequences with frames that differ everywhere.
fn source(root: &Path) {
    let train = root.join("got10k/train");
    let mut list = String::new();
    for (number, name) in ["GOT-10k_Train_000001", "GOT-10k_Train_000002", "GOT-10k_Train_000003"].iter().enumerate() {
        let folder = train.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let (mut boxes, mut absence, mut cover) = (String::new(), String::new(), String::new());
        for frame in 1..=4u32 {
            let mut rng = CounterRng::new(&[number as u64, u64::from(frame)]);
            let mut byte = || rng.bits() as u8;
            let picture = RgbImage::from_fn(320, 200, |x, y| image::Rgb([x as u8, y as u8, byte() / 8]));
            let path = folder.join(format!("{frame:08}.jpg"));
            picture.save(&path).unwrap();
            // All orientations, but for the first sequence.
            let turned = [1, 4 + frame as u16, frame as u16][number];
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.splice(2..2, orientation_segment(Orientation::of_exif(turned)));
            std::fs::write(&path, bytes).unwrap();
            boxes += &format!("{},60,100,80\n", 40 * frame);
            absence += if frame == 3 { "1\n" } else { "0\n" };
            cover += "8\n";
        }
        std::fs::write(folder.join("groundtruth.txt"), boxes).unwrap();
        std::fs::write(folder.join("absence.label"), absence).unwrap();
        std::fs::write(folder.join("cover.label"), cover).unwrap();
        list += &format!("{name}\n");
    }
    std::fs::write(train.join("list.txt"), list).unwrap();
}

fn scan(root: &Path) -> Scan {
    dataset::scan("GOT10K_train_full", &Roots::below(root)).unwrap()
}

fn load(name: &str, root: &Path) -> Result<Dataset> {
    dataset::load(&[name.to_owned()], &Roots::below(root)).map(|mut sets| sets.remove(0))
}

fn packed(root: &Path, how: &How) -> Packed {
    pack(&scan(root), &root.join("packed/GOT10K_train_full"), how, 1, |_| ()).unwrap()
}

/// All shards' bytes.
fn shards(root: &Path, packed: &Packed) -> Vec<Vec<u8>> {
    let folder = root.join("packed/GOT10K_train_full");
    packed.summary.shards.iter().map(|shard| std::fs::read(folder.join(&shard.file)).unwrap()).collect()
}

#[test]
fn a_packed_set_gives_the_same_crops() {
    let root = tempfile::tempdir().unwrap();
    source(root.path());
    let packed = packed(root.path(), &TILED);
    assert_eq!((packed.summary.shards.len(), packed.kept), (3, 0));
    let original = load("GOT10K_train_full", root.path()).unwrap();
    let set = load("packed:packed/GOT10K_train_full", root.path()).unwrap();
    let mut decoder = DecoderKind::best().decoder().unwrap();
    let mut resampler = ExactBilinear::default();
    let mut rng = CounterRng::new(&[9]);
    for (from, to) in original.sequences.iter().zip(&set.sequences) {
        assert_eq!((&from.name, from.boxes(), from.visible()), (&to.name, to.boxes(), to.visible()));
        for frame in 0..from.len() {
            let object = from.object(frame);
            let shifted = Rect::new(object.x + rng.range(-60.0, 60.0), object.y, object.w, object.h);
            let window = Window::around(&shifted, rng.range(0.5, 3.0)).unwrap();
            let mut crop = |file, reduction| {
                let part = frame::read(&file, decoder.as_mut(), Some(&window), reduction).unwrap();
                resampler.crop(&part, &window.reduced(reduction), 64).unwrap()
            };
            for reduction in [1, 2, 8] {
                let (unpacked, packed) = (crop(from.file(frame), reduction), crop(to.file(frame), reduction));
                assert!(unpacked == packed, "{} {frame} at 1/{reduction}", from.name);
                if DecoderKind::best() == DecoderKind::Image {
                    break;
                }
            }
        }
    }
    // Where the files themselves are gone, the experiment's name finds the shards.
    std::fs::remove_dir_all(root.path().join("got10k")).unwrap();
    assert_eq!(load("GOT10K_train_full", root.path()).unwrap().frames(), 12);
}

#[test]
fn members_are_what_tar_programs_find() {
    let root = tempfile::tempdir().unwrap();
    source(root.path());
    let packed = packed(root.path(), &TILED);
    let set = load("packed:packed/GOT10K_train_full", root.path()).unwrap();
    for (shard, sequence) in shards(root.path(), &packed).iter().zip(&set.sequences) {
        let mut archive = tar::Archive::new(shard.as_slice());
        for (frame, entry) in archive.entries().unwrap().enumerate() {
            let mut entry = entry.unwrap();
            assert!(sequence.path(frame).ends_with(entry.path().unwrap()));
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            assert_eq!(bytes, sequence.file(frame).read().unwrap());
        }
    }
}

#[test]
fn packing_goes_on_where_it_was_interrupted_and_mends_a_torn_shard() {
    let root = tempfile::tempdir().unwrap();
    source(root.path());
    let first = packed(root.path(), &TILED);
    let before = shards(root.path(), &first);
    let folder = root.path().join("packed/GOT10K_train_full");
    // As after a power cut: the second shard is short, the third was never begun.
    let torn = folder.join("shard-000001.tar");
    std::fs::write(&torn, &before[1][..before[1].len() / 2]).unwrap();
    let failure = load("packed:packed/GOT10K_train_full", root.path()).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 66);
    assert!(
        failure.message.contains("shard-000001.tar: has ") && failure.message.contains("a torn shard"),
        "{failure}"
    );
    std::fs::remove_file(folder.join("shard-000002.tar")).unwrap();
    std::fs::rename(folder.join(SUMMARY), folder.join(UNFINISHED)).unwrap();
    let failure = load("packed:packed/GOT10K_train_full", root.path()).unwrap_err();
    assert!(failure.message.contains("packing was not finished"), "{failure}");
    let again = packed(root.path(), &TILED);
    assert_eq!((again.kept, shards(root.path(), &again)), (1, before));
    // Another way of packing does not mix with it.
    let other = pack(&scan(root.path()), &folder, &How::Lossless { tile: 5 }, 1, |_| ()).unwrap_err();
    assert_eq!(other.kind.exit_code(), 78);
}

#[test]
fn a_flipped_bit_is_found_and_broken_frames_stop_packing() {
    let root = tempfile::tempdir().unwrap();
    source(root.path());
    let packed = packed(root.path(), &TILED);
    let folder = root.path().join("packed/GOT10K_train_full");
    let mut bytes = shards(root.path(), &packed).remove(0);
    bytes[9000] ^= 4;
    std::fs::write(folder.join("shard-000000.tar"), bytes).unwrap();
    let set = load("packed:packed/GOT10K_train_full", root.path()).unwrap();
    let errors = (0..4).filter(|&frame| set.sequences[0].file(frame).read().is_err()).count();
    assert_eq!(errors, 1);

    let frame = root.path().join("got10k/train/GOT-10k_Train_000002/00000002.jpg");
    let whole = std::fs::read(&frame).unwrap();
    std::fs::write(&frame, &whole[..whole.len() / 2]).unwrap();
    let out = root.path().join("other");
    let failure = pack(&scan(root.path()), &out, &TILED, 1, |_| ()).unwrap_err();
    assert_eq!(failure.kind.exit_code(), 66);
    assert!(failure.message.contains("00000002.jpg: truncated"), "{failure}");
    assert!(!out.join("shard-000001.tar").exists() && !out.join("shard-000001.tar.tmp").exists());
}

#[cfg(feature = "turbojpeg")]
#[test]
fn reduced_frames_are_alike_from_files_and_shards_and_near_the_exact_crop() {
    let root = tempfile::tempdir().unwrap();
    source(root.path());
    packed(root.path(), &TILED);
    let original = load("GOT10K_train_full", root.path()).unwrap();
    let set = load("packed:packed/GOT10K_train_full", root.path()).unwrap();
    let mut decoder = DecoderKind::best().decoder().unwrap();
    let mut resampler = ExactBilinear::default();
    for (object, size) in [(Rect::new(90.0, 60.0, 100.0, 80.0), 40), (Rect::new(250.0, 130.0, 120.0, 90.0), 30)] {
        let window = Window::around(&object, 1.5).unwrap();
        let by = window.reduction(size);
        assert!(by >= 2 && window.side / by >= size && window.side / (2 * by) < size, "{by}");
        let mut crop = |file: &crate::data::dataset::FrameFile, by: u32| {
            let part = frame::read(file, decoder.as_mut(), Some(&window), by).unwrap();
            assert_eq!(part.reduction, by);
            resampler.crop(&part, &window.reduced(by), size).unwrap()
        };
        let (from, to) = (original.sequences[1].file(2), set.sequences[1].file(2));
        let (exact, files, shards) = (crop(&from, 1), crop(&from, by), crop(&to, by));
        assert_eq!(files, shards);
        let error: f64 = exact.iter().zip(files.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        assert!(error / (exact.len() as f64) < 12.0, "{}", error / exact.len() as f64);
    }
}

#[cfg(feature = "turbojpeg")]
#[test]
fn scaled_frames_keep_objects_in_their_boxes() {
    let root = tempfile::tempdir().unwrap();
    source(root.path());
    let how = How::Scaled { tile: 2, quality: 95, object: 40.0 };
    let packed = packed(root.path(), &how);
    assert_eq!(packed.loss.scaled, 12);
    assert!(packed.loss.psnr().unwrap() > 35.0, "{:?}", packed.loss.psnr());
    let original = load("GOT10K_train_full", root.path()).unwrap();
    let set = load("packed:packed/GOT10K_train_full", root.path()).unwrap();
    let (from, to) = (original.sequences[0].object(1), set.sequences[0].object(1));
    assert!((to.area().sqrt() - 40.0).abs() < 0.5, "{to:?}");
    assert!((to.x / from.x - to.w / from.w).abs() < 1e-6);
    // The same place of the scene has the same colours.
    let mut decoder = DecoderKind::best().decoder().unwrap();
    let mut resampler = ExactBilinear::default();
    let mut crop = |file, object: &Rect| {
        let window = Window::around(object, 2.0).unwrap();
        let part = frame::read(&file, decoder.as_mut(), Some(&window), 1).unwrap();
        resampler.crop(&part, &window, 32).unwrap()
    };
    let (a, b) = (crop(original.sequences[0].file(1), &from), crop(set.sequences[0].file(1), &to));
    let middle = |crop: &RgbImage| crop.get_pixel(16, 16).0.map(f64::from);
    for (a, b) in middle(&a).iter().zip(middle(&b)) {
        assert!((a - b).abs() < 12.0, "{a} and {b}");
    }
}
