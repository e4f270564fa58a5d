//! The checksum of a checkpoint.

use crate::{
    failure::Result,
    weights::{Bytes, dtype_name},
};
use tch::Tensor;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// XXH3 (64 bits) over the text that says what the checkpoint is, and over name, element type, shape and XXH3 of the
/// numbers of every tensor, in the order of their names: a file in another form has the same.
#[derive(Default)]
pub(super) struct Digest {
    lines: Vec<String>,
}

impl Digest {
    /// Adds a tensor.
    ///
    /// # Errors
    /// libtorch cannot give its numbers.
    pub fn add(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let numbers = xxh3_64(Bytes::of(tensor)?.as_slice());
        let (dtype, shape) = (dtype_name(tensor.f_kind()?), tensor.size());
        self.lines.push(format!("\n{name}\t{dtype}\t{shape:?}\t{numbers:016x}"));
        Ok(())
    }

    /// The checksum, with `metadata` as the text.
    pub fn finish(mut self, metadata: &str) -> String {
        self.lines.sort();
        let mut hasher = Xxh3::new();
        hasher.update(metadata.as_bytes());
        self.lines.iter().for_each(|line| hasher.update(line.as_bytes()));
        format!("{:016x}", hasher.digest())
    }
}
