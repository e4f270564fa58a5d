//! Convolutions of one picture in channels-last layout `[H, W, C]`, the layout in which tokens lie.

use super::weights::Kernel;
use crate::native::PackedConvolution;
use tch::Tensor;

/// With fewer channels Winograd's transforms cost what they save.
const FEWEST_CHANNELS: i64 = 128;

/// A convolution with bias, padded so that stride 1 keeps the size.
#[derive(Debug)]
pub(super) enum Conv {
    Direct(Direct),
    Deep(PackedConvolution),
}

impl Conv {
    /// libtorch's own convolution.
    pub fn direct(kernel: &Kernel, stride: i64) -> Self {
        Self::Direct(Direct::new(kernel, stride))
    }

    /// For 3×3, stride 1, many channels and an even grid: on a CPU with fewer multiplications.
    pub fn deep(kernel: &Kernel, grid: i64) -> Self {
        let size = kernel.weight.size();
        let suits = size[2] == 3 && grid % 2 == 0 && size[1] >= FEWEST_CHANNELS;
        let packed = if suits { PackedConvolution::new(&kernel.weight, &kernel.bias, grid * grid) } else { None };
        packed.map_or_else(|| Self::direct(kernel, 1), Self::Deep)
    }

    /// `[H, W, in]` to `[H', W', out]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Direct(conv) => conv.forward(x),
            Self::Deep(conv) => conv.forward(x),
        }
    }
}

#[derive(Debug)]
pub(super) struct Direct {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
}

impl Direct {
    fn new(kernel: &Kernel, stride: i64) -> Self {
        let channels_last = kernel.weight.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        Self { weight: channels_last, bias: kernel.bias.shallow_clone(), stride }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let padding = self.weight.size()[2] / 2;
        let y = as_planes(x).conv2d(&self.weight, Some(&self.bias), [self.stride], [padding], [1], 1);
        as_pixels(&y)
    }
}

/// `[H, W, C]` as `[1, C, H, W]`, without a copy.
pub(super) fn as_planes(x: &Tensor) -> Tensor {
    let size = x.size();
    x.view([1, size[0], size[1], size[2]]).permute([0, 3, 1, 2])
}

/// `[1, C, H, W]` as `[H, W, C]`; without a copy when it lies so.
pub(super) fn as_pixels(x: &Tensor) -> Tensor {
    x.permute([0, 2, 3, 1]).squeeze_dim(0).contiguous()
}
