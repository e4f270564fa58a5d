//! Everything that parses what others wrote. A target must not panic, hang, or take memory that its input does not call
//! for; errors are what it is expected to return. Shared by the coverage-guided fuzzer and a short test.

use std::{fs, path::Path};
use tempfile::TempDir;
use trackflow::{
    data::{dataset, labels},
    monitor::report::History,
    settings::{Diagnostics, Node},
    stages::KINDS,
    train::{checkpoint, experiment::Experiment},
    vision::{
        area::Area,
        decode::{self, DecoderKind},
        tiles,
        window::Window,
    },
    weights::{WeightsFile, pickle},
};

/// A parser, and inputs to begin with.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name; `fuzz/seeds/<name>/` has its first inputs.
    pub name: &'static str,
    /// Parses.
    pub run: fn(&Place, &[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "pickle", run: pickled },
    Target { name: "weights", run: weights },
    Target { name: "experiment", run: experiment },
    Target { name: "pipeline", run: pipeline },
    Target { name: "boxes", run: boxes },
    Target { name: "coco", run: coco },
    Target { name: "vid", run: vid },
    Target { name: "labels", run: condition_labels },
    Target { name: "pack", run: pack },
    Target { name: "picture", run: picture },
    Target { name: "tiling", run: tiling },
    Target { name: "run_log", run: run_log },
];

/// The target called `name`.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}

/// A folder for inputs that are files.
pub struct Place(TempDir);

impl Place {
    /// An empty folder, in memory where the system has such a place.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        Self(if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder"))
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        path.parent().map(fs::create_dir_all).transpose().and_then(|_| fs::write(&path, bytes)).expect("a file");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn pickled(_: &Place, bytes: &[u8]) {
    let _ = pickle::parse(bytes);
}

fn weights(place: &Place, bytes: &[u8]) {
    place.write("weights", bytes);
    let path = place.path().join("weights");
    if let Ok(file) = WeightsFile::open(&path) {
        // What an entry says of its size must be true before that much memory is taken.
        file.entries().iter().for_each(|entry| drop(file.load(entry)));
        let _ = checkpoint::read(&path);
    }
}

fn experiment(_: &Place, bytes: &[u8]) {
    if let Some(node) = yaml(bytes) {
        let diagnostics = Diagnostics::new();
        let _ = Experiment::draft(&diagnostics, &node);
        let _ = diagnostics.finish();
    }
}

fn pipeline(_: &Place, bytes: &[u8]) {
    if let Some(node) = yaml(bytes) {
        let _ = trackflow::flow::compile(&Diagnostics::new(), &node, &KINDS);
    }
}

fn yaml(bytes: &[u8]) -> Option<Node> {
    Node::parse("x.yaml", std::str::from_utf8(bytes).ok()?).ok()
}

/// Boxes and flags as text: the first byte chooses a layout, the next a file beside the boxes, a zero byte parts the two.
fn boxes(place: &Place, bytes: &[u8]) {
    let [layout, which, rest @ ..] = bytes else { return };
    let mut parts = rest.splitn(2, |byte| *byte == 0);
    let (boxes, flags) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (name, sequence, truth, frames, beside): (_, _, _, fn(usize) -> String, &[&str]) = match layout % 4 {
        0 => {
            let beside = &["absence.label", "cover.label", "meta_info.ini", "../list.txt"];
            ("GOT10K_train_full", "got10k/train/a", "groundtruth.txt", |i| format!("{:08}.jpg", i + 1), beside)
        }
        1 => {
            let beside = &["full_occlusion.txt", "out_of_view.txt", "nlp.txt", "../../testing_set.txt"];
            ("LASOT", "lasot/cat/cat-1", "groundtruth.txt", |i| format!("img/{:08}.jpg", i + 1), beside)
        }
        2 => ("OTB", "OTB100/David", "groundtruth_rect.txt", |i| format!("img/{:04}.jpg", i + 1), &["attrs.txt"]),
        _ => {
            let beside = &["../../anno/y.txt"];
            ("TRACKINGNET", "trackingnet/TRAIN_0/frames/x", "../../anno/x.txt", |i| format!("{i}.jpg"), beside)
        }
    };
    let _ = fs::remove_dir_all(place.path().join(sequence.split('/').next().unwrap_or_default()));
    (0..4).for_each(|frame| place.write(&format!("{sequence}/{}", frames(frame)), b""));
    place.write(&format!("{sequence}/{truth}"), boxes);
    place.write(&format!("{sequence}/{}", beside[usize::from(*which) % beside.len()]), flags);
    load(name, place);
}

fn load(name: &str, place: &Place) -> Vec<dataset::Dataset> {
    dataset::load(&[name.to_string()], &dataset::Roots::below(place.path())).unwrap_or_default()
}

fn coco(place: &Place, bytes: &[u8]) {
    place.write("coco/annotations/instances_train2017.json", bytes);
    load("COCO17", place);
}

fn vid(place: &Place, bytes: &[u8]) {
    let sequence = "ILSVRC2015_VID_train_0000/ILSVRC2015_train_00001000";
    place.write(&format!("vid/Annotations/VID/train/{sequence}/000000.xml"), bytes);
    place.write(&format!("vid/Data/VID/train/{sequence}/000000.JPEG"), b"");
    load("VID", place);
}

fn condition_labels(place: &Place, bytes: &[u8]) {
    let sequence = "got10k/train/a";
    (1..=3).for_each(|frame| place.write(&format!("{sequence}/{frame:08}.jpg"), b""));
    place.write(&format!("{sequence}/groundtruth.txt"), b"1,2,30,40\n2,3,30,40\n3,4,30,40\n");
    place.write("labels/a/a.jsonl", bytes);
    let mut sets = load("GOT10K_train_full", place);
    let _ = labels::attach(&mut sets, &place.path().join("labels"));
}

/// A packed set: summary, index and shard, parted by zero bytes (the shard may have more of them).
fn pack(place: &Place, bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    for name in ["pack.json", "shard-000000.jsonl", "shard-000000.tar"] {
        place.write(&format!("set/{name}"), parts.next().unwrap_or_default());
    }
    let name = format!("packed:{}", place.path().join("set").display());
    for set in load(&name, place) {
        for sequence in &set.sequences {
            for frame in 0..sequence.len().min(8) {
                let _ = sequence.file(frame).read();
            }
        }
    }
}

/// A picture file, of which a window is decoded: place and side come from the first bytes.
fn picture(_: &Place, bytes: &[u8]) {
    let [x, y, side, file @ ..] = bytes else { return };
    let small = |byte: &u8| f64::from(*byte) * 4.0 - 200.0;
    let window =
        Window { x: small(x) as i64, y: small(y) as i64, side: u32::from(*side) * 3 + 1, centre: (small(x), small(y)) };
    // A header that declares a large picture rightly costs as much memory as that.
    if decode::dimensions(file).is_ok_and(|(width, height)| u64::from(width) * u64::from(height) > 1 << 22) {
        return;
    }
    let _ = decode::check_complete(file);
    if let Ok(mut decoder) = DecoderKind::best().decoder() {
        let whole = decoder.decode(file, None);
        let part = decoder.decode(file, Some(&window));
        // A window of a picture that can be decoded whole can be decoded.
        assert!(whole.is_err() || part.is_ok(), "{:?}", part.err());
    }
}

/// JPEG files in tiles.
fn tiling(_: &Place, bytes: &[u8]) {
    let tiled = tiles::list_tiles(bytes);
    let (file, head) = match &tiled {
        Ok((file, head)) => (file.as_slice(), *head),
        Err(_) => (bytes, bytes.len()),
    };
    let Ok(tiling) = tiles::Tiling::parse(&file[..head]) else { return };
    let region = tiling.region(&Area { x: 0, y: 0, width: 1, height: 1 });
    let (from, end) = (region.bytes.start as usize, region.bytes.end as usize);
    if let Some(data) = file.get(from..end) {
        let _ = tiling.cut(&region, data);
    }
}

fn run_log(place: &Place, bytes: &[u8]) {
    place.write("run.jsonl", bytes);
    let _ = History::read(place.path());
}
