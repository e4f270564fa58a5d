//! One video from its frames to a record; frames are decoded ahead on a thread of their own.

use super::{
    results::Record,
    tracker::{Options, Tracked, Tracker},
    videos::Video,
};
use crate::{
    data::{dataset::FrameFile, frame},
    failure::{Failure, Result},
    model::online::Online,
    vision::{
        area::DecodedRegion,
        decode::{Decoder, DecoderKind},
        rect::Rect,
        window::Window,
    },
};
use crossbeam_channel::bounded;
use std::time::Instant;

/// Decoded frames that wait for the tracker.
const AHEAD: usize = 2;

/// A frame that was tracked.
#[derive(Debug)]
pub struct Step<'a> {
    /// Its number, from 0: the frame of the given box.
    pub index: usize,
    /// Its pixels.
    pub frame: &'a DecodedRegion,
    /// Where the object is.
    pub object: Rect,
    /// What the tracker says of it; none of the first frame.
    pub tracked: Option<Tracked>,
    /// The window that was searched; none of the first frame.
    pub window: Option<Window>,
    /// Entries of the tracker's memory.
    pub memory: i64,
    /// Seconds that tracking took.
    pub seconds: f64,
}

/// Tracks the object of `video` from its first box on; `done` hears of every frame.
///
/// # Errors
/// A frame that cannot be read, whatever the tracker reports, and what `done` does.
pub fn run(
    online: &Online,
    options: &Options,
    video: &Video,
    done: impl FnMut(&Step<'_>) -> Result<()>,
) -> Result<Record> {
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
        follow(online, options, video.start(), receive, done)
    })
}

/// Tracks the object that is at `start` in the first of `frames` through all others, as they come.
///
/// # Errors
/// Those of [`run`].
pub fn follow(
    online: &Online,
    options: &Options,
    start: Rect,
    frames: impl IntoIterator<Item = Result<DecodedRegion>>,
    mut done: impl FnMut(&Step<'_>) -> Result<()>,
) -> Result<Record> {
    let mut record = Record::default();
    let mut tracker: Option<Tracker<'_>> = None;
    for frame in frames {
        let frame = frame?;
        let begin = Instant::now();
        let (tracker, object, tracked, window) = match &mut tracker {
            None => (&*tracker.insert(Tracker::start(online, options, &frame, start)?), start, None, None),
            Some(tracker) => {
                let window = tracker.window();
                let found = tracker.follow(&frame)?;
                (&*tracker, found.object, Some(found), window)
            }
        };
        let seconds = begin.elapsed().as_secs_f64();
        record.boxes.push(object);
        record.conditions.push(tracked.and_then(|tracked| tracked.condition));
        record.seconds.push(seconds);
        let (index, memory) = (record.boxes.len() - 1, tracker.remembered());
        done(&Step { index, frame: &frame, object, tracked, window, memory, seconds })?;
    }
    Ok(record)
}

fn read(decoder: &mut dyn Decoder, file: &FrameFile) -> Result<DecodedRegion> {
    let failed = |what: &dyn std::fmt::Display| Failure::input(format!("{}: {what}", file.path.display()));
    frame::read(file, decoder, None, 1).map_err(|fault| failed(&format_args!("{}: {}", fault.reason, fault.detail)))
}
