//! In the place of our own kernels in a build without them: always `None`, so that libtorch's are used.

use std::marker::PhantomData;

use tch::Tensor;

/// There is none.
pub fn attention(_query: &Tensor, _key: &Tensor, _value: &Tensor) -> Option<Tensor> {
    None
}

/// There is none.
pub fn linear(_x: &Tensor, _weight: &Tensor, _bias: &Tensor) -> Option<Tensor> {
    None
}

/// There is none.
pub fn convolution(_map: &Tensor, _weight: &Tensor, _bias: &Tensor) -> Option<Tensor> {
    None
}

/// One pass over a batch on this thread, for which nothing is prepared.
#[derive(Debug)]
pub struct Pass {
    _of_thread: PhantomData<*const ()>,
}

impl Pass {
    /// Begins a pass, which ends when the value is dropped.
    pub fn begin() -> Self {
        Self { _of_thread: PhantomData }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {}
}

#[derive(Debug)]
enum Never {}

/// A linear layer with a weight laid out for the products: there is none.
#[derive(Debug)]
pub struct PackedLinear(Never);

impl PackedLinear {
    /// None.
    pub fn new(_weight: &Tensor, _bias: &Tensor, _rows: i64) -> Option<Self> {
        None
    }

    /// Cannot be called.
    pub fn forward(&self, _x: &Tensor) -> Tensor {
        match self.0 {}
    }
}

/// A convolution with a kernel laid out for the products: there is none.
#[derive(Debug)]
pub struct PackedConvolution(Never);

impl PackedConvolution {
    /// None.
    pub fn new(_weight: &Tensor, _bias: &Tensor, _places: i64) -> Option<Self> {
        None
    }

    /// Cannot be called.
    pub fn forward(&self, _map: &Tensor) -> Tensor {
        match self.0 {}
    }
}
