//! Reading a frame: of a tiled file only the tiles that a window needs.

use std::io::ErrorKind;

use crate::data::attempts::FrameFault;
use crate::data::dataset::{FrameFile, Member};
use crate::vision::area::{Area, Part};
use crate::vision::crop::shown;
use crate::vision::decode::{DecodeError, Decoder, check_complete};
use crate::vision::pool;
use crate::vision::tiles::Tiling;
use crate::vision::window::Window;

/// At least what `window` shows of the frame in `file`; all of it without one.
///
/// # Errors
/// The file cannot be read, or is no whole picture.
pub fn read(file: &FrameFile, decoder: &mut dyn Decoder, window: Option<&Window>) -> Result<Part, FrameFault> {
    match (&file.member, window) {
        (Some(Member { place, .. }), Some(window)) if place.head > 0 => tiles(file, place.head, decoder, window),
        _ => {
            let bytes = file.read().map_err(|error| unreadable(file, &error))?;
            // Damage inside the picture data shows in some windows and not in others.
            let is_of_file = |_: &DecodeError| window.is_none() || check_complete(&bytes).is_err();
            let part = decoder.decode(&bytes, window).map_err(|error| broken(file, &error, is_of_file(&error)));
            pool::give(bytes);
            part
        }
    }
}

fn tiles(file: &FrameFile, head: u32, decoder: &mut dyn Decoder, window: &Window) -> Result<Part, FrameFault> {
    let head = file.read_range(0..u64::from(head)).map_err(|error| unreadable(file, &error))?;
    let tiling = Tiling::parse(&head).map_err(|error| broken(file, &error, true))?;
    pool::give(head);
    let Some(area) = shown(window, tiling.frame) else { return Ok(Part::nothing(tiling.frame)) };
    let region = tiling.region(&area);
    let bytes = file.read_range(region.bytes.clone()).map_err(|error| unreadable(file, &error))?;
    let inner = Area { x: area.x - region.area.x, y: area.y - region.area.y, ..area };
    let cut = tiling.cut(&region, &bytes).and_then(|cut| {
        let part = decoder.decode_area(&cut, &inner);
        pool::give(cut);
        part
    });
    pool::give(bytes);
    let mut part = cut.map_err(|error| broken(file, &error, file.read().is_err()))?;
    part.origin = (part.origin.0 + region.area.x, part.origin.1 + region.area.y);
    part.frame = tiling.frame;
    Ok(part)
}

fn unreadable(file: &FrameFile, error: &std::io::Error) -> FrameFault {
    let (file, detail) = (file.path.clone(), error.to_string());
    let reason = if error.kind() == ErrorKind::InvalidData { "corrupt" } else { "unreadable" };
    FrameFault { file, reason, detail, is_of_file: true }
}

fn broken(file: &FrameFile, error: &DecodeError, is_of_file: bool) -> FrameFault {
    let (file, detail) = (file.path.clone(), error.detail.clone());
    FrameFault { file, reason: error.reason.name(), detail, is_of_file }
}
