//! A tensor's numbers as bytes.

use crate::failure::{Failure, Result};
use tch::{Device, Tensor};

/// The numbers of a tensor in row-major order, as they lie in memory.
#[derive(Debug)]
pub struct Bytes {
    tensor: Tensor,
    length: usize,
}

impl Bytes {
    /// Those of `tensor`; they are copied only when it is not contiguous or not on the CPU.
    ///
    /// # Errors
    /// libtorch cannot copy it.
    pub fn of(tensor: &Tensor) -> Result<Self> {
        let tensor = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
        if !tensor.is_contiguous() {
            return Err(Failure::stage("a tensor that has no plain layout"));
        }
        let length = tensor.numel() * tensor.f_kind()?.elt_size_in_bytes();
        Ok(Self { tensor, length })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        let start = self.tensor.data_ptr().cast::<u8>();
        if start.is_null() || self.length == 0 {
            return &[];
        }
        // SAFETY: the tensor is dense, contiguous and on the CPU, so that many initialised bytes begin there, and it
        // lives as long as the borrow of `self`. Nobody writes to tensors while they are being stored.
        unsafe { std::slice::from_raw_parts(start, self.length) }
    }
}
