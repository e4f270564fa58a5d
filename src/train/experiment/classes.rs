//! The class loss: which, its constants, its weight, and for how long the condition head learns.

use super::{
    fraction, not_negative,
    tasks::{ClassTargets, MtlMode},
    training::Context,
};
use crate::settings::{FromNode, Section};

/// Part of `TRAIN`.
pub(super) struct ClassLoss {
    /// λ; 0 without a condition head.
    pub weight: f64,
    pub name: &'static str,
    pub focal_alpha: f64,
    pub focal_gamma: f64,
    pub smoothing: f64,
    pub severity_weight: f64,
    pub freeze_epoch: Option<usize>,
    pub gradient_scale: f64,
}

impl ClassLoss {
    pub fn read(train: &mut Section<'_>, context: &Context<'_>, mtl: MtlMode) -> Self {
        let has_classes = context.has_classes;
        let weight = train.reading_idly(!has_classes, |train| train.checked("CLS_WEIGHT", 1.0, not_negative));
        let kinds = ["CE", "FOCAL", "LABEL_SMOOTH"];
        let name = train.reading_idly(!has_classes, |train| train.chosen("CLS_LOSS_TYPE", "CE", &kinds));
        let is = |kind: &str| has_classes && name.is_none_or(|name| name == kind);
        let complaint: fn(&f64) -> Option<String> = fraction;
        let [focal_alpha, focal_gamma, smoothing] = [
            ("CLS_FOCAL_ALPHA", 0.25, complaint, "FOCAL"),
            ("CLS_FOCAL_GAMMA", 2.0, not_negative, "FOCAL"),
            ("CLS_LABEL_SMOOTHING", 0.1, fraction, "LABEL_SMOOTH"),
        ]
        .map(|(key, default, complaint, kind)| {
            let value = train.reading_idly(!is(kind), |train| train.checked(key, default, complaint));
            if has_classes && !is(kind) {
                train.without_effect(key, format!("it belongs to CLS_LOSS_TYPE {kind}"));
            }
            value
        });
        let many = mtl.targets == ClassTargets::MultiLabel;
        train.says("multilabel: weight of the severity's smooth L1 beside the conditions' cross-entropy");
        let severity_weight = train.reading_idly(!many, |train| train.checked("SEVERITY_WEIGHT", 1.0, not_negative));
        if !many {
            train.without_effect("SEVERITY_WEIGHT", "it belongs to MTL_MODE multilabel");
        }
        let gradient_scale =
            train.reading_idly(!has_classes, |train| {
                train
                    .says("what the class task's gradients into shared features are multiplied by; 0: none pass")
                    .checked("CLS_GRADIENT_SCALE", 1.0, not_negative)
            });
        let freeze = train.reading_idly(!has_classes, |train| train.value("FREEZE_CLS_EPOCH", -1i64));
        if !has_classes {
            for key in [
                "CLS_WEIGHT",
                "CLS_LOSS_TYPE",
                "CLS_FOCAL_ALPHA",
                "CLS_FOCAL_GAMMA",
                "CLS_LABEL_SMOOTHING",
                "CLS_GRADIENT_SCALE",
            ] {
                train.without_effect(key, context.no_classes());
            }
            match train.node("FREEZE_CLS_EPOCH").and_then(i64::from_node) {
                Some(0..) => train.problem("FREEZE_CLS_EPOCH", format!("{}; leave the key out", context.no_classes())),
                _ => train.without_effect("FREEZE_CLS_EPOCH", context.no_classes()),
            }
        }
        let name = name.unwrap_or("CE");
        if mtl.targets != ClassTargets::Class && name != "CE" {
            let message = format!("{name} is a loss of classes; use CE, or one of MTL_MODE ce and film");
            train.problem("CLS_LOSS_TYPE", message);
        }
        let weight = if has_classes { weight } else { 0.0 };
        let freeze_epoch = usize::try_from(freeze).ok();
        Self { weight, name, focal_alpha, focal_gamma, smoothing, severity_weight, freeze_epoch, gradient_scale }
    }
}
