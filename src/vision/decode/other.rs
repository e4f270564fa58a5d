//! What a file is that is neither JPEG nor PNG, so that messages are true and name the remedy.

/// File name extensions of formats that people keep frames in and that are not read.
pub const UNREAD: [&str; 19] = [
    "bmp", "dib", "webp", "tif", "tiff", "gif", "heic", "heif", "avif", "jp2", "j2k", "jxl", "ppm", "pgm", "exr",
    "npy", "jxr", "jpe", "jfif",
];

/// What `bytes` begin, and what to do about it; `None` for what is not known.
pub(super) fn name(bytes: &[u8]) -> Option<String> {
    let picture =
        |name: &str| Some(format!("a picture in the format {name}, which is not read; convert it to JPEG or PNG"));
    let boxed = |brands: &[&[u8]]| bytes.get(4..8) == Some(b"ftyp") && brands.contains(&&bytes[8..bytes.len().min(12)]);
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => picture("WebP"),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => picture("BMP"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => picture("GIF"),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => picture("TIFF"),
        [0, 0, 0, 12, b'j', b'P', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => picture("JPEG 2000"),
        [0, 0, 0, 12, b'J', b'X', b'L', ..] | [0xFF, 0x0A, ..] => picture("JPEG XL"),
        [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] => picture("Netpbm"),
        [0x76, 0x2F, 0x31, 0x01, ..] => picture("OpenEXR"),
        _ if boxed(&[b"avif", b"avis"]) => picture("AVIF"),
        _ if boxed(&[b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"]) => picture("HEIC"),
        _ if bytes.get(4..8) == Some(b"ftyp") => Some("a video, which is not read; extract its frames".into()),
        _ if bytes.starts_with(b"\x93NUMPY") => picture("NumPy"),
        _ if bytes.starts_with(b"version https://git-lfs") => {
            Some("a pointer of Git LFS, not the picture; run `git lfs pull` there".into())
        }
        [0x1F, 0x8B, ..] | [b'P', b'K', 3, 4, ..] => Some("a compressed archive, not a picture; extract it".into()),
        _ => markup(bytes),
    }
}

fn markup(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let starts = |word: &str| bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    if starts("<!doctype html") || starts("<html") || starts("<head") || starts("<body") {
        return Some("a web page, not a picture: the download failed; download it again".into());
    }
    if starts("<svg") || starts("<?xml") {
        return Some("XML, not a picture of pixels; convert it to JPEG or PNG".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named() {
        let of = |bytes: &[u8]| name(bytes).unwrap_or_default();
        for (bytes, expected) in [
            (&b"RIFF\x10\0\0\0WEBPVP8 "[..], "WebP"),
            (b"BM\x36\x10\0\0\0\0\0\0\x36\0", "BMP"),
            (b"GIF89a\x01\0", "GIF"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"MM\0*\0\0\0\x08", "TIFF"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
            (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
            (b"\0\0\0\x0CjP  \r\n", "JPEG 2000"),
            (b"\n <!DOCTYPE HTML><p>404", "a web page"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        ] {
            assert!(of(bytes).contains(expected), "{bytes:?}: {}", of(bytes));
        }
        for bytes in [&b""[..], b"R", b"RIFF", b"\0\0\0\x18ftyp", b"ftyp", b"hello there", b"\0\0\0\0"] {
            let _ = name(bytes);
        }
        assert_eq!(name(b"hello there"), None);
    }
}
