//! Box formats as tensors `[.., 4]`: the arithmetic order is the reference's, so that results agree bit for bit.

use tch::Tensor;

/// `(cx, cy, w, h)` to `(x0, y0, x1, y1)`, over the last dimension.
pub fn cxcywh_to_xyxy(boxes: &Tensor) -> Tensor {
    let (centre, half) = (boxes.narrow(-1, 0, 2), boxes.narrow(-1, 2, 2) * 0.5);
    Tensor::cat(&[&centre - &half, &centre + &half], -1)
}

/// `(x, y, w, h)` to `(x0, y0, x1, y1)`, over the last dimension.
pub fn xywh_to_xyxy(boxes: &Tensor) -> Tensor {
    let corner = boxes.narrow(-1, 0, 2);
    let opposite = &corner + boxes.narrow(-1, 2, 2);
    Tensor::cat(&[corner, opposite], -1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_give_the_corners() {
        let expected = Tensor::from_slice(&[10f32, 20.0, 40.0, 60.0]);
        assert_eq!(cxcywh_to_xyxy(&Tensor::from_slice(&[25f32, 40.0, 30.0, 40.0])), expected);
        assert_eq!(xywh_to_xyxy(&Tensor::from_slice(&[10f32, 20.0, 30.0, 40.0])), expected);
    }
}
