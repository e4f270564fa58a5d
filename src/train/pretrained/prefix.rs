//! What stands before all names of a model that lay within another one: `model.` in checkpoints of Lightning,
//! `backbone.` in those of DINO.

use crate::weights::Choice;

/// A tensor that every ViT has, by the end of its name.
const MARK: &str = "blocks.0.attn.qkv.weight";
const BACKBONE: &str = "backbone.";
/// The condition head may have blocks of its own; it is no model.
const CLASS_HEAD: &str = "cls_head.";

/// What stands before the names of the model in `names`; mostly nothing.
///
/// # Errors
/// There are several models, and nothing says which is meant.
pub(super) fn of(names: &[&str], choice: Choice<'_>) -> Result<String, String> {
    let mut found: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_suffix(MARK))
        .filter(|prefix| (prefix.is_empty() || prefix.ends_with('.')) && !prefix.ends_with(CLASS_HEAD))
        .collect();
    found.sort_unstable();
    found.dedup();
    let any = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
    let outer = |prefix: &str| {
        let Some(outer) = prefix.strip_suffix(BACKBONE) else { return prefix.to_string() };
        // A tracker has positions for template and search region, and a box head; without, it is a plain ViT that lay
        // under this name.
        let tracker = ["box_head.", "backbone.pos_embed_z", "backbone.pos_embed_x"];
        let plain = names.contains(&format!("{prefix}pos_embed").as_str());
        let is_tracker = tracker.iter().any(|name| any(&format!("{outer}{name}"))) || !plain;
        if is_tracker { outer.to_string() } else { prefix.to_string() }
    };
    match found.as_slice() {
        [] => Ok(String::new()),
        [one] => Ok(outer(one)),
        several if several.contains(&"") => Ok(String::new()),
        several => {
            let keys: Vec<String> =
                several.iter().map(|prefix| outer(prefix).trim_end_matches('.').to_string()).collect();
            let proposed =
                keys.iter().find(|key| key.contains("teacher") || key.contains("encoder")).unwrap_or(&keys[0]);
            let remedy = choice.remedy(&match choice.key.filter(|key| *key != ".") {
                Some(key) => format!("{key}.{proposed}"),
                None => proposed.clone(),
            });
            Err(format!("holds several models: {}; choose one: {remedy}", keys.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_lay_within_is_found() {
        let found = |names: &[&str]| of(names, Choice::default());
        assert_eq!(found(&["blocks.0.attn.qkv.weight", "decoder_blocks.0.attn.qkv.weight"]).unwrap(), "");
        assert_eq!(found(&["backbone.blocks.0.attn.qkv.weight", "box_head.conv1_ctr.0.weight"]).unwrap(), "");
        assert_eq!(
            found(&["backbone.blocks.0.attn.qkv.weight", "backbone.pos_embed", "head.mlp.0.weight"]).unwrap(),
            "backbone."
        );
        assert_eq!(found(&["model.backbone.blocks.0.attn.qkv.weight", "model.box_head.x"]).unwrap(), "model.");
        let own = ["m.backbone.blocks.0.attn.qkv.weight", "m.box_head.x", "m.cls_head.blocks.0.attn.qkv.weight"];
        assert_eq!(found(&own).unwrap(), "m.");
        assert_eq!(found(&["encoder.blocks.0.attn.qkv.weight"]).unwrap(), "encoder.");
        let error = found(&["student.blocks.0.attn.qkv.weight", "teacher.blocks.0.attn.qkv.weight"]).unwrap_err();
        assert_eq!(error, "holds several models: student, teacher; choose one: --key teacher");
    }
}
