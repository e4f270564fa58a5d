//! Pixels as the network wants them.

use crate::failure::Result;
use crate::native::memory::send;
use tch::{Device, Kind, Tensor};

/// `(x/255 − mean)/std` per channel, on a device.
#[derive(Debug)]
pub struct Normaliser {
    scale: Tensor,
    shift: Tensor,
    device: Device,
}

impl Normaliser {
    /// For channels with this `mean` and `std`, as shares of white.
    pub fn new(mean: &[f64; 3], std: &[f64; 3], device: Device) -> Self {
        // One multiplication and one addition.
        let scale: Vec<f32> = std.iter().map(|std| (1.0 / (255.0 * std)) as f32).collect();
        let shift: Vec<f32> = mean.iter().zip(std).map(|(mean, std)| (-mean / std) as f32).collect();
        let channels = |values: &[f32]| Tensor::from_slice(values).view([3, 1, 1]).to_device(device);
        Self { scale: channels(&scale), shift: channels(&shift), device }
    }

    /// `[…, H, W, 3]` bytes of the host as `[…, 3, H, W]` normalised f32 on the device.
    ///
    /// # Errors
    /// Bytes that do not have this shape.
    pub fn planes_of(&self, bytes: &[u8], shape: &[i64]) -> Result<Tensor> {
        self.planes(&send(&Tensor::f_from_slice(bytes)?.f_view(shape)?, self.device)?)
    }

    /// `[…, H, W, 3]` bytes on the device as `[…, 3, H, W]` normalised f32.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn planes(&self, bytes: &Tensor) -> Result<Tensor> {
        let last = bytes.dim() as i64 - 1;
        let planes = bytes.f_movedim_int(last, last - 2)?.f_to_kind(Kind::Float)?;
        let planes = planes.f_mul(&self.scale)?.f_add(&self.shift)?;
        // A GPU's convolutions read them as they lie, with the channels last.
        if planes.device().is_cuda() { Ok(planes) } else { Ok(planes.f_contiguous()?) }
    }
}
