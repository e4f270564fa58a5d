//! ResNet-18 as the stem and first three stages of the prompt encoder.

use super::Named;
use crate::model::Params;
use tch::{Kind, Tensor};

/// The weights of torchvision's ResNet-18 under the encoder's names. The first convolution sees a mask beside the image:
/// that channel starts orthogonal, as in the reference (which does it with `orthogonal_`, after STCN), made of what the
/// model drew for it, so that the seed decides. ResNet's convolutions have no biases: the encoder's become 0.
pub(super) fn renamed(tensors: Named, params: &Params) -> Result<Named, String> {
    let mut renamed = Named::new();
    for (name, tensor) in tensors {
        let ours = format!("HIP.encoder.{name}");
        let bias = name.strip_suffix(".weight").map(|stem| format!("HIP.encoder.{stem}.bias"));
        let tensor = match (name.as_str(), params.get(&ours)) {
            ("conv1.weight", Some(drawn)) => with_mask_channel(&tensor, drawn)?,
            _ => tensor,
        };
        // Batch normalisation has a bias in the file; what has none there is a convolution.
        if tensor.dim() == 4
            && let Some(bias) = bias
            && let Some(drawn) = params.get(&bias)
        {
            renamed.push((bias, drawn.zeros_like()));
        }
        renamed.push((ours, tensor));
    }
    Ok(renamed)
}

/// `rgb` `[C, 3, k, k]` with the fourth channel of `drawn` `[C, 4, k, k]` made orthogonal.
fn with_mask_channel(rgb: &Tensor, drawn: &Tensor) -> Result<Tensor, String> {
    let (given, wanted) = (rgb.size(), drawn.size());
    if given.len() != 4 || given[1] != 3 || given[0] != wanted[0] || given[2..] != wanted[2..] {
        // Left to the comparison of shapes, which names both.
        return Ok(rgb.shallow_clone());
    }
    let mask = drawn.detach().to_device(tch::Device::Cpu).narrow(1, 3, 1);
    let rows = mask.reshape([wanted[0], -1]).to_kind(Kind::Double);
    let orthogonal = orthogonal(&rows).map_err(|error| error.to_string())?;
    Ok(Tensor::cat(&[rgb.to_kind(Kind::Float), orthogonal.to_kind(Kind::Float).reshape(mask.size())], 1))
}

/// Orthonormal columns (rows, where there are fewer of them) spanning those of `matrix`: QR with the signs of R's
/// diagonal, as PyTorch's `orthogonal_` does it (Saxe et al., 2013).
fn orthogonal(matrix: &Tensor) -> Result<Tensor, tch::TchError> {
    let wide = matrix.size()[0] < matrix.size()[1];
    let tall = if wide { matrix.tr() } else { matrix.shallow_clone() };
    let (q, r) = Tensor::f_linalg_qr(&tall, "reduced")?;
    let q = q * r.diagonal(0, 0, 1).sign();
    Ok(if wide { q.tr().contiguous() } else { q })
}
