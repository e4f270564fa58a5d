//! The bytes of a pickle, read from front to back.

/// What is wrong with a pickle, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pickle, byte {at}: {what}")]
pub struct Broken {
    /// Offset of the instruction.
    pub at: usize,
    /// What is wrong with it.
    pub what: String,
}

/// The rest of a pickle.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("ends within an item of {count} bytes"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A length of 1, 4 or 8 bytes and as many bytes as it says.
    pub fn counted(&mut self, width: usize) -> Result<&'a [u8], String> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.take(width)?);
        self.take(usize::try_from(u64::from_le_bytes(length)).map_err(|_| "an absurd length")?)
    }

    /// Up to the end of the line, which is left out.
    pub fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("ends within a line")?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    pub fn text_line(&mut self) -> Result<&'a str, String> {
        std::str::from_utf8(self.line()?).map_err(|_| "a name that is not UTF-8".to_string())
    }

    pub fn number_line<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        self.text_line()?.trim().parse().map_err(|_| "a line that is not a number".to_string())
    }
}

/// A two's complement number of any length, little endian; `None` beyond 64 bits.
pub(super) fn long(bytes: &[u8]) -> Option<i64> {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let fill = if negative { 0xFF } else { 0 };
    if bytes.iter().skip(8).any(|byte| *byte != fill) {
        return None;
    }
    let mut value = [fill; 8];
    let count = bytes.len().min(8);
    value[..count].copy_from_slice(&bytes[..count]);
    let value = i64::from_le_bytes(value);
    ((value < 0) == negative).then_some(value)
}
