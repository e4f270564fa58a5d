//! COCO 2017: `annotations/instances_train2017.json` and `images/train2017/…` (or `train2017/…`).
//!
//! Every annotated object that is no crowd is a sequence of one frame, named by the annotation's id, as in the
//! reference. The file (450 MB) is read as a stream: outlines, which are nearly all of it, are skipped where they stand.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::catalog::{CheckedSequence, Subset};
use super::remarks::Remark;
use super::{Ask, FrameFiles, Layout, ScanContext, Sequence, split};
use crate::data::problems::Problems;
use crate::reads;
use crate::text::{self, TextError};
use crate::vision::rect::Rect;

pub(super) struct Coco;

#[derive(Deserialize)]
struct Instances {
    images: Vec<Option<Image>>,
    annotations: Vec<Option<Annotation>>,
}

#[derive(Deserialize)]
struct Image {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    file_name: Option<Box<str>>,
    #[serde(default)]
    width: Option<f64>,
    #[serde(default)]
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    id: Value,
    #[serde(default)]
    image_id: Value,
    #[serde(default = "nothing", deserialize_with = "object")]
    bbox: Result<[f32; 4], String>,
    #[serde(default)]
    iscrowd: Value,
}

/// A number that counts things, in whichever way it is written: `7`, `7.0`, `"7"`.
fn whole(value: &Value) -> Option<u64> {
    let float = |value: f64| (value >= 0.0 && value.fract() == 0.0 && value < 9e15).then_some(value as u64);
    value.as_u64().or_else(|| float(value.as_f64()?)).or_else(|| value.as_str()?.trim().parse().ok())
}

/// Whether an annotation is of a crowd: `1` or `true`.
fn is_crowd(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| whole(value).is_some_and(|crowd| crowd != 0))
}

fn nothing() -> Result<[f32; 4], String> {
    Err("it has no bbox".into())
}

/// A box, or why there is none: whatever stands there costs one annotation and not the file.
fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Result<[f32; 4], String>, D::Error> {
    let value = Value::deserialize(from)?;
    let numbers: Vec<Option<f64>> = value.as_array().into_iter().flatten().map(Value::as_f64).collect();
    Ok(match numbers[..] {
        [Some(x), Some(y), Some(w), Some(h)] => Ok([x, y, w, h].map(|number| number as f32)),
        _ => Err(format!("its box is {value}, not four numbers")),
    })
}

impl Layout for Coco {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["coco", "COCO", "coco2017", "COCO2017"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "coco_dir"
    }

    fn is_images(&self, _root: &Path) -> bool {
        true
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let path = ask.root.join("annotations/instances_train2017.json");
        let folder = pictures(ask.root, scan);
        scan.exists(&path);
        let instances = match read(&path) {
            Ok(instances) => instances,
            Err(what) => {
                scan.problems.file(&path, what);
                return Vec::new();
            }
        };
        let found = objects(instances, &folder, &path, scan);
        split::keep(ask, found, |found| &found.sequence.name, scan)
    }
}

/// The folder of the pictures: `images/train2017` as the reference wants it, or `train2017` as the archive unpacks.
fn pictures(root: &Path, scan: &mut ScanContext) -> PathBuf {
    let (usual, unpacked) = (root.join("images/train2017"), root.join("train2017"));
    if !scan.exists(&usual) && scan.exists(&unpacked) { unpacked } else { usual }
}

fn read(path: &Path) -> Result<Instances, String> {
    let remedy = "extract annotations_trainval2017.zip there";
    let _read = reads::begin(path);
    let open = || {
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}; {remedy}"))?;
        text::after_mark(BufReader::with_capacity(1 << 20, file)).map_err(|error| match error {
            TextError::Io(_) => format!("{error}; {remedy}"),
            error => error.to_string(),
        })
    };
    // A second look only where the first one fails, as it costs time.
    let found = match serde_json::from_reader(open()?) {
        Err(error) if error.is_syntax() => serde_json::from_reader(BufReader::new(Nulls::of(open()?))),
        found => found,
    };
    found.map_err(|error: serde_json::Error| match error.is_eof() {
        true => format!("is cut short: {}; extract the archive again", text::printable(&error.to_string())),
        false => format!("is no list of instances: {}; {remedy}", text::printable(&error.to_string())),
    })
}

/// JSON as Python writes it, whose `NaN` and `Infinity` no JSON has: read as `null`.
struct Nulls<R> {
    from: R,
    quoted: bool,
    escaped: bool,
    /// What is still to be given out.
    left: &'static [u8],
}

impl<R: BufRead> Nulls<R> {
    fn of(from: R) -> Self {
        Self { from, quoted: false, escaped: false, left: b"" }
    }

    fn next(&mut self) -> std::io::Result<Option<u8>> {
        if let Some((first, left)) = self.left.split_first() {
            self.left = left;
            return Ok(Some(*first));
        }
        let Some(&byte) = self.from.fill_buf()?.first() else { return Ok(None) };
        self.from.consume(1);
        if self.quoted {
            let ends = byte == b'"' && !self.escaped;
            (self.quoted, self.escaped) = (!ends, byte == b'\\' && !self.escaped);
            return Ok(Some(byte));
        }
        self.quoted = byte == b'"';
        let next = self.from.fill_buf()?.first().copied();
        if byte == b'N' || byte == b'I' || (byte == b'-' && next == Some(b'I')) {
            while self.from.fill_buf()?.first().is_some_and(u8::is_ascii_alphabetic) {
                self.from.consume(1);
            }
            self.left = b"ull";
            return Ok(Some(b'n'));
        }
        Ok(Some(byte))
    }
}

impl<R: BufRead> Read for Nulls<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        for (at, slot) in to.iter_mut().enumerate() {
            match self.next()? {
                Some(byte) => *slot = byte,
                None => return Ok(at),
            }
        }
        Ok(to.len())
    }
}

fn objects(instances: Instances, folder: &Path, path: &Path, scan: &mut ScanContext) -> Vec<CheckedSequence> {
    let folder: Arc<Path> = folder.into();
    let images = instances.images.into_iter().flatten();
    let images: HashMap<u64, Image> = images.filter_map(|image| Some((whole(&image.id)?, image))).collect();
    let (mut found, mut crowds) = (Vec::with_capacity(instances.annotations.len()), 0usize);
    let mut known = HashSet::with_capacity(instances.annotations.len());
    let mut bad = 0usize;
    for (at, annotation) in instances.annotations.into_iter().enumerate() {
        let Some(annotation) = annotation else {
            bad += 1;
            scan.remarks.add(Remark::Object, format!("the annotation at place {}: null", at + 1));
            continue;
        };
        if is_crowd(&annotation.iscrowd) {
            crowds += 1;
            continue;
        }
        let (id, of) = (whole(&annotation.id), &annotation.image_id);
        let checked = match (id, whole(of).and_then(|of| images.get(&of))) {
            (None, _) => Err("its id is no whole number".to_string()),
            (Some(id), _) if !known.insert(id) => Err("its id is that of an earlier one".into()),
            (Some(id), Some(image)) => match &image.file_name {
                Some(file) => {
                    annotation.bbox.and_then(|object| usable(object, image, file)).map(|object| (id, file, object))
                }
                None => Err(format!("its image {of} has no file_name")),
            },
            (_, None) => Err(format!("it is of image {of}, which is not listed")),
        };
        match checked {
            Ok((id, file, object)) => {
                let frames = FrameFiles::one(&folder, file);
                let sequence = Sequence::new(&id.to_string(), frames, vec![object], None);
                found.push(CheckedSequence { sequence, problems: Problems::default(), truth: None });
            }
            Err(what) => {
                bad += 1;
                let name =
                    if annotation.id.is_null() { format!("at place {}", at + 1) } else { annotation.id.to_string() };
                scan.remarks.add(Remark::Object, format!("annotation {name}: {what}"));
            }
        }
    }
    if found.is_empty() && bad > 0 {
        let what = scan.take_notes().join("; ");
        scan.problems.file(path, format_args!("no annotation can be used: {what}"));
    }
    if crowds > 0 {
        scan.notes.push(format!("{crowds} crowd annotations are not objects and were skipped"));
    }
    found
}

/// The box of an object that a crop can be taken around, or what is wrong with it.
fn usable([x, y, w, h]: [f32; 4], image: &Image, file: &str) -> Result<[f32; 4], String> {
    let display = format!("its box is {x},{y},{w},{h}");
    if ![x, y, w, h].iter().all(|value| value.is_finite()) {
        return Err(format!("{display}, which is no number"));
    }
    if w < 0.0 || h < 0.0 {
        return Err(format!("{display}, of negative size"));
    }
    if w == 0.0 || h == 0.0 {
        return Err(format!("{display}, without area"));
    }
    if let (Some(width), Some(height)) = (image.width, image.height) {
        let [x, y, w, h] = [x, y, w, h].map(f64::from);
        if width > 0.0 && height > 0.0 && !Rect::new(x, y, w, h).clipped(width, height).is_sane() {
            return Err(format!("{display}, outside the {width}x{height} picture `{}`", text::excerpt(file)));
        }
    }
    Ok([x, y, w, h])
}
