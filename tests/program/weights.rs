//! Files of weights through the program and through real PyTorch.

use crate::support::{self, fail, losses, program, succeed, text, train, with_torch};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use trackflow::weights::{Bytes, WeightsFile, dtype_name};

/// Runs `tests/tools/torch_files.py`; `None`, loudly, where there is no torch.
fn torch(verb: &str, path: &Path) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/torch_files.py");
    let output = with_torch(Command::new("python3").args(["-W", "ignore"]).arg(script).arg(verb).arg(path))?;
    assert!(output.status.success(), "{}", text(&output));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name, shape, type and bytes of every tensor, as the tool's manifest has them.
fn manifest(path: &Path) -> Value {
    let file = WeightsFile::open(path).unwrap();
    let facts = file.entries().iter().map(|entry| {
        let tensor = file.load(entry).unwrap();
        let bytes = hex(Bytes::of(&tensor).unwrap().as_slice());
        let facts = serde_json::json!({"shape": entry.shape, "dtype": dtype_name(entry.kind), "hex": bytes});
        (entry.name.clone(), facts)
    });
    Value::Object(facts.collect())
}

fn checkpoint(verb: &str) -> Command {
    let mut command = program();
    command.args(["checkpoint", verb]);
    command
}

#[test]
fn what_pytorch_writes_is_read_and_what_is_written_pytorch_reads() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    if torch("write", home.path()).is_none() {
        return;
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(at("manifest.json")).unwrap()).unwrap();
    let files: Vec<String> = serde_json::from_value(written["files"].clone()).unwrap();
    assert_eq!(files.len(), 8);
    for name in &files {
        assert_eq!(manifest(&at(name)), written["tensors"], "{name}");
    }

    for name in ["hiptrack.pth.tar", "hiptrack_legacy.pth.tar"] {
        let printed = succeed(checkpoint("inspect").arg(at(name)));
        for part in ["under net", "epoch: 3", "net_type: HIPTrack", "lib.train.admin.settings.Settings", "b.transposed"]
        {
            assert!(printed.contains(part), "{part}: {printed}");
        }
        let printed = succeed(checkpoint("inspect").arg(at(name)).arg("--json"));
        let facts: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(facts["also"]["epoch"], "3");
        assert_eq!(facts["tensors"].as_array().map(Vec::len), Some(18));
        assert_eq!(facts["sha256"].as_str().map(str::len), Some(64));
    }

    succeed(checkpoint("convert").args([at("hiptrack.pth.tar"), at("out.safetensors")]));
    succeed(checkpoint("convert").args([at("out.safetensors"), at("out.pth.tar")]));
    assert_eq!(manifest(&at("out.safetensors")), written["tensors"]);
    let read: Value = serde_json::from_str(&torch("read", &at("out.pth.tar")).unwrap()).unwrap();
    assert_eq!(read["net"], written["tensors"]);
    assert_eq!(read["rest"]["net_type"], "HIPTrack");
    succeed(checkpoint("diff").args([at("out.pth.tar"), at("plain_legacy.pth")]));
}

/// A run of five steps: one checkpoint at the end of the first epoch, one in the middle of the second.
fn run(out: &Path) -> (PathBuf, PathBuf) {
    succeed(train(out).args(["--max_steps", "5"]));
    let folder = out.join("checkpoints/train/hiptrack/tiny");
    let mut saved: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    saved.sort();
    assert_eq!(saved.len(), 2, "{saved:?}");
    (saved[0].clone(), saved[1].clone())
}

#[test]
fn a_checkpoint_is_inspected_converted_stripped_and_compared() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let (first, second) = run(&at("out"));

    let printed = succeed(checkpoint("inspect").arg(&second).arg("--config").arg(support::experiment()));
    for part in
        ["hiptrack/tiny: epoch 2, step 5", "its checksum matches", "can be loaded from this file", "cls_head: 4"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let mut other = checkpoint("inspect");
    other.arg(&second).arg("--config").arg(support::experiment()).args(["--set", "MODEL.HIP.KEY_DIM=4"]);
    let output = other.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("key_proj.key_proj.weight: shape [8, 32, 3, 3], the model has [4, 32, 3, 3]"));

    succeed(checkpoint("diff").args([&second, &second]));
    let output = checkpoint("diff").args([&first, &second]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("other numbers") && text(&output).contains("different"), "{}", text(&output));

    // Through PyTorch's form and back nothing is lost, and the run goes on from either.
    succeed(checkpoint("convert").args([&second, &at("x.pth.tar")]));
    succeed(checkpoint("convert").args([&at("x.pth.tar"), &at("x.safetensors")]));
    assert_eq!(std::fs::read(at("x.safetensors")).unwrap(), std::fs::read(&second).unwrap());
    if let Some(read) = torch("read", &at("x.pth.tar")) {
        let read: Value = serde_json::from_str(&read).unwrap();
        assert_eq!(read["rest"]["epoch"], 2);
        let names = read["net"].as_object().unwrap();
        assert!(names.contains_key("backbone.pos_embed") && !names.keys().any(|name| name.starts_with("optimizer")));
    }
    succeed(train(&at("whole")).args(["--max_steps", "7"]));
    succeed(train(&at("from")).args(["--max_steps", "2", "--resume"]).arg(at("x.pth.tar")));
    assert_eq!(losses(&at("from")), losses(&at("whole"))[losses(&at("whole")).len() - 2..]);

    succeed(checkpoint("strip").args([&second, &at("slim.safetensors")]));
    let errors = fail(checkpoint("strip").args([&second, &second]), 64);
    assert!(errors.contains("is the input too; name another output"), "{errors}");
    let slim = WeightsFile::open(&at("slim.safetensors")).unwrap();
    assert!(slim.entries().iter().all(|e| !e.name.starts_with("cls_head.") && !e.name.starts_with("optimizer.")));
    let pretrain = format!("MODEL.PRETRAIN_FILE={}", at("slim.safetensors").display());
    let printed = succeed(train(&at("tuned")).args(["--max_steps", "1", "--set", &pretrain]));
    assert!(printed.contains("HIPTrack") && printed.contains("from scratch: cls_head (4)"), "{printed}");
    let errors = fail(train(&at("other")).arg("--resume").arg(at("slim.safetensors")), 66);
    assert!(errors.contains("no training state") && errors.contains("MODEL.PRETRAIN_FILE"), "{errors}");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_mistakes_are_named() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let (first, second) = run(&out);
    let mut bytes = std::fs::read(&second).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&second, &bytes).unwrap();
    let errors = fail(checkpoint("inspect").arg(&second), 66);
    assert!(errors.contains("its checksum does not match: the file is damaged"), "{errors}");
    let printed = succeed(train(&out).args(["--max_steps", "1"]));
    assert!(printed.contains("checkpoint passed over") && printed.contains("step 4, epoch 1"), "{printed}");

    let cut = home.path().join("cut.pth");
    succeed(checkpoint("convert").args([&first, &cut]));
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    assert!(fail(checkpoint("inspect").arg(&cut), 66).contains("cut off or damaged"));
    let gone = home.path().join("gone.pth");
    assert!(fail(checkpoint("diff").args([&first, &gone]), 66).contains("gone.pth"));
    assert!(fail(checkpoint("convert").arg(&first).arg(home.path().join("x.bin")), 64).contains(".safetensors"));
    let nowhere = home.path().join("no/folder/x.pth");
    assert!(fail(checkpoint("convert").args([&first, &nowhere]), 74).contains("could not be written"));
}

#[test]
fn weights_under_any_key_are_found_or_named() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    if torch("others", home.path()).is_none() {
        return;
    }
    let inspect = |name: &str| {
        let mut command = checkpoint("inspect");
        command.arg(at(name));
        command
    };
    let errors = fail(&mut inspect("dino.pth"), 66);
    assert!(errors.contains("student (2 tensors), teacher (2 tensors); choose one: --key teacher"), "{errors}");
    let errors = fail(inspect("dino.pth").args(["--key", "pupil"]), 66);
    assert!(errors.contains("no weights under pupil; there are") && errors.contains("student"), "{errors}");
    for (name, key, under) in [
        ("dino.pth", Some("teacher"), "under teacher"),
        ("dino.pth", Some("dino_loss"), "under dino_loss"),
        ("timm.pth", None, "under state_dict\n"),
        ("timm.pth", None, "2 other tensors are under state_dict_ema: --key state_dict_ema"),
        ("timm.pth", Some("state_dict_ema"), "under state_dict_ema"),
        ("ema.pth", None, "under model_ema"),
        ("deep.pth", None, "under a.b.c.weights"),
        ("deep.pth", Some("a.b.c"), "weights.weight"),
        ("parts.pth", Some("model"), "backbone.weight"),
        ("parts.pth", Some("model.head"), "under model.head"),
        ("list.pth", None, "under 0"),
        ("net_is_module.pth", None, "body.1.running_mean"),
        ("net_is_module.pth", Some("net.module.body"), "1.running_mean"),
    ] {
        let mut command = inspect(name);
        key.into_iter().for_each(|key| {
            command.args(["--key", key]);
        });
        let printed = succeed(&mut command);
        assert!(printed.contains(under), "{name} {key:?}: {printed}");
    }
    for (name, part) in [
        ("parts.pth", "model.backbone (2 tensors), model.head (2 tensors)"),
        ("parts.pth", "all of them together, their keys before their names: --key model"),
        ("optimizer.pth", "no tensors under names, so no weights; what it has is optimizer: dict of 2"),
        ("jit.pt", "a TorchScript module"),
        ("around.pth.tar", "a tar archive around best.pth; unpack it (tar -xf FILE) and give best.pth"),
    ] {
        let errors = fail(&mut inspect(name), 66);
        assert!(errors.contains(part), "{name}: {errors}");
    }
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(at("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest(&at("module.pth")), expected["module"]);
    assert_eq!(manifest(&at("net_is_module.pth")), expected["module"]);
    succeed(checkpoint("convert").args([at("dino.pth"), at("t.safetensors")]).args(["--key", "teacher"]));
    assert_eq!(manifest(&at("t.safetensors")), expected["teacher"]);
    let mut diff = checkpoint("diff");
    diff.args([at("dino.pth"), at("dino.pth")]).args(["--key", "teacher"]);
    succeed(&mut diff);
    let output = diff.args(["--key_b", "student"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
}

/// Tracking with `weights`.
fn track(weights: &Path, out: &Path) -> Command {
    let mut command = program();
    command.args(["track", "--config"]).arg(support::experiment()).arg("--weights").arg(weights);
    command.args(["--dataset", "GOT10K_official_val", "--device", "cpu", "--save_dir"]).arg(out);
    command.arg("--data_dir").arg(support::data());
    command
}

#[test]
fn nothing_that_tracks_is_left_to_chance() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let (whole, _) = run(&at("out"));
    let file = WeightsFile::open(&whole).unwrap();
    let save = |name: &str, keep: &dyn Fn(&str) -> bool| {
        let tensors: Vec<_> = file.load_all().unwrap().into_iter().filter(|(name, _)| keep(name)).collect();
        let tensors = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let contents = trackflow::weights::Contents { tensors, ..Default::default() };
        trackflow::weights::write(&at(name), trackflow::weights::Format::Safetensors, &contents).unwrap();
        at(name)
    };
    let ours = |name: &str| !["optimizer.", "tasks."].iter().any(|prefix| name.starts_with(prefix));
    let one_stream =
        save("ostrack.safetensors", &|name| name.starts_with("box_head.") || name.starts_with("backbone."));
    let errors = fail(&mut track(&one_stream, &at("no")), 66);
    for part in ["weights of DropTrack or OSTrack", "drawn at random: HIP (", "--script ostrack", "trackflow train"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert!(!at("no/test").exists());
    let lame = save("lame.safetensors", &|name| ours(name) && name != "box_head.conv5_ctr.bias");
    let errors = fail(&mut track(&lame, &at("no")), 66);
    assert!(errors.contains("1 tensors that tracking uses") && errors.contains("box_head.conv5_ctr.bias"), "{errors}");
    let errors = fail(track(&whole, &at("no")).args(["--set", "MODEL.HIP.KEY_DIM=4"]), 66);
    assert!(errors.contains("key_proj.key_proj.weight: shape [8, 32, 3, 3], the experiment's model has"), "{errors}");

    let headless = save("headless.safetensors", &|name| ours(name) && !name.starts_with("cls_head."));
    let printed = succeed(&mut track(&headless, &at("yes")));
    assert!(printed.contains("conditions are not predicted"), "{printed}");
    // Counts of batches, and what only the plain ViT needed, are of no use to tracking.
    let idle = |name: &str| name.ends_with("num_batches_tracked") || name == "backbone.cls_token";
    let bare = save("bare.safetensors", &|name| ours(name) && !idle(name));
    succeed(track(&bare, &at("bare")).args(["--set", "MODEL.PRETRAIN_FILE=gone.pth"]));
}
