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

    /// `[…, H, W, 3]` bytes as `[…, 3, H, W]` normalised f32 on the device.
    ///
    /// # Errors
    /// Bytes that do not have this shape.
    pub fn planes(&self, bytes: &[u8], shape: &[i64]) -> Result<Tensor> {
        let bytes = send(&Tensor::f_from_data_size(bytes, shape, Kind::Uint8)?, self.device)?;
        let last = shape.len() as i64 - 1;
        let planes = bytes.f_movedim_int(last, last - 2)?.f_to_kind(Kind::Float)?;
        Ok((planes * &self.scale + &self.shift).f_contiguous()?)
    }
}
