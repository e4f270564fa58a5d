//! The page's stylesheet as pictures need it: light colours in place of variables, and what looks only.

const PAGE: &str = include_str!("../page.css");

/// What pictures have and the page has not.
const OWN: &str = "text { fill: #1b1f24; font-family: 'DejaVu Sans'; font-size: 12.5px } .title { font-size: 14px; fill: #1b1f24 } \
                   .light { fill: #fff } .mark.hollow { fill: none } .crop rect { fill: none; stroke-width: .01 } \
                   .crop .edge { stroke: #000; stroke-opacity: .55; stroke-width: .022 } .crop .truth { stroke: #fff } \
                   .crop .predicted { stroke: #ffb000; stroke-dasharray: .03 .02 }";

/// The light value of the page's variable `--name`.
pub(super) fn variable(name: &str) -> Option<&'static str> {
    let light = &PAGE[..PAGE.find('}')?];
    let start = light.find(&format!("--{name}:"))? + name.len() + 3;
    light[start..].split(';').next().map(str::trim)
}

/// Rules about strokes, fills and text.
pub(super) fn sheet() -> String {
    let mut text = String::new();
    let mut rest = PAGE;
    while let Some(open) = rest.find('{') {
        let selector = rest[..open].trim();
        let close = if selector.starts_with('@') { end_of_block(&rest[open..]) } else { rest[open..].find('}') };
        let Some(close) = close else { break };
        let body = &rest[open + 1..open + close];
        rest = &rest[open + close + 1..];
        let rng = ["stroke", "fill", "opacity"].iter().any(|property| body.contains(property));
        if rng && !selector.starts_with('@') && !selector.starts_with(".clip") {
            text += &format!("{} {{{body}}} ", selector.replace(":not(.hollow)", ""));
        }
    }
    for name in ["c0", "c1", "c2", "c3", "c4", "c5", "ink", "faint", "paper", "rule"] {
        text = text.replace(&format!("var(--{name})"), variable(name).unwrap_or("#888"));
    }
    text + OWN
}

/// Where the block that begins `text` ends, blocks inside of it included.
fn end_of_block(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_those_of_the_light_page() {
        assert_eq!(variable("c1"), Some("#d55e00"));
        assert_eq!(variable("right"), Some("0, 114, 178"));
        let sheet = sheet();
        assert!(
            sheet.contains(".c1 { stroke: #d55e00;") && !sheet.contains("var(") && !sheet.contains("@media"),
            "{sheet}"
        );
    }
}
