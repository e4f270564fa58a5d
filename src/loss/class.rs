//! The loss of the condition head. Frames without a label count neither in the sum nor in the mean.

use tch::{Kind, Tensor};

/// Which classification loss (`TRAIN.CLS_LOSS_TYPE`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClassLoss {
    /// Cross-entropy (`CE`).
    CrossEntropy,
    /// `alpha · (1 − p)^gamma` times the cross-entropy (`FOCAL`; Lin et al., 2017).
    Focal {
        /// Scales the whole loss (`CLS_FOCAL_ALPHA`).
        alpha: f64,
        /// How little the easy frames count (`CLS_FOCAL_GAMMA`).
        gamma: f64,
    },
    /// Cross-entropy against a target that leaves `smoothing` to the other classes (`LABEL_SMOOTH`).
    Smooth {
        /// Spread evenly over the other classes (`CLS_LABEL_SMOOTHING`).
        smoothing: f64,
    },
}

/// Loss and hits of the condition head, per frame.
#[derive(Debug)]
pub struct ClassTerms {
    /// `[N]`: the mean over the frame's labelled clips; 0 where there is none.
    pub loss: Tensor,
    /// `[N]` f32: how many labelled clips were told right.
    pub correct: Tensor,
    /// `[N]` f32: how many were labelled.
    pub labelled: Tensor,
}

/// How many labelled frames of each condition (rows) were told to be which (columns): `[K, K]` f64 of logits
/// `[N, B, K]` and labels `[N, B]` i64, on their device.
pub fn confusion(logits: &Tensor, labels: &Tensor) -> Tensor {
    let classes = logits.size()[2];
    let of_each = |index: &Tensor| index.flatten(0, -1).unsqueeze(-1).eq_tensor(&known_classes(classes, index));
    let (truth, told) = (of_each(labels).to_kind(Kind::Double), of_each(&logits.detach().argmax(-1, false)));
    truth.tr().matmul(&told.to_kind(Kind::Double))
}

fn known_classes(classes: i64, like: &Tensor) -> Tensor {
    Tensor::arange(classes, (Kind::Int64, like.device()))
}

impl ClassLoss {
    /// The terms of logits `[N, B, K]` and labels `[N, B]` i64; a label outside `0..K` is no label.
    pub fn terms(self, logits: &Tensor, labels: &Tensor) -> ClassTerms {
        let classes = logits.size()[2];
        let known = labels.ge(0).logical_and(&labels.lt(classes));
        let label = labels.clamp(0, classes - 1).unsqueeze(-1);
        let log_p = logits.log_softmax(-1, None::<Kind>);
        let own = log_p.gather(-1, &label, false).squeeze_dim(-1);
        let loss = match self {
            Self::CrossEntropy => -own,
            Self::Focal { alpha, gamma } => {
                let miss: Tensor = 1 - own.exp();
                miss.pow_tensor_scalar(gamma) * -own * alpha
            }
            Self::Smooth { smoothing } => {
                let share = smoothing / (classes - 1) as f64;
                let all = log_p.sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>);
                (all * share + own * (1.0 - smoothing - share)).neg()
            }
        };
        let known = known.to_kind(Kind::Float);
        let per_frame = |x: Tensor| x.sum_dim_intlist([1i64].as_slice(), false, None::<Kind>);
        let labelled = per_frame(known.shallow_clone());
        let hit = logits.detach().argmax(-1, false).eq_tensor(labels).to_kind(Kind::Float);
        ClassTerms {
            loss: per_frame(loss * &known) / labelled.clamp_min(1.0),
            correct: per_frame(hit * &known),
            labelled,
        }
    }
}
