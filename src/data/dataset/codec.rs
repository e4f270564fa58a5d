//! Numbers and texts as bytes, little end first, and back; what cannot be read back is `None`, never a guess.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Writes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    pub fn count(&mut self, value: usize) {
        self.u64(value as u64);
    }

    pub fn text(&mut self, value: &str) {
        self.count(value.len());
        self.bytes.extend(value.as_bytes());
    }

    /// A file's name, which need not be text.
    pub fn name(&mut self, value: &OsStr) {
        self.count(value.len());
        self.bytes.extend(value.as_bytes());
    }

    pub fn boxes(&mut self, values: &[[f32; 4]]) {
        self.count(values.len());
        values.iter().flatten().for_each(|value| self.bytes.extend(value.to_le_bytes()));
    }

    pub fn flags(&mut self, values: &[bool]) {
        self.count(values.len());
        self.bytes.extend(values.iter().map(|&flag| u8::from(flag)));
    }
}

/// Reads.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// A number of things of which each takes at least a byte: no damaged file asks for more than it holds.
    pub fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.u64()?).ok()?;
        (count <= self.rest.len()).then_some(count)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    pub fn name(&mut self) -> Option<&'a OsStr> {
        let length = self.count()?;
        Some(OsStr::from_bytes(self.take(length)?))
    }

    pub fn boxes(&mut self) -> Option<Vec<[f32; 4]>> {
        let count = self.count()?;
        let bytes = self.take(count.checked_mul(16)?)?;
        let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let one = |bytes: &[u8]| [value(&bytes[..4]), value(&bytes[4..8]), value(&bytes[8..12]), value(&bytes[12..])];
        Some(bytes.chunks_exact(16).map(one).collect())
    }

    pub fn flags(&mut self) -> Option<Vec<bool>> {
        let count = self.count()?;
        Some(self.take(count)?.iter().map(|&byte| byte != 0).collect())
    }
}
