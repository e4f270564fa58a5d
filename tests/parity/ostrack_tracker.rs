//! OSTrack's online tracker, from pictures to boxes; each box decides where the next crop is.

use crate::golden::{Comparison, Golden, absolute, floats};
use crate::network::recipe_model;
use crate::recipe;
use tch::{Device, Tensor};
use trackflow::model::online::{MemoryPolicy, Online, Session};
use trackflow::model::{Config, Elimination, MaskClamp};
use trackflow::track::{Options, Tracker, hann_window};
use trackflow::train::normalise::Normaliser;
use trackflow::vision::area::DecodedRegion;
use trackflow::vision::rect::Rect;
use trackflow::vision::resample::{ExactBilinear, Resampler};
use trackflow::vision::window::Window;

/// With elimination, each block at its own rate.
pub fn video(golden: &Golden, seed: u64) {
    follow(golden, seed, "video", Config::ostrack());
}

/// With a rate of 1, at which no block eliminates.
pub fn video_keeping_all(golden: &Golden, seed: u64) {
    let config = Config::ostrack();
    let elimination = Elimination { keep: vec![1.0; 3], ..config.elimination.clone() };
    follow(golden, seed, "video10", Config { elimination, ..config });
}

/// A crop and what the goldens hold of it: origin and side, and the sum of its bytes.
struct Cut {
    pixels: Tensor,
    place: [f64; 3],
    sum: f64,
}

fn cut(options: &Options, frame: &DecodedRegion, object: &Rect, factor: f64, size: u32) -> Cut {
    let window = Window::around(object, factor).unwrap();
    let crop = ExactBilinear::default().crop(frame, &window, size).unwrap();
    let sum: u64 = crop.as_raw().iter().map(|&byte| u64::from(byte)).sum();
    let side = i64::from(size);
    let normaliser = Normaliser::new(&options.mean, &options.std, Device::Cpu);
    Cut {
        pixels: normaliser.planes_of(crop.as_raw(), &[1, side, side, 3]).unwrap(),
        place: [window.x as f64, window.y as f64, f64::from(window.side)],
        sum: sum as f64,
    }
}

fn follow(golden: &Golden, seed: u64, tag: &str, config: Config) {
    let model = recipe_model(&config, seed);
    // For this video only: sigmoid 1/4, so that the box keeps its size.
    let bias = Tensor::from_slice(&[-3f64.ln() as f32; 2]);
    model.params().load([("box_head.conv5_size.bias", &bias)]).unwrap();
    let online = Online::new(&model).unwrap();
    let options = Options {
        template_factor: 2.0,
        search_factor: 4.0,
        memory: MemoryPolicy { capacity: 1, interval: 1 },
        masks: MaskClamp::Correct,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
    let frame = |at: usize| DecodedRegion::whole(recipe::picture(&format!("input.video.{at}"), seed, 1280, 720));
    let key = |part: &str| format!("{tag}.{part}");
    let start = golden.floats(&key("init_box"));
    let mut object = Rect::new(start[0], start[1], start[2], start[3]);

    let first = frame(0);
    let mut tracker = Tracker::start(&online, &options, &first, object).unwrap();
    let template = cut(&options, &first, &object, 2.0, 128);
    let boxes = Tensor::zeros([1, 4], (tch::Kind::Float, Device::Cpu));
    let mut session = Session::new(&online, &template.pixels, &boxes, options.memory, options.masks).unwrap();
    let (mut places, mut sums) = (template.place.to_vec(), Vec::new());
    let (mut raw, mut states, mut scales, mut scores) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for at in 1..=golden.floats(&key("score_max")).len() {
        let picture = frame(at);
        let search = cut(&options, &picture, &object, 4.0, 256);
        places.extend(search.place);
        sums.push(search.sum);
        let said = session.step(&online, &search.pixels).unwrap();
        scores.push(said.score_map.max().double_value(&[]));
        let found = tracker.follow(&picture).unwrap();
        raw.extend(found.raw.map(f64::from));
        scales.push(found.scale);
        object = found.object;
        states.extend([object.x, object.y, object.w, object.h]);
    }
    assert_eq!((session.remembered(), tracker.remembered()), ((0, 0), 0));

    let mut compare = Comparison::default();
    compare.values("template's bytes", &[template.sum], &golden.floats(&key("template_crop_sum")), absolute(0.0));
    compare.values("bytes", &sums, &golden.floats(&key("search_crop_sum")), absolute(0.0));
    compare.values("crops", &places, &golden.floats(&key("crop_x1_y1_side")), absolute(0.0));
    compare.values("scales", &scales, &golden.floats(&key("resize_factor")), absolute(0.0));
    compare.values("raw boxes", &raw, &floats(golden.get(&key("raw_cxcywh"))), absolute(1e-5));
    compare.values("scores", &scores, &golden.floats(&key("score_max")), absolute(1e-5));
    if golden.has(&key("hann16")) {
        compare.tensor("window", &hann_window(16), golden.get(&key("hann16")), absolute(1e-6));
    }
    compare.values("states", &states, &golden.floats(&key("state_xywh")), absolute(1e-2));
    compare.finish(tag);
}
