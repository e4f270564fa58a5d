//! One video from its files to a record; frames are decoded ahead on a thread of their own.

use super::{
    results::Record,
    tracker::{Options, Tracker},
    videos::Video,
};
use crate::{
    data::{dataset::FrameFile, frame},
    failure::{Failure, Result},
    model::online::Online,
    vision::{
        area::Part,
        decode::{Decoder, DecoderKind},
    },
};
use crossbeam_channel::bounded;
use std::time::Instant;

/// Decoded frames that wait for the tracker.
const AHEAD: usize = 2;

/// Tracks the object of `video` from its first box on; `done` hears of every frame.
///
/// # Errors
/// A frame that cannot be read, or whatever the tracker reports.
pub fn run(online: &Online, options: &Options, video: &Video, mut done: impl FnMut()) -> Result<Record> {
    std::thread::scope(|scope| {
        let (send, receive) = bounded(AHEAD);
        let frames = &video.frames;
        scope.spawn(move || {
            let mut decoder = DecoderKind::best().decoder();
            for frame in 0..frames.len() {
                let read = match &mut decoder {
                    Ok(decoder) => read(decoder.as_mut(), &frames.file(frame)),
                    Err(error) => Err(Failure::stage(error.to_string())),
                };
                // The tracker has ended when nobody receives.
                if send.send(read).is_err() {
                    return;
                }
            }
        });
        let mut record = Record::default();
        let mut tracker: Option<Tracker<'_>> = None;
        for frame in receive {
            let frame: Part = frame?;
            let start = Instant::now();
            match &mut tracker {
                None => {
                    tracker = Some(Tracker::start(online, options, &frame, video.start())?);
                    record.boxes.push(video.start());
                    record.conditions.push(None);
                }
                Some(tracker) => {
                    let found = tracker.follow(&frame)?;
                    record.boxes.push(found.object);
                    record.conditions.push(found.condition);
                }
            }
            record.seconds.push(start.elapsed().as_secs_f64());
            done();
        }
        Ok(record)
    })
}

fn read(decoder: &mut dyn Decoder, file: &FrameFile) -> Result<Part> {
    let failed = |what: &dyn std::fmt::Display| Failure::input(format!("{}: {what}", file.path.display()));
    frame::read(file, decoder, None, 1).map_err(|fault| failed(&format_args!("{}: {}", fault.reason, fault.detail)))
}
