//! The memory of earlier frames and how a frame reads it.

use tch::{Kind, Tensor};

/// What one frame leaves behind.
#[derive(Debug)]
pub struct MemoryEntry {
    /// `[B, K, G, G]`.
    pub key: Tensor,
    /// `[B, C/2, G, G]`.
    pub value: Tensor,
    /// `[B, 1, S, S]`: the mask that the value was encoded with.
    pub mask: Tensor,
}

/// How much each of `HW` query places takes from each of `M` memory places: `[B, HW, M]`, rows sum to 1.
///
/// The similarity is the negative squared distance without the query's own norm, which the softmax cancels:
/// `(2 k·q − |k|²) / √K` (Cheng, Tai, Tang: "Rethinking Space-Time Networks", NeurIPS 2021).
/// `memory_key` is `[B, K, M]`, `query_key` `[B, K, HW]`.
pub fn affinity(memory_key: &Tensor, query_key: &Tensor) -> Tensor {
    let width = memory_key.size()[1] as f64;
    let norm = memory_key.to_kind(Kind::Float).square().sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
    let similarity = query_key.transpose(1, 2).matmul(memory_key) * 2.0 - norm;
    (similarity / width.sqrt()).softmax(-1, None::<Kind>)
}

/// The memory's answer `[B, V, HW]`: `memory_value` `[B, V, M]` weighted by `affinity` `[B, HW, M]`.
pub fn readout(affinity: &Tensor, memory_value: &Tensor) -> Tensor {
    memory_value.matmul(&affinity.transpose(1, 2))
}

/// Reads `memory` for a query `[B, K, G, G]`: `[B, C/2, G, G]`.
///
/// # Panics
/// When `memory` is empty.
pub fn read(memory: &[&MemoryEntry], query_key: &Tensor) -> Tensor {
    let join = |part: fn(&MemoryEntry) -> &Tensor| {
        let parts: Vec<_> = memory.iter().map(|entry| part(entry).flatten(2, 3)).collect();
        Tensor::cat(&parts, 2)
    };
    let (keys, values) = (join(|entry| &entry.key), join(|entry| &entry.value));
    let size = query_key.size();
    let read = readout(&affinity(&keys, &query_key.flatten(2, 3)), &values);
    read.view([size[0], values.size()[1], size[2], size[3]])
}
