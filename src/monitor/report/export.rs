//! The figures of a report as files of their own, SVG, PDF and PNG, for papers and slides. A chart is as wide as a column
//! of a two-column paper, its text about as large as a caption's.
//!
//! They are taken from the page itself, so that the two cannot differ: each figure becomes an SVG with the light colours of
//! the page's stylesheet, its title and its legend. Text is drawn in a font that comes with the program, so that a
//! picture looks the same on every machine, one without fonts included.

mod cells;
#[cfg(feature = "png")]
mod draw;
#[cfg(feature = "png")]
mod pdf;
mod sheet;
mod style;

use super::svg::escape;
use crate::failure::{Failure, Result};
use roxmltree::{Document, Node};
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

const MARGIN: f64 = 8.0;
const TITLE: f64 = 20.0;
const LINE: f64 = 17.0;
/// Letters of the font at its size are rarely wider than this on the average.
const LETTER: f64 = 7.6;
/// A point of the page as points of paper: a chart is 252 wide, a column of a two-column paper.
const PAPER: f64 = 252.0 / 436.0;
/// A crop of an example, in pixels of the page.
const CROP: f64 = 190.0;

#[cfg(feature = "png")]
pub use draw::{write, write_one};
pub use sheet::sheet;

/// Without what draws pictures.
///
/// # Errors
/// 64, always: this program was built without the feature.
#[cfg(not(feature = "png"))]
pub fn write(_: &[Picture], _: &Path) -> Result<usize> {
    check()?;
    Ok(0)
}

/// The same for one picture; SVG needs nothing that draws.
///
/// # Errors
/// 64 for what is to be drawn or has an ending that is not known, 74 when it cannot be written.
#[cfg(not(feature = "png"))]
pub fn write_one(picture: &Picture, path: &Path) -> Result<()> {
    if form(path)? != "svg" {
        check()?;
    }
    std::fs::write(path, &picture.svg).map_err(|error| Failure::output(format!("{}: {error}", path.display())))
}

/// The form that the ending of `path` asks for: `svg`, `pdf` or `png`.
///
/// # Errors
/// 64 for another ending.
pub fn form(path: &Path) -> Result<&'static str> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    ["svg", "pdf", "png"]
        .into_iter()
        .find(|form| *form == ending)
        .ok_or_else(|| Failure::usage(format!("{}: unknown file extension; use .png, .svg or .pdf", path.display())))
}

/// Whether this program can draw pictures.
///
/// # Errors
/// 64, when it was built without the feature `png`.
pub fn check() -> Result<()> {
    if cfg!(feature = "png") {
        return Ok(());
    }
    Err(Failure::usage("--png: this program was built without the feature `png`; build it with `--features png`"))
}

/// A picture that stands for itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Made of its title; a name for files, unique on its page.
    pub name: String,
    /// An SVG document.
    pub svg: String,
    /// What is in it.
    body: String,
    /// Width and height of what is in it.
    size: (f64, f64),
}

/// The picture of `body`.
fn document(name: String, (width, height): (f64, f64), body: String) -> Picture {
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.1}pt\" height=\"{:.1}pt\" \
         viewBox=\"0 0 {width:.0} {height:.0}\"><style>{}</style>\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>{body}</svg>\n",
        PAPER * width,
        PAPER * height,
        style::sheet()
    );
    Picture { name, svg, body, size: (width, height) }
}

/// The pictures of a page that `page` made, in its order.
///
/// # Errors
/// `html` is another page.
pub fn pictures(html: &str) -> Result<Vec<Picture>> {
    let markers = fragment(html, 0, "<p class=\"legend marks\">", "</p>").map(|(text, _)| text);
    let mut found: Vec<Picture> = Vec::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut at = 0;
    loop {
        let clip = fragment(html, at, "<div class=\"clip\"", "</div>").filter(|(text, _)| text.contains("<svg"));
        let figure = fragment(html, at, "<figure", "</figure>");
        let (picture, end) = match (clip, figure) {
            (Some((clip, end)), Some((figure, _))) if clip.contains(figure) => (row_of_crops(clip)?, end),
            (_, Some((figure, end))) => (chart(figure, markers)?, end),
            _ => return Ok(found),
        };
        at = end;
        if let Some((title, width, height, body)) = picture {
            let plain: String =
                title.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
            let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
            let name = words.join("-");
            let count = names.entry(name.clone()).or_default();
            *count += 1;
            let name = if *count == 1 { name } else { format!("{name}-{count}") };
            found.push(document(name, (width, height), body));
        }
    }
}

/// The text from `start` to `end`, both included, after `from`; and where it ends.
fn fragment<'a>(html: &'a str, from: usize, start: &str, end: &str) -> Option<(&'a str, usize)> {
    let begin = from + html[from..].find(start)?;
    let stop = begin + html[begin..].find(end)? + end.len();
    Some((&html[begin..stop], stop))
}

fn parse(fragment: &str) -> Result<Document<'_>> {
    Document::parse(fragment).map_err(|error| Failure::stage(format!("a figure of the report is damaged: {error}")))
}

/// What stands inside of `node`.
fn inside<'a>(node: &Node<'_, 'a>, text: &'a str) -> &'a str {
    match (node.first_child(), node.last_child()) {
        (Some(first), Some(last)) => &text[first.range().start..last.range().end],
        _ => "",
    }
}

fn view(svg: &Node<'_, '_>) -> Option<(f64, f64)> {
    let numbers: Vec<f64> = svg.attribute("viewBox")?.split(' ').filter_map(|word| word.parse().ok()).collect();
    if let [_, _, width, height] = numbers[..] { Some((width, height)) } else { None }
}

/// Title, width, height and content of a picture.
type Drawn = (String, f64, f64, String);

fn words(node: &Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// A chart with its title and its legend, or that of all charts of `markers`.
fn chart(figure: &str, markers: Option<&str>) -> Result<Option<Drawn>> {
    let document = parse(figure)?;
    let root = document.root_element();
    let child = |name: &str| root.children().find(|node| node.has_tag_name(name));
    let title = child("figcaption").map(|node| words(&node)).unwrap_or_default();
    if let Some(table) = child("table") {
        return Ok(Some(cells::heat(title, &table)));
    }
    let Some(svg) = child("svg") else { return Ok(None) };
    let Some((width, height)) = view(&svg) else { return Ok(None) };
    let (mut body, top) = head(&title, width);
    let _ = write!(body, "<g transform=\"translate({MARGIN} {top})\">{}</g>", inside(&svg, figure));
    let mut foot = top + height + 4.0;
    let mut legend = |text: &str| -> Result<()> {
        let document = parse(text)?;
        foot = legend_lines(&document.root_element(), text, width, foot, &mut body);
        Ok(())
    };
    match (child("p"), markers) {
        (Some(own), _) => legend(&figure[own.range()])?,
        (None, Some(markers)) if figure.contains("class=\"mark") => legend(markers)?,
        _ => {}
    }
    Ok(Some((title, width + 2.0 * MARGIN, foot + MARGIN, body)))
}

/// A title in as many lines as it takes in a picture of `width`, and where what is below it begins.
fn head(title: &str, width: f64) -> (String, f64) {
    let room = ((width / (LETTER + 0.8)) as usize).max(8);
    let mut lines: Vec<String> = Vec::new();
    for word in title.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => *line += &format!(" {word}"),
            _ => lines.push(word.to_string()),
        }
    }
    let mut body = String::new();
    for (index, line) in lines.iter().enumerate() {
        let y = MARGIN + 11.0 + LINE * index as f64;
        let _ = write!(body, "<text class=\"title\" x=\"{MARGIN}\" y=\"{y}\">{}</text>", escape(line));
    }
    (body, MARGIN + TITLE + LINE * lines.len().saturating_sub(1) as f64)
}

/// The entries of a legend in lines below `top`; where they end.
fn legend_lines(legend: &Node<'_, '_>, text: &str, width: f64, top: f64, body: &mut String) -> f64 {
    let (mut x, mut y) = (MARGIN, top);
    for entry in legend.children().filter(|node| node.has_tag_name("span")) {
        let Some(svg) = entry.children().find(|node| node.has_tag_name("svg")) else { continue };
        let Some((wide, high)) = view(&svg) else { continue };
        let name = words(&entry);
        let space = wide + 6.0 + LETTER * name.chars().count() as f64 + 12.0;
        if x > MARGIN && x + space > width + MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        let _ = write!(
            body,
            "<g transform=\"translate({x:.1} {:.1})\">{}</g><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            y + 0.5 * (LINE - high),
            inside(&svg, text),
            x + wide + 6.0,
            y + 12.0,
            escape(&name)
        );
        x += space;
    }
    y + LINE
}

/// The crops of an example beside each other, each with its caption.
fn row_of_crops(clip: &str) -> Result<Option<Drawn>> {
    let document = parse(clip)?;
    let title = format!("Example, {}", document.root_element().attribute("title").unwrap_or_default());
    let (mut body, top) = head(&title, 3.0 * CROP);
    let mut count = 0.0;
    for figure in document.root_element().children().filter(|node| node.has_tag_name("figure")) {
        let child = |name: &str| figure.children().find(|node| node.has_tag_name(name));
        let (Some(svg), Some(caption)) = (child("svg"), child("figcaption")) else { continue };
        let x = MARGIN + count * (CROP + MARGIN);
        // A drawing of its own, which shows nothing of a box beyond the crop.
        let _ = write!(
            body,
            "<svg class=\"crop\" x=\"{x:.0}\" y=\"{top}\" width=\"{CROP}\" height=\"{CROP}\" viewBox=\"0 0 1 1\">{}</svg>",
            inside(&svg, clip)
        );
        for (line, part) in words(&caption).split("; ").enumerate() {
            let y = top + CROP + 14.0 + 14.0 * line as f64;
            let _ = write!(body, "<text x=\"{x:.0}\" y=\"{y:.0}\">{}</text>", escape(part));
        }
        count += 1.0;
    }
    let size = (MARGIN + count * (CROP + MARGIN), top + CROP + MARGIN + 46.0);
    Ok((count > 0.0).then_some((title, size.0, size.1, body)))
}

#[cfg(test)]
mod tests {
    use super::super::{
        markers::{Marker, Series, bars, legend, scatter},
        svg::{Axes, Curve, heat, lines},
    };
    use super::*;

    fn page() -> String {
        let curve = |name: &str| Curve {
            name: name.into(),
            points: vec![(0.0, 1.0), (1.0, 2.0), (2.0, 0.5)],
            band: vec![(0.5, 1.5), (1.5, 2.5), (0.2, 0.8)],
            colour: usize::from(name.starts_with('a')),
            dash: 0,
        };
        let axes = Axes { title: "Loss & more, λ‖∇L‖", across: "epoch", up: "loss", level: None };
        let bar = Series { name: "multi".into(), colour: 0, values: vec![Series::value(&[0.5])] };
        let markers = [Marker { x: 0.0, y: 0.0, class: Some(2) }, Marker { x: 1.0, y: 1.0, class: Some(7) }];
        [
            lines(&axes, &[curve("multi"), curve("a < b")]),
            lines(&axes, &[curve("")]),
            scatter("PCA", ["first", "second"], &markers),
            legend(&[Some(2), Some(7)].into()),
            bars("IoU by condition", "IoU", &["occlusion".into()], &[bar], Some(1.0), |value| format!("{value:.2}")),
            heat("Confusion", &["occlusion".into(), "normal".into()], &[vec![3, 1], vec![0, 2]]),
        ]
        .concat()
    }

    #[test]
    fn every_figure_becomes_a_picture_with_its_title_and_legend() {
        let pictures = pictures(&page()).unwrap();
        let names: Vec<&str> = pictures.iter().map(|picture| picture.name.as_str()).collect();
        assert_eq!(names, ["loss-more-λ-l", "loss-more-λ-l-2", "pca", "iou-by-condition", "confusion"]);
        for part in ["a &lt; b", "multi", "Loss &amp; more", "class=\"band c1\""] {
            assert!(pictures[0].svg.contains(part), "{part}: {}", pictures[0].svg);
        }
        assert!(pictures[2].svg.contains("background clutter") && !pictures[2].svg.contains("no label"));
        assert!(pictures[4].svg.contains("fill-opacity=\"0.750\""), "{}", pictures[4].svg);
        assert!(pictures.iter().all(|picture| !picture.svg.contains("var(")));
    }

    #[test]
    fn several_pictures_become_one() {
        let all = pictures(&page()).unwrap();
        let sheet = sheet("stats", "a title", &["one < two".into()], &all);
        let document = Document::parse(&sheet.svg).unwrap();
        let places = document.root_element().children().filter(|node| node.has_tag_name("g")).count();
        assert_eq!((places, sheet.name.as_str()), (5, "stats"));
        assert!(sheet.svg.contains("one &lt; two") && sheet.svg.contains("Loss &amp; more"));
        assert_eq!(form(Path::new("a/b.PDF")).unwrap(), "pdf");
        assert!(form(Path::new("a/b.jpeg")).unwrap_err().message.contains("use .png, .svg or .pdf"));
    }

    #[test]
    fn long_titles_are_broken_between_words() {
        let (one, top) = head("Tracking", 340.0);
        assert_eq!((one.matches("<text").count(), top), (1, MARGIN + TITLE));
        let (two, below) = head("PCA, after epoch 40 without the class task: baseline, seed 1", 340.0);
        assert_eq!((two.matches("<text").count(), below), (2, top + LINE), "{two}");
        assert!(two.contains(">PCA, after epoch 40 without the class</text>"), "{two}");
    }

    #[cfg(feature = "png")]
    #[test]
    fn pictures_are_drawn_with_their_text_on_any_machine() {
        let folder = tempfile::tempdir().unwrap();
        let all = pictures(&page()).unwrap();
        assert_eq!(write(&all, folder.path()).unwrap(), 5);
        let drawn = image::open(folder.path().join("pca.png")).unwrap().to_rgb8();
        let dark = |from: u32, to: u32| {
            (from..to)
                .flat_map(|y| (0..drawn.width()).map(move |x| (x, y)))
                .any(|(x, y)| drawn.get_pixel(x, y).0[0] < 90)
        };
        assert!(dark(20, 60), "there is no title");
        assert!(drawn.pixels().any(|pixel| pixel.0 == [255; 3]), "there is no paper");
        // A chart is as wide as a column of a paper, and a PDF has vectors alone where there is no photograph.
        let pdf = std::fs::read(folder.path().join("iou-by-condition.pdf")).unwrap();
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.starts_with("%PDF-") && text.contains("/MediaBox [0 0 252 "), "{text}");
        assert!(!text.contains("/Image") && !text.contains("/Font"), "{text}");
        // The green triangle of class 2 is filled, and class 7, of the same colour, is hollow.
        let green = drawn.pixels().filter(|pixel| pixel.0[1] > 140 && pixel.0[0] < 90).count();
        assert!(green > 60, "{green}");
    }
}
