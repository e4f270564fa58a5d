//! Reading a frame: of a tiled file only the tiles that a window needs.

use std::io::ErrorKind;

use crate::data::dataset::{FrameFile, Member};
use crate::data::outage;
use crate::data::retry::{FrameFault, Origin};
use crate::vision::area::{Area, DecodedRegion};
use crate::vision::crop::visible_area;
use crate::vision::decode::{Container, DecodeError, Decoder, check_complete, header};
use crate::vision::pool;
use crate::vision::tiles::Tiling;
use crate::vision::window::Window;

/// At least what `window` shows of the frame in `file`; all of it without one. With a `reduction` above 1 (2, 4 or 8) a
/// JPEG file is decoded at that fraction of its size; the part says so.
///
/// # Errors
/// The file cannot be read, or is no whole picture.
pub fn read(
    file: &FrameFile,
    decoder: &mut dyn Decoder,
    window: Option<&Window>,
    reduction: u32,
) -> Result<DecodedRegion, FrameFault> {
    match (&file.member, window) {
        (Some(Member { location, .. }), Some(window)) if location.head > 0 => {
            tiles(file, location.head, decoder, window, reduction)
        }
        _ => {
            let bytes = file.read().map_err(|error| unreadable(file, &error))?;
            // Damage inside the picture data shows in some windows and not in others.
            let is_of_file = |_: &DecodeError| window.is_none() || check_complete(&bytes).is_err();
            let decoded = match window {
                Some(window) if reduction > 1 => reduced(&bytes, decoder, window, reduction),
                _ => decoder.decode(&bytes, window),
            };
            let part = decoded.map_err(|error| broken(file, &error, is_of_file(&error)));
            pool::give(bytes);
            part
        }
    }
}

/// Whether `window` shows anything of the frame of which `part` is.
///
/// # Errors
/// It does not, and the crop would be black.
pub fn check_visible(file: &FrameFile, window: &Window, part: &DecodedRegion) -> Result<(), FrameFault> {
    if window.reduced(part.reduction).overlaps(part.frame.0, part.frame.1) {
        return Ok(());
    }
    let (file, detail) = (file.path.clone(), "the object's box lies outside the frame".into());
    Err(FrameFault { file, reason: "outside", detail, is_of_file: false, origin: Origin::File })
}

/// What `window` shows, at 1/`reduction` of its size where the format has that.
fn reduced(
    bytes: &[u8],
    decoder: &mut dyn Decoder,
    window: &Window,
    reduction: u32,
) -> Result<DecodedRegion, DecodeError> {
    let header = check_complete(bytes)?;
    if header.container != Container::Jpeg {
        return decoder.decode(bytes, Some(window));
    }
    let (width, height) = header.size();
    let frame = (width.div_ceil(reduction), height.div_ceil(reduction));
    match visible_area(&window.reduced(reduction), frame) {
        Some(area) => decoder.decode_area(bytes, &area, reduction),
        None => Ok(DecodedRegion::nothing(frame, reduction)),
    }
}

fn tiles(
    file: &FrameFile,
    head: u32,
    decoder: &mut dyn Decoder,
    window: &Window,
    reduction: u32,
) -> Result<DecodedRegion, FrameFault> {
    let head = file.read_range(0..u64::from(head)).map_err(|error| unreadable(file, &error))?;
    let tiling = Tiling::parse(&head).map_err(|error| broken(file, &error, true))?;
    let orientation = header(&head).map_err(|error| broken(file, &error, true))?.orientation;
    pool::give(head);
    let stored = (tiling.frame.0.div_ceil(reduction), tiling.frame.1.div_ceil(reduction));
    let frame = orientation.size(stored);
    let nothing = DecodedRegion::nothing(frame, reduction);
    let Some(area) = visible_area(&window.reduced(reduction), frame) else { return Ok(nothing) };
    let wanted = orientation.to_stored(&area, stored);
    let region = tiling.region(&Area {
        x: wanted.x * reduction,
        y: wanted.y * reduction,
        width: (wanted.width * reduction).min(tiling.frame.0 - wanted.x * reduction),
        height: (wanted.height * reduction).min(tiling.frame.1 - wanted.y * reduction),
    });
    let bytes = file.read_range(region.bytes.clone()).map_err(|error| unreadable(file, &error))?;
    // Tiles begin at whole multiples of eight pixels, and the file of some of them is turned as the whole file is.
    let decoded = Area {
        x: region.area.x / reduction,
        y: region.area.y / reduction,
        width: region.area.width.div_ceil(reduction),
        height: region.area.height.div_ceil(reduction),
    };
    let decoded = orientation.to_upright(&decoded, stored);
    let origin = (decoded.x, decoded.y);
    let inner = Area { x: area.x - origin.0, y: area.y - origin.1, ..area };
    let cut = tiling.cut(&region, &bytes).and_then(|cut| {
        let part = decoder.decode_area(&cut, &inner, reduction);
        pool::give(cut);
        part
    });
    pool::give(bytes);
    let mut part = cut.map_err(|error| broken(file, &error, file.read().is_err()))?;
    part.origin = (part.origin.0 + origin.0, part.origin.1 + origin.1);
    part.frame = frame;
    Ok(part)
}

fn unreadable(file: &FrameFile, error: &std::io::Error) -> FrameFault {
    let (file, detail) = (file.path.clone(), error.to_string());
    let reason = if error.kind() == ErrorKind::InvalidData { "corrupt" } else { "unreadable" };
    FrameFault { file, reason, detail, is_of_file: true, origin: outage::origin(error) }
}

fn broken(file: &FrameFile, error: &DecodeError, is_of_file: bool) -> FrameFault {
    let (file, detail) = (file.path.clone(), error.detail.clone());
    FrameFault { file, reason: error.reason.name(), detail, is_of_file, origin: Origin::File }
}
