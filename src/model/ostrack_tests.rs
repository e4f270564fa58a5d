//! The model without historical prompts: OSTrack.

use super::tests::{SEED, clips, golden_states, states, sum_of, tiny};
use super::*;
use tch::{Device, Kind};

/// Everything that OSTrack can have, in a size that takes milliseconds.
fn plain() -> Config {
    Config { prompts: None, ..tiny() }
}

fn model(config: &Config) -> Hiptrack {
    Hiptrack::new(config, 1, Device::Cpu).unwrap()
}

#[test]
fn ostrack_has_ostracks_state_names() {
    let have = states(&Config::ostrack());
    assert_eq!(have.len(), 242);
    if let Some(expected) = golden_states("TRACKFLOW_GOLDEN_OSTRACK", "../shared/golden_ostrack") {
        assert_eq!(have, expected);
    }
    let part = |name: &str| have.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!([part("backbone."), part("box_head.")], [152, 90]);
    assert_eq!(
        have[1..4],
        ["pos_embed", "pos_embed_z", "pos_embed_x"].map(|name| {
            let count = match name {
                "pos_embed" => 197,
                "pos_embed_z" => 64,
                _ => 256,
            };
            format!("backbone.{name}\t[1, {count}, 768]\tfloat32")
        })
    );
}

#[test]
fn a_pass_remembers_nothing_and_says_all_that_heads_say() {
    for box_head in [BoxHeadKind::Centre, BoxHeadKind::Corner] {
        let config = Config { box_head, ..plain() };
        let output = model(&config).evaluate(&clips(&config, 3, 2), &ForwardOptions::evaluation()).unwrap();
        assert_eq!((output.frames.len(), output.memory.len()), (3, 0));
        assert_eq!((output.boxes().size(), output.score_maps().size()), (vec![3, 2, 4], vec![3, 2, 8, 8]));
        assert_eq!(output.logits().unwrap().size(), [3, 2, 10]);
        assert_eq!(output.corners().is_some(), box_head == BoxHeadKind::Corner);
        let frame = &output.frames[1];
        assert!(frame.prompt.is_none());
        assert_eq!((frame.pooled.size(), frame.size_map.size()), (vec![2, 32], vec![2, 2, 8, 8]));
        // What the heads see is the search part of the tokens, eliminated ones as zeros.
        let tokens = output.tokens.narrow(0, 2, 2).narrow(1, 16, 64);
        let mean = tokens.mean_dim([1i64].as_slice(), false, Kind::Float);
        assert!((mean - &frame.pooled).abs().max().double_value(&[]) < 1e-6);
    }
}

#[test]
fn frames_of_a_clip_do_not_know_of_each_other() {
    let (config, options) = (plain(), ForwardOptions::evaluation());
    let (model, input) = (model(&config), clips(&config, 3, 2));
    let together = model.evaluate(&input, &options).unwrap();
    for frame in 0..3 {
        let search = input.search.narrow(0, frame, 1);
        let alone = ClipInput {
            template: input.template.shallow_clone(),
            search,
            template_boxes: input.template_boxes.shallow_clone(),
        };
        let alone = model.evaluate(&alone, &options).unwrap();
        for (have, expected) in [
            (alone.boxes().get(0), together.boxes().get(frame)),
            (alone.score_maps().get(0), together.score_maps().get(frame)),
            (alone.logits().unwrap().get(0), together.logits().unwrap().get(frame)),
        ] {
            assert!((have - expected).abs().max().double_value(&[]) < 1e-5, "frame {frame}");
        }
    }
}

#[test]
fn a_clip_of_several_frames_trains_as_so_many_clips_of_one() {
    let config = Config { drop_path: 0.0, class_head: None, ..plain() };
    let input = clips(&config, 3, 2);
    let as_single = ClipInput {
        template: input.template.repeat([3, 1, 1, 1]),
        search: input.search.flatten(0, 1).unsqueeze(0),
        template_boxes: input.template_boxes.repeat([3, 1]),
    };
    let options = ForwardOptions { dropout: None, ..ForwardOptions::training(0.7, SEED) };
    let gradients = |input: &ClipInput| {
        let model = model(&config);
        sum_of(&model.forward(input, &options).unwrap()).backward();
        let counted = model.params().get("box_head.conv1_ctr.1.num_batches_tracked").unwrap().int64_value(&[]);
        assert_eq!(counted, 1, "one batch of all frames");
        let name = "backbone.blocks.0.attn.qkv.weight";
        model.params().get(name).unwrap().grad()
    };
    let (have, expected) = (gradients(&input), gradients(&as_single));
    let scale = expected.abs().max().double_value(&[]);
    assert!((have - expected).abs().max().double_value(&[]) < 1e-4 * scale);
}

#[test]
fn gradients_reach_every_parameter_but_the_unused_two() {
    let film = ClassHead { film: true, ..tiny().class_head.unwrap() };
    let config = Config { class_head: Some(film), ..plain() };
    let model = model(&config);
    let options = ForwardOptions { recompute: true, ..ForwardOptions::training(0.7, SEED) };
    sum_of(&model.forward(&clips(&config, 2, 2), &options).unwrap()).backward();
    let without: Vec<_> =
        model.params().parameters().filter(|(_, tensor)| !tensor.grad().defined()).map(|(name, _)| name).collect();
    assert_eq!(without, ["backbone.cls_token", "backbone.pos_embed"]);
}

#[test]
fn a_block_that_keeps_all_never_eliminates_and_the_others_do() {
    let elimination = Elimination { layers: vec![0, 1, 2], keep: vec![1.0, 0.5, 0.25], range: TemplateRange::All };
    let config = Config { elimination, ..plain() };
    let (model, input) = (model(&config), clips(&config, 1, 2));
    let removed = |keep_rate| {
        let options = ForwardOptions { keep_rate, ..ForwardOptions::evaluation() };
        let output = model.evaluate(&input, &options).unwrap();
        output.removed.iter().map(|tokens| tokens.size()[1]).collect::<Vec<_>>()
    };
    assert_eq!(removed(None), [32, 24], "each has its own rate");
    assert_eq!(removed(Some(0.5)), [32, 16], "one rate for all that eliminate");
    assert_eq!(removed(Some(1.0)), [0i64; 0]);
}
