//! Convolutions of one picture in channels-last layout `[H, W, C]`, the layout in which tokens lie.

use super::weights::Kernel;
use tch::{Device, Kind, Tensor};

/// A convolution with bias, padded so that stride 1 keeps the size.
#[derive(Debug)]
pub(super) enum Conv {
    Direct(Direct),
    Winograd(Winograd),
}

impl Conv {
    /// libtorch's own convolution.
    pub fn direct(kernel: &Kernel, stride: i64) -> Self {
        Self::Direct(Direct::new(kernel, stride))
    }

    /// For 3×3, stride 1, many channels and an even grid: on a CPU with fewer multiplications.
    pub fn deep(kernel: &Kernel, grid: i64) -> Self {
        let size = kernel.weight.size();
        let suits = size[2] == 3 && grid % 2 == 0 && size[1] >= 128 && kernel.weight.device() == Device::Cpu;
        if suits { Self::Winograd(Winograd::new(kernel)) } else { Self::direct(kernel, 1) }
    }

    /// `[H, W, in]` to `[H', W', out]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Direct(conv) => conv.forward(x),
            Self::Winograd(conv) => conv.forward(x),
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

/// Winograd's F(2×2, 3×3): a tile of 4×4 inputs gives 2×2 outputs with 16 multiplications instead of 36
/// (Lavin and Gray: "Fast algorithms for convolutional neural networks", CVPR 2016).
#[derive(Debug)]
pub(super) struct Winograd {
    /// `[16, in, out]`: the kernel in the transformed domain.
    kernel: Tensor,
    bias: Tensor,
    /// `[16, 16]`: Bᵀ ⊗ Bᵀ, of the input tiles.
    input: Tensor,
    /// `[4, 16]`: Aᵀ ⊗ Aᵀ, of the output tiles.
    output: Tensor,
}

const INPUT: [f64; 16] = [1., 0., -1., 0., 0., 1., 1., 0., 0., -1., 1., 0., 0., 1., 0., -1.];
const KERNEL: [f64; 12] = [1., 0., 0., 0.5, 0.5, 0.5, 0.5, -0.5, 0.5, 0., 0., 1.];
const OUTPUT: [f64; 8] = [1., 1., 1., 0., 0., 1., -1., -1.];

/// The Kronecker square of a matrix with `rows` rows, f64.
fn square(matrix: &[f64], rows: i64) -> Tensor {
    let matrix = Tensor::from_slice(matrix).view([rows, -1]);
    matrix.kron(&matrix)
}

impl Winograd {
    fn new(kernel: &Kernel) -> Self {
        let size = kernel.weight.size();
        let (out, from) = (size[0], size[1]);
        let taps = kernel.weight.to_kind(Kind::Double).permute([2, 3, 1, 0]).reshape([9, from * out]);
        let transformed = square(&KERNEL, 4).matmul(&taps).view([16, from, out]);
        Self {
            kernel: transformed.to_kind(Kind::Float).contiguous(),
            bias: kernel.bias.shallow_clone(),
            input: square(&INPUT, 4).to_kind(Kind::Float),
            output: square(&OUTPUT, 2).to_kind(Kind::Float),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let size = x.size();
        let (height, width, from) = (size[0], size[1], size[2]);
        let (rows, columns, out) = (height / 2, width / 2, self.kernel.size()[2]);
        let padded = x.constant_pad_nd([0, 0, 1, 1, 1, 1]);
        let (line, step) = ((width + 2) * from, 2 * from);
        let tiles = padded.as_strided([4, 4, rows, columns, from], [line, from, 2 * line, step, 1], None);
        let tiles = self.input.matmul(&tiles.reshape([16, -1])).view([16, rows * columns, from]);
        let products = tiles.bmm(&self.kernel).view([16, -1]);
        let pixels = self.output.matmul(&products).view([2, 2, rows, columns, out]).permute([2, 0, 3, 1, 4]);
        pixels.reshape([height, width, out]) + &self.bias
    }
}
