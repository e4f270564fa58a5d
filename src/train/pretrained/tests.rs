use super::*;
use crate::{
    model::{Config, Prompts, resize_positions},
    weights::{self, Contents, Format},
};
use std::path::PathBuf;
use tch::{Device, Kind};

fn config() -> Config {
    let prompts = Prompts { encoder_stem: 16, encoder_stages: [16, 24, 32], key_dim: 32 };
    Config { prompts: Some(prompts), ..Config::small() }
}

fn model(seed: u64) -> Hiptrack {
    Hiptrack::new(&config(), seed, Device::Cpu).unwrap()
}

/// A file with the tensors of `model` under the names that `rename` gives them; those without one are left out.
fn file(folder: &Path, model: &Hiptrack, rename: impl Fn(&str) -> Option<String>) -> PathBuf {
    let named: Named =
        model.params().iter().filter_map(|(name, tensor, _)| Some((rename(name)?, tensor.detach()))).collect();
    save(folder, &named)
}

fn save(folder: &Path, named: &Named) -> PathBuf {
    let path = folder.join("weights.pth");
    let tensors = named.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    weights::write(&path, Format::Torch, &Contents { tensors, ..Contents::default() }).unwrap();
    path
}

fn get<'a>(model: &'a Hiptrack, name: &str) -> &'a Tensor {
    model.params().get(name).unwrap()
}

#[test]
fn a_tracker_without_class_head_is_loaded_and_the_head_drawn() {
    let home = tempfile::tempdir().unwrap();
    let (other, ours) = (model(1), model(2));
    let path = file(home.path(), &other, |name| (!name.starts_with("cls_head.")).then(|| format!("module.{name}")));
    let loaded = load(&ours, &path, Choice::default()).unwrap();
    assert_eq!((loaded.source, loaded.scratch.len()), (Source::Tracker, 4));
    assert!(loaded.lines(&path)[0].contains("HIPTrack") && loaded.lines(&path)[0].contains("cls_head (4)"));
    let fresh = model(2);
    for (name, tensor, _) in ours.params().iter() {
        let same = if name.starts_with("cls_head.") { &fresh } else { &other };
        assert_eq!(tensor, get(same, name), "{name}");
    }
}

#[test]
fn what_is_missing_misshapen_or_unexpected_is_listed() {
    let home = tempfile::tempdir().unwrap();
    let ours = model(2);
    let path = file(home.path(), &model(1), |name| match name {
        "key_comp.bias" | "box_head.conv5_ctr.bias" => None,
        "key_comp.weight" => Some("key_proj.key_proj.bias".into()),
        "key_proj.key_proj.bias" => Some("extra.thing".into()),
        name => Some(name.to_string()),
    });
    let failure = load(&ours, &path, Choice::default()).unwrap_err();
    for part in [
        "weights of HIPTrack",
        "4 tensors do not fit",
        "key_comp.bias: missing",
        "key_comp.weight: missing",
        "box_head.conv5_ctr.bias: missing",
        "key_proj.key_proj.bias: shape [64, 128, 3, 3], the model has [32]",
    ] {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
    assert_eq!(failure.kind.exit_code(), 66);
    let lines = compare(&ours, &path, Choice::default()).unwrap().lines(&path);
    assert!(lines[1].contains("1 unexpected tensors were not used: extra.thing"), "{lines:?}");
}

#[test]
fn a_tracker_without_prompts_gives_backbone_and_box_head() {
    let home = tempfile::tempdir().unwrap();
    let (other, ours) = (model(1), model(2));
    let kept = |name: &str| {
        (name.starts_with("backbone.") || name.starts_with("box_head.")) && !name.contains("temporal_pos_embed")
    };
    let path = file(home.path(), &other, |name| kept(name).then(|| name.to_string()));
    let loaded = load(&ours, &path, Choice::default()).unwrap();
    assert_eq!(loaded.source, Source::OneStream);
    let fresh = model(2);
    for (name, tensor, _) in ours.params().iter() {
        assert_eq!(tensor, get(if kept(name) { &other } else { &fresh }, name), "{name}");
    }
    let path = file(home.path(), &other, |name| name.starts_with("backbone.").then(|| name.to_string()));
    assert!(
        load(&ours, &path, Choice::default()).unwrap_err().message.contains("box_head.conv1_ctr.0.weight: missing")
    );
}

#[test]
fn ostrack_is_loaded_whole_and_another_tracker_is_none() {
    let home = tempfile::tempdir().unwrap();
    let plain =
        |seed| Hiptrack::new(&Config { prompts: None, class_head: None, ..config() }, seed, Device::Cpu).unwrap();
    let (other, ours) = (plain(1), plain(2));
    let loaded = load(&ours, &file(home.path(), &other, |name| Some(name.to_string())), Choice::default()).unwrap();
    assert_eq!((loaded.source, loaded.scratch.len()), (Source::OneStream, 0));
    assert!(loaded.report.is_exact());
    assert!(other.params().iter().all(|(name, tensor, _)| tensor == get(&ours, name)));
    let lacking = file(home.path(), &other, |name| (name != "backbone.pos_embed_z").then(|| name.to_string()));
    assert!(load(&ours, &lacking, Choice::default()).unwrap_err().message.contains("backbone.pos_embed_z: missing"));

    let hiptrack = Hiptrack::new(&Config { class_head: None, ..config() }, 1, Device::Cpu).unwrap();
    let path = file(home.path(), &hiptrack, |name| Some(name.to_string()));
    let failure = load(&ours, &path, Choice::default()).unwrap_err();
    for part in
        ["weights of HIPTrack, but the model is plain OSTrack", "HIP (121)", "backbone (2)", "temporal_pos_embed_"]
    {
        assert!(failure.message.contains(part), "{part}: {failure}");
    }
    let prompts = |name: &str| ["HIP.", "key_", "search"].iter().any(|part| name.starts_with(part));
    let path = file(home.path(), &hiptrack, |name| (!prompts(name)).then(|| name.to_string()));
    assert!(load(&ours, &path, Choice::default()).unwrap_err().message.contains("weights of DropTrack, but"));
    // A plain ViT starts it, as it does the others.
    let positions = Tensor::zeros([1, 197, config().dim], (Kind::Float, Device::Cpu));
    let loaded = load(&ours, &vit(home.path(), &hiptrack, positions), Choice::default()).unwrap();
    assert!(loaded.scratch.iter().all(|name| name.starts_with("box_head.")), "{:?}", loaded.scratch);
}

/// A plain ViT made of the backbone of `model`, with `positions`, and what MAE and DeiT have besides.
fn vit(folder: &Path, model: &Hiptrack, positions: Tensor) -> PathBuf {
    let mut named: Named = Vec::new();
    for (name, tensor, _) in model.params().iter() {
        let Some(name) = name.strip_prefix("backbone.").filter(|name| !name.contains("pos_embed")) else { continue };
        named.push((name.to_string(), tensor.detach()));
    }
    named.push(("pos_embed".into(), positions));
    for extra in ["mask_token", "decoder_blocks.0.norm1.weight", "head.weight", "head_dist.bias", "dist_token"] {
        named.push((extra.into(), Tensor::zeros([1], (Kind::Float, Device::Cpu))));
    }
    save(folder, &named)
}

#[test]
fn a_plain_vit_gives_the_backbone_with_resized_positions() {
    let home = tempfile::tempdir().unwrap();
    let (other, ours, fresh) = (model(1), model(2), model(2));
    let dim = config().dim;
    for (extra, grid) in [(1, 14), (2, 14), (0, 14), (1, 24)] {
        let positions = Tensor::randn([1, extra + grid * grid, dim], (Kind::Float, Device::Cpu));
        let patches = positions.narrow(1, extra, grid * grid);
        let loaded = load(&ours, &vit(home.path(), &other, positions.copy()), Choice::default()).unwrap();
        assert_eq!((loaded.source, loaded.ignored.len()), (Source::Vit, 5));
        assert!(loaded.report.unexpected.is_empty());
        assert_eq!(get(&ours, "backbone.pos_embed_z"), &resize_positions(&patches, config().template_grid()));
        assert_eq!(get(&ours, "backbone.pos_embed_x"), &resize_positions(&patches, config().search_grid()));
        if (extra, grid) == (1, 14) {
            assert_eq!(get(&ours, "backbone.pos_embed"), &positions);
        }
        let block = "backbone.blocks.2.mlp.fc1.weight";
        assert_eq!(get(&ours, block), get(&other, block));
        let drawn = "box_head.conv5_ctr.bias";
        assert_eq!(get(&ours, drawn), get(&fresh, drawn));
    }
    let odd = Tensor::zeros([1, 199, dim], (Kind::Float, Device::Cpu));
    assert!(
        load(&ours, &vit(home.path(), &other, odd), Choice::default()).unwrap_err().message.contains("no square grid")
    );
}

#[test]
fn a_resnet_gives_the_stem_and_stages_of_the_encoder() {
    let home = tempfile::tempdir().unwrap();
    let (other, ours) = (model(1), model(2));
    let resnet: Named = other
        .params()
        .iter()
        .filter_map(|(name, tensor, _)| {
            let name = name.strip_prefix("HIP.encoder.").filter(|name| !name.starts_with("fuser."))?;
            let convolution = name.contains("conv") || name.contains("downsample.0");
            let tensor = if name == "conv1.weight" { tensor.narrow(1, 0, 3) } else { tensor.shallow_clone() };
            // The reference's own file has neither biases nor counts of batches.
            (!(convolution && name.ends_with("bias") || name.ends_with("num_batches_tracked")))
                .then(|| (name.to_string(), tensor.detach().contiguous() + 0.25))
        })
        .chain([("fc.weight".to_string(), Tensor::from(1f32)), ("layer4.0.bn1.bias".to_string(), Tensor::from(1f32))])
        .collect();
    let path = save(home.path(), &resnet);
    let loaded = load_encoder(&ours, &path, Choice::default()).unwrap();
    assert_eq!((loaded.source, loaded.ignored.len(), loaded.report.unexpected.len()), (Source::Resnet18, 2, 0));
    let stem = get(&ours, "HIP.encoder.conv1.weight");
    assert_eq!(stem.narrow(1, 0, 3), resnet.iter().find(|(name, _)| name == "conv1.weight").unwrap().1);
    let mask = stem.narrow(1, 3, 1).reshape([16, 49]).to_kind(Kind::Double);
    let gram = mask.matmul(&mask.tr()) - Tensor::eye(16, (Kind::Double, Device::Cpu));
    assert!(gram.abs().max().double_value(&[]) < 1e-6, "the mask's channel is orthogonal");
    assert_eq!(get(&ours, "HIP.encoder.conv1.bias").abs().max().double_value(&[]), 0.0);
    assert_eq!(get(&ours, "HIP.encoder.layer2.0.downsample.0.bias").abs().max().double_value(&[]), 0.0);
    let variance = "HIP.encoder.layer3.1.bn2.running_var";
    assert_eq!(get(&ours, variance), &(get(&other, variance) + 0.25));
    let fresh = model(2);
    let fuser = "HIP.encoder.fuser.block1.conv1.weight";
    assert_eq!(get(&ours, fuser), get(&fresh, fuser));
    assert!(load(&ours, &path, Choice::default()).unwrap_err().message.contains("MODEL.HIP.PRETRAIN_FILE"));
}

#[test]
fn weights_of_unknown_models_and_missing_files_are_named() {
    let home = tempfile::tempdir().unwrap();
    let path = save(home.path(), &vec![("features.0.weight".into(), Tensor::from(1f32))]);
    let failure = load(&model(1), &path, Choice::default()).unwrap_err();
    assert!(failure.message.contains("unknown model (1 tensors: features.0.weight"), "{failure}");
    let failure = locate("MODEL.PRETRAIN_FILE", Path::new("gone.pth")).unwrap_err();
    assert!(failure.message.contains("pretrained_models/gone.pth") && failure.message.contains("=none"), "{failure}");
}

#[test]
fn blocks_of_the_condition_heads_own_are_no_other_model() {
    use crate::model::{ClassHead, ClassInput, Pooling};
    let home = tempfile::tempdir().unwrap();
    let plain = config().class_head.unwrap();
    let own = ClassHead { stem: vec![4, 6, 8, 8], blocks: 1, pooling: Pooling::Attention, ..plain };
    let head = ClassHead { input: ClassInput::Tokens, ..own };
    let with = |seed| Hiptrack::new(&Config { class_head: Some(head.clone()), ..config() }, seed, Device::Cpu).unwrap();
    let (other, ours) = (with(1), with(2));
    let path = file(home.path(), &other, |name| Some(name.into()));
    let loaded = load(&ours, &path, Choice::default()).unwrap();
    assert_eq!((loaded.source, loaded.scratch.len()), (Source::Tracker, 0));
    for (name, tensor, _) in ours.params().iter() {
        assert_eq!(tensor, get(&other, name), "{name}");
    }
    assert!(load_for_tracking(&with(3), &path, Choice::default()).unwrap().conditions);
}
