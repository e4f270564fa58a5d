//! How much is summed at once.

use tch::{Device, Kind, Tensor};

/// As much as a network carries at its full speed, and little enough that the first sums are under way early.
const BUCKET_BYTES: usize = 25 << 20;

/// Tensors of one kind and device that follow each other, together as large as a bucket or a little smaller.
pub(super) fn buckets(tensors: &[Tensor]) -> Vec<Vec<&Tensor>> {
    let mut buckets: Vec<Vec<&Tensor>> = Vec::new();
    let mut bytes = 0;
    let mut like: Option<(Kind, Device)> = None;
    for tensor in tensors.iter().filter(|tensor| tensor.numel() > 0) {
        let own = tensor.numel() * tensor.kind().elt_size_in_bytes();
        let kind = Some((tensor.kind(), tensor.device()));
        match buckets.last_mut() {
            Some(bucket) if like == kind && bytes + own <= BUCKET_BYTES => bucket.push(tensor),
            _ => {
                buckets.push(vec![tensor]);
                bytes = 0;
            }
        }
        bytes += own;
        like = kind;
    }
    buckets
}
