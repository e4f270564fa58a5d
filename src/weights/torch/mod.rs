//! PyTorch's checkpoints: a pickle that describes what was saved, and the numbers beside it.

mod contents;
mod legacy;
mod rebuild;
mod shown;
mod write;
mod zip;

pub(super) use legacy::open as open_legacy;
pub(super) use shown::shown;
pub(super) use write::write;
pub(super) use zip::open as open_zip;

/// The longest pickle that is read. Those of large models with their optimizers have less than a megabyte.
const LONGEST_PICKLE: u64 = 64 << 20;

/// Where a storage lies in the file.
#[derive(Clone, Copy, Debug)]
struct Storage {
    start: u64,
    bytes: u64,
    crc: Option<u32>,
}
