//! PyTorch's checkpoints: a pickle that describes what was saved, and the numbers beside it.

mod candidates;
mod contents;
mod describe;
mod legacy;
mod numpy;
mod rebuild;
mod tree;
mod write;
mod zip;

pub use describe::one_line;
pub(super) use legacy::open as open_legacy;
pub(super) use write::write;
pub(super) use zip::open as open_zip;

/// The longest pickle that is read where its length is not known beforehand. Those of large models with their optimizers
/// have less than a megabyte.
const LONGEST_PICKLE: u64 = 64 << 20;

/// The longest pickle with its numbers in it, as of NumPy's arrays.
const LONGEST_WITH_NUMBERS: u64 = 4 << 30;

/// Where a storage lies in the file.
#[derive(Clone, Copy, Debug)]
struct Storage {
    start: u64,
    bytes: u64,
    crc: Option<u32>,
}
