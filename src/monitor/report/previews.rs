//! Clips of the last validation as the model sees them, with ground truth and predictions.

use super::{groups::Group, history::History, page::columns, svg::escape};
use crate::monitor::artifacts::read_previews;
use serde_json::Value;
use std::fmt::Write;

/// The section of the page, of the first run of each group that has kept pictures; empty when none has.
pub(super) fn previews(groups: &[Group]) -> String {
    let html = columns(groups.iter().map(|group| group.runs.iter().find_map(of_run).unwrap_or_default()));
    if html.is_empty() {
        return html;
    }
    html + "<p class=\"about\">Crops as the model sees them: the template, the first and the last search frame. White and \
            solid: ground truth; amber and dashed: prediction. ✓ and ✗: whether the condition was predicted correctly.</p>"
}

fn of_run(run: &History) -> Option<String> {
    let (predicted, pictures) = read_previews(&run.folder)?;
    let when = match predicted["epoch"].as_u64() {
        Some(0) | None => "before training".to_string(),
        Some(epoch) => format!("after epoch {epoch}"),
    };
    let seed = run.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
    let title = escape(&format!("{}{seed}, {when}", run.name));
    let mut html = format!("<h3>{title}</h3>");
    for clip in predicted["clips"].as_array().into_iter().flatten() {
        let _ = write!(html, "<div class=\"clip\" title=\"{title}\">");
        html += &picture(&clip["template"], &pictures, "template");
        for frame in clip["frames"].as_array().into_iter().flatten() {
            html += &picture(frame, &pictures, &caption(frame));
        }
        html += "</div>";
    }
    Some(html)
}

/// IoU and conditions, in lines.
fn caption(frame: &Value) -> String {
    let known = |key: &str| frame[key].as_str().map(|name| escape(&name.replace('_', " ")));
    let iou = frame["iou"].as_f64().map_or(String::new(), |iou| format!("IoU {iou:.2}"));
    let condition = match (known("condition"), known("predicted_condition")) {
        (Some(is), Some(predicted)) if is == predicted => format!("✓ {predicted}"),
        (Some(is), Some(predicted)) => format!("✗ predicted {predicted}; label {is}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return iou,
    };
    format!("{iou}; {condition}")
}

/// A crop with its boxes; `caption` is HTML.
fn picture(predicted: &Value, pictures: &[Vec<u8>], caption: &str) -> String {
    let bytes = predicted["picture"].as_u64().and_then(|number| pictures.get(usize::try_from(number).ok()?));
    let Some(bytes) = bytes else { return String::new() };
    let outline = |key: &str| {
        let numbers: Vec<f64> = predicted[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        let &[x, y, w, h] = numbers.as_slice() else { return String::new() };
        // Something dark beneath, so that it is seen on anything.
        let place = format!("x=\"{x:.4}\" y=\"{y:.4}\" width=\"{w:.4}\" height=\"{h:.4}\"");
        format!("<rect class=\"edge\" {place}/><rect class=\"{key}\" {place}/>")
    };
    format!(
        "<figure><svg viewBox=\"0 0 1 1\"><image width=\"1\" height=\"1\" href=\"data:image/jpeg;base64,{}\"/>{}{}</svg>\
         <figcaption>{caption}</figcaption></figure>",
        base64(bytes),
        outline("truth"),
        outline("predicted")
    )
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().fold(0u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_the_values_of_its_standard() {
        let given = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(given, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
