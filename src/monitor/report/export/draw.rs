//! Pictures as files: SVG as they are, PNG and PDF drawn from them.

use super::{Picture, pdf::pdf};
use crate::{
    atomic_file::write_atomic,
    failure::{Failure, Result},
};
use resvg::{tiny_skia, usvg};
use std::{io::Write as _, path::Path, sync::Arc};

/// Pixels of a PNG for one of 1/96 inch: 400 for an inch.
const SCALE: f32 = 400.0 / 96.0;

/// The font that comes with the program.
fn fonts() -> Arc<usvg::fontdb::Database> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
}

/// Writes the pictures into `folder` as SVG, PDF and PNG, and returns how many there are.
///
/// # Errors
/// 74 when a file cannot be written.
pub fn write(pictures: &[Picture], folder: &Path) -> Result<usize> {
    let failed = |error: std::io::Error| {
        Failure::output(format!("{}: {error}; name another folder with --png", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let fonts = fonts();
    for picture in pictures {
        for form in ["svg", "pdf", "png"] {
            put(&folder.join(format!("{}.{form}", picture.name)), &drawn(picture, form, &fonts)?)?;
        }
    }
    Ok(pictures.len())
}

/// Writes one picture to `path`, in the form of its ending: `.svg`, `.pdf` or `.png`.
///
/// # Errors
/// 64 for another ending, 74 when it cannot be written.
pub fn write_one(picture: &Picture, path: &Path) -> Result<()> {
    let form = super::form(path)?;
    put(path, &drawn(picture, form, &fonts())?)
}

fn drawn(picture: &Picture, form: &str, fonts: &Arc<usvg::fontdb::Database>) -> Result<Vec<u8>> {
    match form {
        "svg" => Ok(picture.svg.clone().into_bytes()),
        "pdf" => pdf(&tree(&picture.svg, fonts)?),
        _ => png(&tree(&picture.svg, fonts)?),
    }
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |file| file.write_all(bytes).map_err(|error| Failure::output(error.to_string()))).map(drop)
}

fn broken(what: &dyn std::fmt::Display) -> Failure {
    Failure::stage(format!("a picture of the report: {what}"))
}

fn tree(svg: &str, fonts: &Arc<usvg::fontdb::Database>) -> Result<usvg::Tree> {
    let options = usvg::Options { fontdb: Arc::clone(fonts), font_family: "DejaVu Sans".into(), ..Default::default() };
    usvg::Tree::from_str(svg, &options).map_err(|error| broken(&error))
}

fn png(tree: &usvg::Tree) -> Result<Vec<u8>> {
    let size = tree.size().to_int_size().scale_by(SCALE).ok_or_else(|| broken(&"has no size"))?;
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height()).ok_or_else(|| broken(&"is too large"))?;
    resvg::render(tree, tiny_skia::Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| broken(&error))
}
