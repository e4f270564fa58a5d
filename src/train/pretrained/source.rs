//! Whose weights a file holds, told by their names.

/// A source of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// HIPTrack, with or without the condition head: trackflow's own checkpoints and the reference's.
    Tracker,
    /// A tracker without historical prompts: DropTrack, OSTrack.
    OneStream,
    /// A plain ViT: MAE, timm, DeiT.
    Vit,
    /// ResNet-18 of torchvision, for the prompt encoder's stem and first three stages.
    Resnet18,
}

/// What only HIPTrack has.
pub(super) const PROMPTS: [&str; 4] = ["HIP.", "key_proj.", "key_comp.", "searchRegionFusion."];

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tracker => "HIPTrack",
            Self::OneStream => "DropTrack or OSTrack",
            Self::Vit => "a plain ViT (MAE, timm, DeiT)",
            Self::Resnet18 => "ResNet-18",
        })
    }
}

impl Source {
    /// The source whose names these are.
    ///
    /// # Errors
    /// They are nobody's that is known here.
    pub fn of(names: &[&str]) -> Result<Self, String> {
        let any = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
        if any("backbone.blocks.") {
            return Ok(if PROMPTS.into_iter().any(any) { Self::Tracker } else { Self::OneStream });
        }
        if any("blocks.0.attn.qkv.") {
            return Ok(Self::Vit);
        }
        if names.contains(&"conv1.weight") && any("layer1.0.conv1.") {
            return Ok(Self::Resnet18);
        }
        let first = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        Err(format!(
            "weights of an unknown model ({} tensors: {first}, …); known are HIPTrack, DropTrack, OSTrack, plain ViTs \
             (MAE, timm, DeiT) and ResNet-18",
            names.len()
        ))
    }

    /// Whether the source need not have the model's tensor `name`, which then starts from scratch.
    pub fn may_lack(self, name: &str) -> bool {
        let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        match self {
            Self::Tracker => any(&["cls_head.", "film."]),
            // OSTrack knows no temporal embeddings.
            Self::OneStream => any(&PROMPTS) || any(&["cls_head.", "film.", "backbone.temporal_pos_embed_"]),
            // The norm is missing where a classifier was fine-tuned on pooled tokens, which has `fc_norm` instead; the
            // class token where there is none. The tracker uses no class token.
            Self::Vit => {
                any(&PROMPTS)
                    || any(&["cls_head.", "film.", "box_head.", "backbone.temporal_pos_embed_", "backbone.norm."])
                    || name == "backbone.cls_token"
            }
            // Its convolutions have no biases (they become 0), and older files do not count batches.
            Self::Resnet18 => {
                !name.starts_with("HIP.encoder.")
                    || name.starts_with("HIP.encoder.fuser.")
                    || name.ends_with(".num_batches_tracked")
            }
        }
    }

    /// Whether the source's own tensor `name` is of no use here, as everyone expects.
    pub fn leaves_out(self, name: &str) -> bool {
        let any = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        match self {
            Self::Tracker | Self::OneStream => false,
            Self::Vit => {
                any(&["decoder", "mask_token", "head.", "head_dist.", "dist_token", "fc_norm.", "pre_logits."])
            }
            Self::Resnet18 => any(&["layer4.", "fc."]),
        }
    }
}
