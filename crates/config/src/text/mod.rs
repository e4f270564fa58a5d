//! Text files as people bring them, read in one way wherever they stand: annotations, lists, results, labels, settings.
//!
//! A file is UTF-8, with or without a byte-order mark; its lines end with LF, CR LF or CR, as every editor and toolkit
//! takes them. Anything else is refused with what it is. What messages show of a file's content goes through
//! [`excerpt()`], which escapes and cuts it.

mod excerpt;

pub use excerpt::{excerpt, path, printable};

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;
use crate::reads;

/// Bytes of the largest text file that is read: ten times the annotations of a large data set in one file.
pub const LARGEST: u64 = 256 << 20;

const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a file was not read as text.
#[derive(Debug)]
pub enum TextError {
    /// The system said no.
    Io(io::Error),
    /// There is something wrong with the bytes.
    Content {
        /// The line, from 1, where there is one.
        line: Option<usize>,
        /// What is wrong, and the remedy.
        what: String,
    },
}

impl TextError {
    fn whole(what: impl Into<String>) -> Self {
        Self::Content { line: None, what: what.into() }
    }

    /// The line that is about, from 1.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Io(_) => None,
            Self::Content { line, .. } => *line,
        }
    }

    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// `file:line: what; remedy`, as a missing or unreadable input.
    pub fn of(&self, file: &Path) -> Failure {
        let file = path(file);
        match self.line() {
            Some(line) => Failure::input(format!("{file}:{line}: {self}")),
            None => Failure::input(format!("{file}: {self}")),
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "cannot be read: {error}"),
            Self::Content { what, .. } => f.write_str(what),
        }
    }
}

impl From<io::Error> for TextError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The text of the file at `path`, its lines ended by `\n`.
///
/// # Errors
/// The file cannot be read, is larger than [`LARGEST`], or holds no UTF-8 text.
pub fn read(path: &Path) -> Result<String, TextError> {
    let _read = reads::begin(path);
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > LARGEST {
        return Err(too_large(length));
    }
    let mut bytes = Vec::with_capacity(length as usize + 1);
    // What is no plain file has no length beforehand.
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes)? as u64;
    if read > LARGEST { Err(too_large(read)) } else { decode(bytes) }
}

fn too_large(length: u64) -> TextError {
    let (size, most) = (length >> 20, LARGEST >> 20);
    TextError::whole(format!("has {size} MiB, and text of more than {most} MiB is not read; is it another file?"))
}

/// `bytes` as text, without its byte-order mark and with lines ended by `\n`.
///
/// # Errors
/// They are no UTF-8 text.
pub fn decode(mut bytes: Vec<u8>) -> Result<String, TextError> {
    if let Some(encoding) = wide(&bytes) {
        return Err(TextError::whole(format!("is {encoding} text; save it as UTF-8")));
    }
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    let start = bytes.trim_ascii_start();
    if start.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err(TextError::whole("is a Git LFS pointer, not the file itself; fetch it (git lfs pull)"));
    }
    if [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|mark| start.get(..mark.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(mark)))
    {
        return Err(TextError::whole("is a web page, not the file itself: a download that failed; fetch it again"));
    }
    if let Some(at) = memchr::memchr(0, &bytes) {
        let count = memchr::memchr_iter(0, &bytes).count();
        let noun = if count == 1 { "NUL byte" } else { "NUL bytes" };
        let remedy = "text has none: it was not written to its end, or is no text; copy or save it again";
        return Err(TextError::Content {
            line: Some(line_at(&bytes, at)),
            what: format!("{count} {noun} from here on; {remedy}"),
        });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let start = bytes[..at].iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |end| end + 1);
        let end = bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).map_or(bytes.len(), |n| at + n);
        // What comes before the byte may be long, and the byte is what matters.
        let from = start.max(at.saturating_sub(20));
        let near: String = bytes[from..end.min(at + 20)].escape_ascii().to_string();
        let line = Some(line_at(bytes, at));
        TextError::Content { line, what: format!("`{near}` is not UTF-8 text; save the file as UTF-8") }
    })?;
    Ok(if text.contains('\r') { plain_lines(&text) } else { text })
}

/// The name of a wider encoding that the first bytes announce.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    let starts = |mark: &[u8]| bytes.starts_with(mark);
    if starts(b"\xFF\xFE\0\0") || starts(b"\0\0\xFE\xFF") {
        return Some("UTF-32");
    }
    // Without a mark: characters of ASCII with a NUL before or behind each.
    let pairs = |nul: usize| {
        let head = &bytes[..bytes.len().min(64) & !1];
        head.len() >= 4 && head.chunks_exact(2).all(|pair| pair[nul] == 0 && pair[1 - nul] != 0)
    };
    (starts(b"\xFF\xFE") || starts(b"\xFE\xFF") || pairs(0) || pairs(1)).then_some("UTF-16")
}

/// `text` with `\n` for every CR LF and CR. Some CRs before one LF (a file that was converted twice) end one line.
fn plain_lines(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\r') {
        plain.push_str(&rest[..at]);
        let after = rest[at..].trim_start_matches('\r');
        let returns = rest.len() - at - after.len();
        match after.strip_prefix('\n') {
            Some(after) => {
                plain.push('\n');
                rest = after;
            }
            None => {
                plain.extend(std::iter::repeat_n('\n', returns));
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The line of byte `at`, from 1.
fn line_at(bytes: &[u8], at: usize) -> usize {
    plain_lines(&String::from_utf8_lossy(&bytes[..at])).matches('\n').count() + 1
}

/// What `from` holds after a byte-order mark of UTF-8, for text that is read as a stream.
///
/// # Errors
/// It cannot be read, or begins as a wider encoding does.
pub fn after_mark<R: io::BufRead>(mut from: R) -> Result<R, TextError> {
    let head = from.fill_buf()?;
    if let Some(encoding) = wide(head) {
        return Err(TextError::whole(format!("is {encoding} text; save it as UTF-8")));
    }
    if head.starts_with(MARK) {
        from.consume(MARK.len());
    }
    Ok(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(bytes: &[u8]) -> Result<String, String> {
        decode(bytes.to_vec()).map_err(|error| match error.line() {
            Some(line) => format!("{line}: {error}"),
            None => error.to_string(),
        })
    }

    #[test]
    fn marks_and_line_ends_of_every_editor_are_read() {
        for text in ["a,b\nc\n", "a,b\r\nc\r\n", "a,b\rc\r", "a,b\r\r\nc\r\r\n", "a,b\r\nc\r"] {
            assert_eq!(read_as(text.as_bytes()).unwrap(), "a,b\nc\n", "{text:?}");
            assert_eq!(read_as(&[MARK, text.as_bytes()].concat()).unwrap(), "a,b\nc\n", "{text:?}");
        }
        assert_eq!(read_as(b"a\r\rb").unwrap(), "a\n\nb");
        assert_eq!(read_as(MARK).unwrap(), "");
        let mut stream = after_mark(io::BufReader::new(&b"\xEF\xBB\xBF{}"[..])).unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "{}");
    }

    #[test]
    fn what_is_no_utf8_text_is_named_with_its_line() {
        let wide = |text: &str, order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        for text in ["\u{feff}1,2,3,4\n", "1,2,3,4\n"] {
            for bytes in [wide(text, u16::to_le_bytes), wide(text, u16::to_be_bytes)] {
                assert_eq!(read_as(&bytes).unwrap_err(), "is UTF-16 text; save it as UTF-8");
            }
        }
        let error = read_as(b"1,2\r3,4\r5,\0\0").unwrap_err();
        assert!(error.starts_with("3: 2 NUL bytes from here on; "), "{error}");
        for ends in ["\n", "\r", "\r\n"] {
            let bytes = [b"one", ends.as_bytes(), b"caf\xE9", ends.as_bytes(), b"three"].concat();
            let error = read_as(&bytes).unwrap_err();
            assert_eq!(error, "2: `caf\\xe9` is not UTF-8 text; save the file as UTF-8");
        }
    }

    #[test]
    fn a_file_that_cannot_be_text_is_not_read_into_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groundtruth.txt");
        File::create(&path).unwrap().set_len(5 << 30).unwrap();
        let message = read(&path).unwrap_err().of(&path).message;
        assert!(message.contains("groundtruth.txt: has 5120 MiB, and text of more than 256 MiB"), "{message}");
        assert!(read(&folder.path().join("none")).unwrap_err().is_missing());
    }
}
