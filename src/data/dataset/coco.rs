//! COCO 2017: `annotations/instances_train2017.json` and `images/train2017/…` (or `train2017/…`).
//!
//! Every annotated object that is no crowd is a sequence of one frame, named by the annotation's id, as in the
//! reference. The file (450 MB) is read as a stream: outlines, which are nearly all of it, are skipped where they stand.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::catalog::{Found, Part};
use super::{Ask, FrameFiles, Inquiry, Layout, Sequence, split};
use crate::data::problems::Problems;
use crate::text::{self, TextError};

pub(super) struct Coco;

#[derive(Deserialize)]
struct Instances {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: Box<str>,
}

#[derive(Deserialize)]
struct Annotation {
    id: u64,
    image_id: u64,
    bbox: [f32; 4],
    #[serde(default)]
    iscrowd: u8,
}

impl Layout for Coco {
    fn folders(&self, _part: Part) -> &'static [&'static str] {
        &["coco", "COCO", "coco2017", "COCO2017"]
    }

    fn key(&self, _part: Part) -> &'static str {
        "coco_dir"
    }

    fn is_images(&self, _root: &Path) -> bool {
        true
    }

    fn sequences(&self, ask: &Ask<'_>, inquiry: &mut Inquiry) -> Vec<Found> {
        let path = ask.root.join("annotations/instances_train2017.json");
        let folder = pictures(ask.root, inquiry);
        inquiry.exists(&path);
        let instances = match read(&path) {
            Ok(instances) => instances,
            Err(what) => {
                inquiry.problems.file(&path, what);
                return Vec::new();
            }
        };
        let found = objects(instances, &folder, &path, inquiry);
        split::keep(ask, found, |found| &found.sequence.name, inquiry)
    }
}

/// The folder of the pictures: `images/train2017` as the reference wants it, or `train2017` as the archive unpacks.
fn pictures(root: &Path, inquiry: &mut Inquiry) -> PathBuf {
    let (usual, unpacked) = (root.join("images/train2017"), root.join("train2017"));
    if !inquiry.exists(&usual) && inquiry.exists(&unpacked) { unpacked } else { usual }
}

fn read(path: &Path) -> Result<Instances, String> {
    let remedy = "extract annotations_trainval2017.zip there again";
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}; {remedy}"))?;
    let stream = text::after_mark(BufReader::with_capacity(1 << 20, file)).map_err(|error| match error {
        TextError::Io(_) => format!("{error}; {remedy}"),
        error => error.to_string(),
    })?;
    serde_json::from_reader(stream)
        .map_err(|error| format!("is no list of instances: {}; {remedy}", text::printable(&error.to_string())))
}

fn objects(instances: Instances, folder: &Path, path: &Path, inquiry: &mut Inquiry) -> Vec<Found> {
    let folder: Arc<Path> = folder.into();
    let files: HashMap<u64, Box<str>> = instances.images.into_iter().map(|image| (image.id, image.file_name)).collect();
    let (mut found, mut crowds) = (Vec::with_capacity(instances.annotations.len()), 0usize);
    for annotation in instances.annotations {
        if annotation.iscrowd != 0 {
            crowds += 1;
            continue;
        }
        let Some(name) = files.get(&annotation.image_id) else {
            let what = format!("annotation {} is of image {}, which is not", annotation.id, annotation.image_id);
            inquiry.problems.file(path, format_args!("{what} listed; extract the archive again"));
            continue;
        };
        let frames = FrameFiles::one(&folder, name);
        let sequence = Sequence::new(&annotation.id.to_string(), frames, vec![annotation.bbox], None);
        found.push(Found { sequence, problems: Problems::default() });
    }
    if crowds > 0 {
        inquiry.notes.push(format!("{crowds} crowds are no objects and left out"));
    }
    found
}
