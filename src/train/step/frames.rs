//! A row for each search frame of an evaluation, still on the device.

use crate::{
    loss::{Target, overlap::generalised_iou},
    model::{
        ClipOutput,
        boxes::{cxcywh_to_xyxy, xywh_to_xyxy},
    },
};
use tch::{Kind, Tensor};

/// `[B·N, 6 + C]` f32, clip-major: label, IoU, true box `(x, y, w, h)`, and the pooled feature where it is `wanted`
/// ([`Features`](crate::train::features::Features)).
pub(super) fn frames(output: &ClipOutput, target: &Target, wanted: bool) -> Tensor {
    let truth = xywh_to_xyxy(&target.boxes).clamp(0.0, 1.0);
    let (_, iou) = generalised_iou(&cxcywh_to_xyxy(&output.boxes()), &truth);
    let pooled: Vec<&Tensor> = output.frames.iter().map(|frame| &frame.pooled).collect();
    let mut columns = vec![
        target.labels.unsqueeze(-1).to_kind(Kind::Float),
        iou.unsqueeze(-1).to_kind(Kind::Float),
        target.boxes.to_kind(Kind::Float),
    ];
    if wanted {
        columns.push(Tensor::stack(&pooled, 0).to_kind(Kind::Float));
    }
    Tensor::cat(&columns, -1).transpose(0, 1).flatten(0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FrameOutput;
    use tch::Device;

    #[test]
    fn a_clips_frames_stand_together_with_what_is_true_of_them() {
        let options = (Kind::Float, Device::Cpu);
        let frame = |n: f64| FrameOutput {
            boxes: Tensor::from_slice(&[0.5f32, 0.5, 0.2, 0.2, 0.5, 0.5, 0.2, 0.4]).view([2, 4]),
            score_map: Tensor::zeros([2, 1, 1, 1], options),
            size_map: Tensor::zeros([2, 2, 1, 1], options),
            offset_map: Tensor::zeros([2, 2, 1, 1], options),
            corners: None,
            pooled: Tensor::from_slice(&[n as f32, n as f32 + 10.0]).view([2, 1]),
            logits: None,
            severity: None,
            prompt: None,
        };
        let output = ClipOutput {
            frames: vec![frame(1.0), frame(2.0)],
            tokens: Tensor::zeros([4, 1, 1], options),
            removed: Vec::new(),
            memory: Vec::new(),
        };
        let boxes = Tensor::from_slice(&[0.4f32, 0.4, 0.2, 0.2]).view([1, 1, 4]).expand([2, 2, 4], false);
        let labels = Tensor::from_slice(&[3i64, -100, 5, 6]).view([2, 2]);
        let target = Target { boxes, labels, soft: None };
        let rows = frames(&output, &target, true);
        let column = |index: i64| Vec::<f32>::try_from(rows.select(1, index)).unwrap();
        assert_eq!((column(0), column(6)), (vec![3.0, 5.0, -100.0, 6.0], vec![1.0, 2.0, 11.0, 12.0]));
        assert!(frames(&output, &target, false).equal(&rows.narrow(1, 0, 6)));
        let expected = [1.0, 1.0, 0.5, 0.5];
        assert!(column(1).iter().zip(expected).all(|(iou, known)| (iou - known).abs() < 1e-5), "{:?}", column(1));
    }
}
