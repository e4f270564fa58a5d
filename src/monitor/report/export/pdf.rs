//! A picture as a PDF page of its size, for papers: vectors, with text as the outlines of its font, so that nothing has
//! to be embedded and every reader shows the same.

use crate::failure::{Failure, Result};
use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::{
    Content, Filter, Finish, Name, Pdf, Rect, Ref,
    types::{LineCapStyle, LineJoinStyle},
};
use resvg::{
    tiny_skia::{PathSegment, Point, Transform},
    usvg,
};
use std::{collections::BTreeMap, io::Write};

/// Points of a pixel, as CSS has it.
const POINTS: f32 = 0.75;

/// What a page refers to.
struct Page {
    content: Content,
    /// Opacities of fills and strokes in thousandths, by their number.
    opacities: BTreeMap<[u16; 2], usize>,
    /// JPEG files with their sizes.
    images: Vec<(Vec<u8>, [u32; 2])>,
}

/// The PDF of `tree`.
///
/// # Errors
/// It holds something that the pictures of reports do not have: gradients, masks, filters, images other than JPEG.
pub(super) fn pdf(tree: &usvg::Tree) -> Result<Vec<u8>> {
    let (width, height) = (tree.size().width() * POINTS, tree.size().height() * POINTS);
    let mut page = Page { content: Content::new(), opacities: BTreeMap::new(), images: Vec::new() };
    page.content.transform([POINTS, 0.0, 0.0, -POINTS, 0.0, height]);
    page.group(tree.root(), 1.0)?;
    page.finish(width, height)
}

fn unknown(what: &str) -> Failure {
    Failure::stage(format!("a picture of the report cannot be written as PDF: {what}"))
}

impl Page {
    fn group(&mut self, group: &usvg::Group, opacity: f32) -> Result<()> {
        if group.mask().is_some() || !group.filters().is_empty() {
            return Err(unknown("it has a mask or a filter"));
        }
        self.content.save_state();
        self.content.transform(matrix(group.transform()));
        if let Some(clip) = group.clip_path() {
            self.content.transform(matrix(clip.transform()));
            for node in clip.root().children() {
                if let usvg::Node::Path(path) = node {
                    self.outline(path.data());
                }
            }
            self.content.clip_nonzero().end_path();
            let back = clip.transform().invert().ok_or_else(|| unknown("a clip has no size"))?;
            self.content.transform(matrix(back));
        }
        // Exact for single shapes, which is what has an opacity in these pictures.
        let opacity = opacity * group.opacity().get();
        for node in group.children() {
            match node {
                usvg::Node::Group(inner) => self.group(inner, opacity)?,
                usvg::Node::Path(path) => self.path(path, opacity)?,
                usvg::Node::Text(text) => self.group(text.flattened(), opacity)?,
                usvg::Node::Image(image) => self.image(image)?,
            }
        }
        self.content.restore_state();
        Ok(())
    }

    fn path(&mut self, path: &usvg::Path, opacity: f32) -> Result<()> {
        let (fill, stroke) = (path.fill(), path.stroke());
        if !path.is_visible() || fill.is_none() && stroke.is_none() {
            return Ok(());
        }
        self.content.save_state();
        let alphas = [fill.map(|fill| fill.opacity().get()), stroke.map(|stroke| stroke.opacity().get())];
        self.set_opacity(alphas.map(|alpha| alpha.unwrap_or(1.0) * opacity));
        if let Some(fill) = fill {
            let [red, green, blue] = colour(fill.paint())?;
            self.content.set_fill_rgb(red, green, blue);
        }
        if let Some(stroke) = stroke {
            let [red, green, blue] = colour(stroke.paint())?;
            self.content.set_stroke_rgb(red, green, blue);
            self.content.set_line_width(stroke.width().get());
            self.content.set_miter_limit(stroke.miterlimit().get());
            self.content.set_line_cap(match stroke.linecap() {
                usvg::LineCap::Butt => LineCapStyle::ButtCap,
                usvg::LineCap::Round => LineCapStyle::RoundCap,
                usvg::LineCap::Square => LineCapStyle::ProjectingSquareCap,
            });
            self.content.set_line_join(match stroke.linejoin() {
                usvg::LineJoin::Miter | usvg::LineJoin::MiterClip => LineJoinStyle::MiterJoin,
                usvg::LineJoin::Round => LineJoinStyle::RoundJoin,
                usvg::LineJoin::Bevel => LineJoinStyle::BevelJoin,
            });
            if let Some(dashes) = stroke.dasharray() {
                self.content.set_dash_pattern(dashes.iter().copied(), stroke.dashoffset());
            }
        }
        self.outline(path.data());
        let even_odd = fill.is_some_and(|fill| fill.rule() == usvg::FillRule::EvenOdd);
        match (fill.is_some(), stroke.is_some(), even_odd) {
            (true, true, false) => self.content.fill_nonzero_and_stroke(),
            (true, true, true) => self.content.fill_even_odd_and_stroke(),
            (true, false, false) => self.content.fill_nonzero(),
            (true, false, true) => self.content.fill_even_odd(),
            (false, ..) => self.content.stroke(),
        };
        self.content.restore_state();
        Ok(())
    }

    fn outline(&mut self, path: &resvg::tiny_skia::Path) {
        let mut last = Point::zero();
        for segment in path.segments() {
            match segment {
                PathSegment::MoveTo(to) => drop(self.content.move_to(to.x, to.y)),
                PathSegment::LineTo(to) => drop(self.content.line_to(to.x, to.y)),
                PathSegment::QuadTo(middle, to) => {
                    // The cubic of the same course.
                    let third = |end: Point| Point {
                        x: end.x + (middle.x - end.x) * 2.0 / 3.0,
                        y: end.y + (middle.y - end.y) * 2.0 / 3.0,
                    };
                    let (one, two) = (third(last), third(to));
                    self.content.cubic_to(one.x, one.y, two.x, two.y, to.x, to.y);
                }
                PathSegment::CubicTo(one, two, to) => {
                    self.content.cubic_to(one.x, one.y, two.x, two.y, to.x, to.y);
                }
                PathSegment::Close => drop(self.content.close_path()),
            }
            if let PathSegment::MoveTo(to)
            | PathSegment::LineTo(to)
            | PathSegment::QuadTo(_, to)
            | PathSegment::CubicTo(_, _, to) = segment
            {
                last = to;
            }
        }
    }

    fn image(&mut self, image: &usvg::Image) -> Result<()> {
        let usvg::ImageKind::JPEG(bytes) = image.kind() else { return Err(unknown("an image is no JPEG")) };
        let reader = image::ImageReader::with_format(std::io::Cursor::new(&bytes[..]), image::ImageFormat::Jpeg);
        let (columns, rows) = reader.into_dimensions().map_err(|error| unknown(&error.to_string()))?;
        let name = format!("I{}", self.images.len());
        self.images.push((bytes.to_vec(), [columns, rows]));
        self.content.save_state();
        let (width, height) = (image.size().width(), image.size().height());
        self.content.transform([width, 0.0, 0.0, -height, 0.0, height]);
        self.content.x_object(Name(name.as_bytes()));
        self.content.restore_state();
        Ok(())
    }

    fn set_opacity(&mut self, alphas: [f32; 2]) {
        let key = alphas.map(|alpha| (1000.0 * alpha.clamp(0.0, 1.0)).round() as u16);
        if key != [1000, 1000] {
            let next = self.opacities.len();
            let number = *self.opacities.entry(key).or_insert(next);
            self.content.set_parameters(Name(format!("O{number}").as_bytes()));
        }
    }

    fn finish(self, width: f32, height: f32) -> Result<Vec<u8>> {
        let [catalog, pages, page_number, content] = [1, 2, 3, 4].map(Ref::new);
        let reference = |number: usize| Ref::new(5 + i32::try_from(number).unwrap_or(i32::MAX - 5));
        let images = self.opacities.len();
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(pages);
        pdf.pages(pages).kids([page_number]).count(1);
        let mut page = pdf.page(page_number);
        page.media_box(Rect::new(0.0, 0.0, width, height)).parent(pages).contents(content);
        let mut resources = page.resources();
        let mut states = resources.ext_g_states();
        for number in self.opacities.values() {
            states.pair(Name(format!("O{number}").as_bytes()), reference(*number));
        }
        states.finish();
        let mut objects = resources.x_objects();
        for number in 0..self.images.len() {
            objects.pair(Name(format!("I{number}").as_bytes()), reference(images + number));
        }
        objects.finish();
        resources.finish();
        page.finish();
        for ([fill, stroke], number) in &self.opacities {
            let [fill, stroke] = [fill, stroke].map(|alpha| f32::from(*alpha) / 1000.0);
            pdf.ext_graphics(reference(*number)).non_stroking_alpha(fill).stroking_alpha(stroke);
        }
        for (number, (bytes, [columns, rows])) in self.images.iter().enumerate() {
            let mut image = pdf.image_xobject(reference(images + number), bytes);
            image.filter(Filter::DctDecode);
            image.width(i32::try_from(*columns).unwrap_or(i32::MAX));
            image.height(i32::try_from(*rows).unwrap_or(i32::MAX));
            image.color_space().device_rgb();
            image.bits_per_component(8);
        }
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        let packed = packed.write_all(&self.content.finish()).and_then(|()| packed.finish());
        let packed = packed.map_err(|error| unknown(&error.to_string()))?;
        pdf.stream(content, &packed).filter(Filter::FlateDecode);
        Ok(pdf.finish())
    }
}

fn matrix(transform: Transform) -> [f32; 6] {
    let Transform { sx, kx, ky, sy, tx, ty } = transform;
    [sx, ky, kx, sy, tx, ty]
}

fn colour(paint: &usvg::Paint) -> Result<[f32; 3]> {
    match paint {
        usvg::Paint::Color(colour) => Ok([colour.red, colour.green, colour.blue].map(|part| f32::from(part) / 255.0)),
        _ => Err(unknown("it has a gradient or a pattern")),
    }
}
