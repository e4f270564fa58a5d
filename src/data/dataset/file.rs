//! Where a frame's bytes lie: in a file of their own, or inside a shard of a packed set.
//!
//! Buffers come from [`pool`]; readers give them back.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::reads;
use crate::vision::pool;

/// The file of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameFile {
    /// What it is called: its path, or the shard's path and the member's name.
    pub path: PathBuf,
    /// Where it lies inside a shard, when it does.
    pub member: Option<Member>,
}

/// A member of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The shard.
    pub shard: Arc<Path>,
    /// Where in it.
    pub location: MemberLocation,
}

/// Where a member lies in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u32, u32, u32)", into = "(u64, u32, u32, u32)")]
pub struct MemberLocation {
    /// Its first byte.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u32,
    /// How many of them stand before the tiles of a tiled JPEG file ([`crate::vision::tiles`]); 0 for anything else.
    pub head: u32,
    /// CRC-32 of all of them.
    pub crc: u32,
}

impl From<(u64, u32, u32, u32)> for MemberLocation {
    fn from((offset, length, head, crc): (u64, u32, u32, u32)) -> Self {
        Self { offset, length, head, crc }
    }
}

/// As it is written in indices: a line for each sequence has one for each frame.
impl From<MemberLocation> for (u64, u32, u32, u32) {
    fn from(MemberLocation { offset, length, head, crc }: MemberLocation) -> Self {
        (offset, length, head, crc)
    }
}

impl MemberLocation {
    /// The byte after its last.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.length))
    }
}

impl From<PathBuf> for FrameFile {
    fn from(path: PathBuf) -> Self {
        Self { path, member: None }
    }
}

impl FrameFile {
    /// All bytes.
    ///
    /// # Errors
    /// The file cannot be read; or its shard is too short, or holds other bytes than were packed.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let Some(Member { location, .. }) = &self.member else {
            let _read = reads::begin(&self.path);
            let mut file = File::open(&self.path)?;
            let mut bytes = pool::take(file.metadata()?.len() as usize + 1);
            file.read_to_end(&mut bytes)?;
            return Ok(bytes);
        };
        let bytes = self.read_range(0..u64::from(location.length))?;
        match crc32fast::hash(&bytes) == location.crc {
            true => Ok(bytes),
            false => Err(io::Error::new(ErrorKind::InvalidData, "damaged since it was packed: the checksum differs")),
        }
    }

    /// Some of the bytes of a member of a shard; a range of a plain file.
    ///
    /// # Errors
    /// The file cannot be read or is too short.
    pub fn read_range(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let (path, start) = match &self.member {
            Some(member) => (&*member.shard, member.location.offset),
            None => (self.path.as_path(), 0),
        };
        let _read = reads::begin(path);
        let mut bytes = pool::bytes(range.end.saturating_sub(range.start) as usize);
        File::open(path)?.read_exact_at(&mut bytes, start + range.start)?;
        Ok(bytes)
    }

    /// The first bytes, at most `most`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn start(&self, most: u64) -> io::Result<Vec<u8>> {
        match &self.member {
            Some(member) => self.read_range(0..most.min(u64::from(member.location.length))),
            None => {
                self.length()?;
                let _read = reads::begin(&self.path);
                let mut bytes = Vec::new();
                File::open(&self.path)?.take(most).read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }

    /// How many bytes there are.
    ///
    /// # Errors
    /// The file is not there, or is no plain file.
    pub fn length(&self) -> io::Result<u64> {
        match &self.member {
            Some(member) => Ok(u64::from(member.location.length)),
            None => match reads::metadata(&self.path)? {
                file if file.is_file() => Ok(file.len()),
                // A pipe would be waited for without end.
                _ => Err(io::Error::new(ErrorKind::InvalidInput, "no file but a folder, a pipe or a device")),
            },
        }
    }
}
