//! The loss of the condition head. Frames without a label count neither in the sum nor in the mean.

use tch::{Kind, Reduction, Tensor};

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
    /// Kullback-Leibler divergence of the predicted from the true probabilities (`MTL_MODE: soft`).
    Soft,
    /// Binary cross-entropy of each condition, as a mean over them, and the smooth L1 distance of the severity where it
    /// is known (`MTL_MODE: multilabel`).
    MultiLabel {
        /// Scales the severity's part (`SEVERITY_WEIGHT`).
        severity: f64,
    },
}

/// Loss and hits of the condition head, per frame.
#[derive(Debug)]
pub struct ClassComponents {
    /// `[N]`: the sum over the frame's labelled clips. What it is divided by is their number in the whole batch, of which
    /// these clips may be a part.
    pub sum: Tensor,
    /// `[N]` f32: how many labelled clips were predicted correctly.
    pub correct: Tensor,
    /// `[N]` f32: how many were labelled.
    pub labelled: Tensor,
}

/// How many clips have a label in each frame: `[N]` f32 of labels `[N, B]` i64; a label outside `0..classes` is none.
pub fn labelled(labels: &Tensor, classes: i64) -> Tensor {
    over_clips(known(labels, classes).to_kind(Kind::Float))
}

fn known(labels: &Tensor, classes: i64) -> Tensor {
    labels.ge(0).logical_and(&labels.lt(classes))
}

fn over_clips(x: Tensor) -> Tensor {
    x.sum_dim_intlist([1i64].as_slice(), false, None::<Kind>)
}

/// How many labelled frames of each condition (rows) were predicted as which (columns): `[K, K]` f64 of logits
/// `[N, B, K]` and labels `[N, B]` i64, on their device.
pub fn confusion(logits: &Tensor, labels: &Tensor) -> Tensor {
    let classes = logits.size()[2];
    let of_each = |index: &Tensor| index.flatten(0, -1).unsqueeze(-1).eq_tensor(&known_classes(classes, index));
    let (truth, stated) = (of_each(labels).to_kind(Kind::Double), of_each(&logits.detach().argmax(-1, false)));
    truth.tr().matmul(&stated.to_kind(Kind::Double))
}

fn known_classes(classes: i64, like: &Tensor) -> Tensor {
    Tensor::arange(classes, (Kind::Int64, like.device()))
}

impl ClassLoss {
    /// The terms of logits `[N, B, K]` and labels `[N, B]` i64; a label outside `0..K` is no label. `Soft` and
    /// `MultiLabel` learn `soft` `[N, B, K + 1]`, or the label alone where that is not given, and `MultiLabel` the
    /// `severity` `[N, B]` that was predicted.
    pub fn components(
        self,
        logits: &Tensor,
        labels: &Tensor,
        soft: Option<&Tensor>,
        severity: Option<&Tensor>,
    ) -> ClassComponents {
        let classes = logits.size()[2];
        let label = labels.clamp(0, classes - 1).unsqueeze(-1);
        let log_p = logits.log_softmax(-1, None::<Kind>);
        let own = log_p.gather(-1, &label, false).squeeze_dim(-1);
        let probable = || match soft {
            Some(soft) => soft.narrow(-1, 0, classes),
            None => label.eq_tensor(&known_classes(classes, &label)).to_kind(Kind::Float),
        };
        let loss = match self {
            Self::CrossEntropy => -own,
            Self::Soft => {
                let truth = probable();
                let truth = &truth / truth.sum_dim_intlist([-1i64].as_slice(), true, None::<Kind>).clamp_min(1e-6);
                // 0·ln 0 is 0.
                let each = truth.xlogy(&truth) - &truth * log_p;
                each.sum_dim_intlist([-1i64].as_slice(), false, None::<Kind>)
            }
            Self::MultiLabel { severity: weight } => {
                let truth = probable();
                let each = logits.binary_cross_entropy_with_logits::<Tensor>(&truth, None, None, Reduction::None);
                let conditions = each.mean_dim([-1i64].as_slice(), false, None::<Kind>);
                match (soft, severity) {
                    (Some(soft), Some(stated)) => {
                        let truth = soft.select(-1, classes);
                        let is_known = truth.ge(0.0).to_kind(Kind::Float);
                        conditions + stated.smooth_l1_loss(&truth, Reduction::None, 1.0) * is_known * weight
                    }
                    _ => conditions,
                }
            }
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
        let known = known(labels, classes).to_kind(Kind::Float);
        let hit = logits.detach().argmax(-1, false).eq_tensor(labels).to_kind(Kind::Float);
        ClassComponents {
            sum: over_clips(loss * &known),
            correct: over_clips(hit * &known),
            labelled: over_clips(known),
        }
    }
}
