//! The online tracker, with the model at full size.

use crate::golden::{Comparison, Golden, absolute, floats};
use crate::network::recipe_model;
use crate::recipe;
use tch::{Kind, Tensor};
use trackflow::model::online::{MemoryPolicy, Online, Session};
use trackflow::model::{Config, MaskClamp};
use trackflow::track::{Options, Tracker};
use trackflow::vision::area::DecodedRegion;
use trackflow::vision::rect::Rect;

const LONG: MemoryPolicy = MemoryPolicy { capacity: 150, interval: 20 };
const SHORT: MemoryPolicy = MemoryPolicy { capacity: 2, interval: 3 };

/// Search crops by formula, through both memories.
pub fn crops(golden: &Golden, seed: u64) {
    let online = Online::new(&recipe_model(&Config::reference(), seed)).unwrap();
    let template = recipe::input("input.template", seed, &[1, 3, 192, 192]);
    let boxes = golden.get("in.template_boxes_xywh").narrow(0, 0, 1);
    let mut compare = Comparison::default();
    for (tag, policy) in [("track", LONG), ("track_mem2_int3", SHORT)] {
        let mut session = Session::new(&online, &template, &boxes, policy, MaskClamp::Reference).unwrap();
        let key = |part: &str| format!("{tag}.{part}");
        let (boxes, scores) = (golden.get(&key("pred_boxes")), golden.get(&key("score_max_mean")));
        let memory = golden.get(&key("mem_cnt_tokens"));
        for at in 0..boxes.size()[0] {
            let search = recipe::input(&format!("input.track.{}", at + 1), seed, &[1, 3, 384, 384]);
            let output = session.step(&online, &search).unwrap();
            let score = &output.score_map;
            compare.tensor(&format!("{tag} box {}", at + 1), &output.boxes(None), &boxes.get(at), absolute(2e-5));
            let have = Tensor::stack(&[score.max(), score.mean(Kind::Float)], 0);
            compare.tensor(&format!("{tag} score {}", at + 1), &have, &scores.get(at), absolute(2e-5));
            let (entries, places) = session.remembered();
            let expected = floats(&memory.get(at));
            compare.values(
                &format!("{tag} memory {}", at + 1),
                &[entries as f64, places as f64],
                &expected,
                absolute(0.0),
            );
        }
    }
    compare.finish("crops");
}

/// The whole tracker, from pictures to boxes; each box decides where the next crop is.
pub fn video(golden: &Golden, seed: u64) {
    let model = recipe_model(&Config::reference(), seed);
    // For this video only, so that the box does not grow to the whole picture.
    let bias = Tensor::from_slice(&[-2.0 * std::f32::consts::LN_2; 2]);
    model.params().load([("box_head.conv5_size.bias", &bias)]).unwrap();
    let online = Online::new(&model).unwrap();
    let options = Options {
        template_factor: 2.0,
        search_factor: 5.0,
        memory: LONG,
        masks: MaskClamp::Reference,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
    let frame = |at: usize| DecodedRegion::whole(recipe::picture(&format!("input.video.{at}"), seed, 1280, 720));
    let object = golden.floats("video.init_box");
    let object = Rect::new(object[0], object[1], object[2], object[3]);
    let mut compare = Comparison::default();
    let window = trackflow::vision::window::Window::around(&object, 2.0).unwrap();
    let Rect { x, y, w, h } = window.to_crop_normalised(&object, 192);
    compare.values("template box", &[x, y, w, h], &golden.floats("video.template_box_crop"), absolute(1e-6));

    let mut tracker = Tracker::start(&online, &options, &frame(0), object).unwrap();
    let (raw, states) = (golden.floats("video.raw_cxcywh"), golden.floats("video.state_xywh"));
    let scales = golden.floats("video.resize_factor");
    for (at, ((raw, state), scale)) in raw.chunks_exact(4).zip(states.chunks_exact(4)).zip(scales).enumerate() {
        let have = tracker.follow(&frame(at + 1)).unwrap();
        compare.values(&format!("scale {at}"), &[have.scale], &[scale], absolute(0.0));
        compare.values(&format!("raw {at}"), &have.raw.map(f64::from), raw, absolute(2e-5));
        let Rect { x, y, w, h } = have.object;
        // 2e-5 of a window of about 500 pixels.
        compare.values(&format!("state {at}"), &[x, y, w, h], state, absolute(0.01));
    }
    compare.finish("video");
}
