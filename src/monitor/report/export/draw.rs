//! Pictures as files: SVG as they are, PNG drawn from them.

use super::Picture;
use crate::{
    atomic_file::write_atomic,
    failure::{Failure, Result},
};
use resvg::{tiny_skia, usvg};
use std::{io::Write as _, path::Path, sync::Arc};

/// Pixels of a PNG for a pixel of the page.
const SCALE: f32 = 3.0;

/// Writes the pictures into `folder` as SVG and PNG, and returns how many there are.
///
/// # Errors
/// 74 when a file cannot be written.
pub fn write(pictures: &[Picture], folder: &Path) -> Result<usize> {
    let failed = |error: std::io::Error| {
        Failure::output(format!("{}: {error}; name another folder with --png", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    let fonts = Arc::new(fonts);
    for picture in pictures {
        put(&folder.join(format!("{}.svg", picture.name)), picture.svg.as_bytes())?;
        put(&folder.join(format!("{}.png", picture.name)), &png(&picture.svg, &fonts)?)?;
    }
    Ok(pictures.len())
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |file| file.write_all(bytes).map_err(|error| Failure::output(error.to_string()))).map(drop)
}

fn png(svg: &str, fonts: &Arc<usvg::fontdb::Database>) -> Result<Vec<u8>> {
    let broken = |what: &dyn std::fmt::Display| Failure::stage(format!("a picture of the report: {what}"));
    let options = usvg::Options { fontdb: Arc::clone(fonts), font_family: "DejaVu Sans".into(), ..Default::default() };
    let tree = usvg::Tree::from_str(svg, &options).map_err(|error| broken(&error))?;
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or_else(|| broken(&"has no size"))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| broken(&"is too large"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| broken(&error))
}
