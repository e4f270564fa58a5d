//! What messages show of names and of files' content: escaped, so that no byte of a file acts on a terminal, and cut.

use std::borrow::Cow;
use std::path::Path;

/// The most characters that are shown of a piece of a file.
const WIDEST: usize = 60;

/// Whether `c` does not show as itself: control characters, and marks that hide or turn the text around them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn escape(c: char, to: &mut String) {
    if is_hidden(c) { to.extend(c.escape_default()) } else { to.push(c) }
}

/// `text` as a message shows it: hidden characters escaped, and cut where it is long.
pub fn excerpt(text: impl AsRef<str>) -> String {
    let (mut excerpt, mut width) = (String::new(), 0);
    for c in text.as_ref().chars() {
        let before = excerpt.len();
        escape(c, &mut excerpt);
        width += excerpt[before..].chars().count();
        if width > WIDEST {
            excerpt.truncate(before);
            excerpt.push('…');
            break;
        }
    }
    excerpt
}

/// The name of a file as a message shows it: hidden characters escaped, bytes that are not UTF-8 too.
pub fn path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut excerpt = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        chunk.valid().chars().for_each(|c| escape(c, &mut excerpt));
        excerpt.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    excerpt
}

/// `text` for a terminal: nothing but line ends and tabs acts on it.
pub fn printable(text: &str) -> Cow<'_, str> {
    let acts = |c: char| is_hidden(c) && c != '\n' && c != '\t';
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| if acts(c) { escape(c, &mut plain) } else { plain.push(c) });
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_long_text_is_cut() {
        assert_eq!(excerpt("1,2\u{1b}[31m\u{202e}x\u{feff}"), r"1,2\u{1b}[31m\u{202e}x\u{feff}");
        assert_eq!(excerpt("grün 日本 a\\b"), "grün 日本 a\\b");
        let nuls = excerpt("\0".repeat(3000));
        assert!(nuls.ends_with('…') && nuls.chars().count() <= WIDEST + 1 && nuls.starts_with(r"\u{0}\u{0}"), "{nuls}");
        assert_eq!(excerpt("x".repeat(60)), "x".repeat(60));
        assert_eq!(excerpt("x".repeat(61)), format!("{}…", "x".repeat(60)));
    }

    #[test]
    fn names_show_every_byte() {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"a\xFFb\n\x1b.txt");
        assert_eq!(path(Path::new(name)), r"a\xffb\n\u{1b}.txt");
    }

    #[test]
    fn nothing_but_lines_and_tabs_reaches_a_terminal() {
        assert!(matches!(printable("a\tb\nc grün"), Cow::Borrowed(_)));
        assert_eq!(printable("a\r\n\u{9b}31m\0"), "a\\r\n\\u{9b}31m\\u{0}");
    }
}
