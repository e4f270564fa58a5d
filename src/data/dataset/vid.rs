//! ImageNet VID: `Data/VID/train/<set>/<video>/000000.JPEG, …` and `Annotations/VID/train/<set>/<video>/000000.xml, …`.
//!
//! A sequence is a track: an object from its first frame to the last before its first gap, as in the reference. Where
//! the annotations are not there but the reference's own `cache.json` is, that is read instead.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;

use super::catalog::{CheckedSequence, Subset};
use super::{Ask, FrameFiles, Layout, ScanContext, Sequence, split};
use crate::text::excerpt;

pub(super) struct Vid;

const REMEDY: &str = "put the file from ILSVRC2015_VID.tar.gz there";

impl Layout for Vid {
    fn folders(&self, _part: Subset) -> &'static [&'static str] {
        &["vid", "VID", "ILSVRC2015", "imagenet_vid"]
    }

    fn key(&self, _part: Subset) -> &'static str {
        "imagenet_dir"
    }

    fn sequences(&self, ask: &Ask<'_>, scan: &mut ScanContext) -> Vec<CheckedSequence> {
        let annotations = ask.root.join("Annotations/VID/train");
        let cache = ask.root.join("cache.json");
        let found = if !scan.exists(&annotations) && scan.exists(&cache) {
            from_cache(ask.root, &cache, scan)
        } else {
            let mut videos = Vec::new();
            for set in scan.folders(&annotations) {
                let names = scan.folders(&annotations.join(&set));
                videos.extend(names.into_iter().map(|name| format!("{set}/{name}")));
            }
            let read: Vec<(Vec<CheckedSequence>, ScanContext)> = videos
                .par_iter()
                .map(|video| {
                    let mut own = ScanContext::default();
                    let frames = ask.root.join("Data/VID/train").join(video);
                    (tracks(&annotations.join(video), &frames, &mut own), own)
                })
                .collect();
            let mut all = Vec::new();
            for (found, own) in read {
                all.extend(found);
                scan.join(own);
            }
            all
        };
        split::keep(ask, found, |found| &found.sequence.name, scan)
    }
}

/// One object in one frame.
struct ObjectInFrame {
    track: String,
    object: [f32; 4],
    occluded: bool,
}

/// A track as it grows.
struct Track {
    first: usize,
    boxes: Vec<[f32; 4]>,
    visible: Vec<bool>,
}

fn tracks(annotations: &Path, frames: &Path, own: &mut ScanContext) -> Vec<CheckedSequence> {
    let video = annotations.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let files: Vec<String> = own.files(annotations).into_iter().filter(|name| name.ends_with(".xml")).collect();
    let mut tracks: BTreeMap<(usize, String), Track> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = annotations.join(file);
        let Some(text) = own.text(&path) else { continue };
        let seen = match parse(&text) {
            Ok(seen) => seen,
            Err(what) => {
                own.problems.file(&path, format_args!("{what}; {REMEDY}"));
                continue;
            }
        };
        for ObjectInFrame { track, object, occluded } in seen {
            let rank = order.iter().position(|known| *known == track).unwrap_or_else(|| {
                order.push(track.clone());
                order.len() - 1
            });
            let entry = tracks.entry((rank, track)).or_insert_with(|| Track {
                first: index,
                boxes: Vec::new(),
                visible: Vec::new(),
            });
            // What comes after a gap belongs to no sequence.
            if entry.first + entry.boxes.len() == index {
                entry.boxes.push(object);
                entry.visible.push(!occluded);
            }
        }
    }
    let pictures: Vec<String> = files.iter().map(|name| format!("{}.JPEG", name.trim_end_matches(".xml"))).collect();
    let all = FrameFiles::listed(frames, pictures);
    let make = |((_, id), track): ((usize, String), Track)| {
        let files = all.slice(track.first, track.first + track.boxes.len());
        let sequence = Sequence::new(&format!("{video}.{id}"), files, track.boxes, Some(track.visible));
        CheckedSequence { sequence, problems: Default::default(), truth: None }
    };
    tracks.into_iter().map(make).collect()
}

/// The objects of one annotation file.
fn parse(text: &str) -> Result<Vec<ObjectInFrame>, String> {
    let document =
        roxmltree::Document::parse(text).map_err(|error| format!("is not XML: {}", excerpt(error.to_string())))?;
    let mut seen: Vec<ObjectInFrame> = Vec::new();
    for object in document.descendants().filter(|node| node.has_tag_name("object")) {
        let field = |name: &str| {
            let node = object.descendants().find(|node| node.has_tag_name(name));
            node.and_then(|node| node.text()).map(str::trim).ok_or_else(|| format!("an object has no {name}"))
        };
        let number = |name: &str| {
            let text = field(name)?;
            text.parse::<f32>().map_err(|_| format!("{name} is `{}`, no number", excerpt(text)))
        };
        let track = field("trackid")?.to_owned();
        let (x1, y1, x2, y2) = (number("xmin")?, number("ymin")?, number("xmax")?, number("ymax")?);
        let occluded = field("occluded")? != "0";
        if !seen.iter().any(|other| other.track == track) {
            seen.push(ObjectInFrame { track, object: [x1, y1, x2 - x1, y2 - y1], occluded });
        }
    }
    Ok(seen)
}

/// A sequence of the reference's `cache.json`.
#[derive(Deserialize)]
struct Cached {
    set_id: u32,
    vid_id: u32,
    start_frame: usize,
    anno: Vec<[f32; 4]>,
    target_visible: Vec<bool>,
}

fn from_cache(root: &Path, path: &Path, scan: &mut ScanContext) -> Vec<CheckedSequence> {
    let Some(text) = scan.text(path) else { return Vec::new() };
    let cached: Vec<Cached> = match serde_json::from_str(&text) {
        Ok(cached) => cached,
        Err(error) => {
            scan.problems.file(
                path,
                format_args!("is not the reference's list of tracks: {}; {REMEDY}", excerpt(error.to_string())),
            );
            return Vec::new();
        }
    };
    let make = |(number, track): (usize, Cached)| {
        let set = format!("ILSVRC2015_VID_train_{:04}", track.set_id);
        let video = format!("ILSVRC2015_train_{:08}", track.vid_id);
        let folder = root.join("Data/VID/train").join(set).join(&video);
        let last = track.start_frame + track.anno.len();
        let names = (track.start_frame..last).map(|frame| format!("{frame:06}.JPEG")).collect();
        let files = FrameFiles::listed(&folder, names);
        let name = format!("{video}.{number}");
        let sequence = Sequence::new(&name, files, track.anno, Some(track.target_visible));
        CheckedSequence { sequence, problems: Default::default(), truth: None }
    };
    cached.into_iter().enumerate().map(make).collect()
}
