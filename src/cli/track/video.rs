//! `track --video`: one object through a film, a camera or a stream.

use super::{
    TrackArgs,
    view::{Page, View, is_film},
};
use crate::{
    failure::{Failure, Result},
    flow::{Shutdown, StopReason, watch_signals},
    lock::FolderLock,
    model::online::Online,
    track::{
        self, Options,
        film::{Reader, Source, Writer},
        provenance::{self, MadeBy},
        results,
    },
    vision::{area::DecodedRegion, rect::Rect},
};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::{
    cell::RefCell,
    path::Path,
    str::FromStr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// `x,y,w,h` in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::cli) struct GivenBox(pub Rect);

impl FromStr for GivenBox {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[x, y, w, h]) if Rect::new(x, y, w, h).is_sane() => Ok(Self(Rect::new(x, y, w, h))),
            _ => {
                Err("write x,y,w,h: the upper left corner, width and height in pixels, for example 10,20,64,48".into())
            }
        }
    }
}

/// Frames that a thread reads ahead, each with its number in the source.
type Numbered = (usize, Result<DecodedRegion>);

/// What is told of a source in [`video`].
pub(super) struct Asked<'a> {
    pub args: &'a TrackArgs,
    pub source: &'a Source,
    pub start: Rect,
    pub options: &'a Options,
    pub folder: &'a Path,
    pub made_by: &'a MadeBy,
    /// Whether conditions are predicted.
    pub conditions: bool,
    /// Whether boxes are written as whole numbers.
    pub whole: bool,
    pub page: Option<&'a Page>,
}

/// Tracks until the end of the source, or until a signal asks for that, and writes boxes and drawn frames. The value is
/// the exit code.
///
/// # Errors
/// Those of reading, tracking and writing.
pub(super) fn video(online: &Online, asked: &Asked<'_>) -> Result<i32> {
    let Asked { args, source, folder, .. } = *asked;
    let stem = source.stem();
    let _lock = FolderLock::take(folder, "track")?;
    let mut reader = Reader::open(source)?;
    let rate = reader.rate;
    let with_memory = online.config().prompts.is_some();
    let mut view = match &args.draw {
        Some(path) if is_film(path) => {
            if rate.is_none() {
                println!("{}: {} frames/s, as the source names no rate", path.display(), RATE);
            }
            View::of_film(&stem, with_memory, Writer::new(path, rate.unwrap_or(RATE)), asked.page)
        }
        path => View::of_folder(&stem, with_memory, path.clone(), asked.page)?,
    };
    let kind =
        if source.live { "live: what comes while a frame is tracked is dropped" } else { "every frame is tracked" };
    println!("{}: {kind}; results go to {}", crate::text::excerpt(&source.name), folder.display());
    let stop = Shutdown::new();
    let _signals = watch_signals(stop.clone())?;
    let (begin, dropped, ended) = (Instant::now(), &AtomicUsize::new(0), &AtomicBool::new(false));
    let numbers = &RefCell::new(Vec::new());
    let live = source.live;
    let record = std::thread::scope(|scope| {
        let (send, receive) = bounded(if live { 1 } else { 2 });
        // Only of a live source does the reader take frames back: then the queue has a receiver until it ends.
        let newest = live.then(|| receive.clone());
        scope.spawn(move || match newest {
            Some(newest) => read_newest(&mut reader, &send, &newest, dropped, ended),
            None => read_all(&mut reader, &send),
        });
        let wanted = receive.into_iter().take_while(|_| !stop.is_stopping());
        let frames = wanted.map(|(number, frame): Numbered| {
            numbers.borrow_mut().push(number);
            frame
        });
        let record = track::follow(online, asked.options, asked.start, frames, |step| {
            if step.index == 0 {
                check(asked.start, step.frame)?;
            }
            let number = numbers.borrow().last().copied().unwrap_or(step.index);
            view.frame(number, step, None)
        });
        ended.store(true, Ordering::Release);
        record
    });
    let mut record = record?;
    view.finish()?;
    if record.boxes.is_empty() {
        return Err(Failure::input(format!("{}: holds no frame", crate::text::excerpt(&source.name))));
    }
    if !asked.conditions {
        record.conditions.clear();
    }
    results::write(folder, &stem, &record, asked.whole)?;
    provenance::note(folder, &stem, asked.made_by)?;
    if stop.is_stopping() {
        println!("stopped after {} frames; they are written", record.boxes.len());
    }
    let dropped = dropped.load(Ordering::Relaxed);
    if dropped > 0 {
        let text: String = numbers.borrow().iter().map(|number| format!("{}\n", number + 1)).collect();
        let path = folder.join(format!("{stem}_frames.txt"));
        std::fs::write(&path, text).map_err(|error| Failure::output(format!("{}: {error}", path.display())))?;
        println!("{}: the source's frames that the lines of {stem}.txt are of, from 1", path.display());
    }
    summary(record.boxes.len(), begin.elapsed(), dropped, rate, record.seconds.iter().sum());
    if let Some(path) = &args.draw {
        println!("drawn: {}", path.display());
    }
    Ok(stop.reason().map_or(0, StopReason::exit_code))
}

/// Of a film whose source names none.
const RATE: f64 = 25.0;

/// Says whether it was fast enough.
fn summary(frames: usize, passed: Duration, dropped: usize, rate: Option<f64>, seconds: f64) {
    let speed = frames as f64 / passed.as_secs_f64().max(1e-9);
    let isolated_cost = frames as f64 / seconds.max(1e-9);
    let real = match rate {
        Some(rate) if isolated_cost >= rate => {
            format!("; the source has {rate:.2} frames/s: tracking keeps up with it")
        }
        Some(rate) => {
            format!("; the source has {rate:.2} frames/s: tracking takes {:.1} times as long", rate / isolated_cost)
        }
        None => String::new(),
    };
    println!("{frames} frames at {speed:.2} frames/s (tracking only {isolated_cost:.2}), {dropped} dropped{real}");
}

/// Reads until the end, or until `send` has no receiver. Every frame is sent.
fn read_all(reader: &mut Reader, send: &Sender<Numbered>) {
    for number in 0.. {
        let Some(frame) = next(reader) else { return };
        let ends = frame.is_err();
        if send.send((number, frame)).is_err() || ends {
            return;
        }
    }
}

/// Reads until the end, or until the tracker has `ended`. The newest frame waits, and older ones are dropped; the first,
/// which the given box is of, never is.
fn read_newest(
    reader: &mut Reader,
    send: &Sender<Numbered>,
    newest: &Receiver<Numbered>,
    dropped: &AtomicUsize,
    ended: &AtomicBool,
) {
    for number in 0.. {
        let Some(frame) = next(reader) else { return };
        let ends = frame.is_err();
        let mut item = (number, frame);
        while let Err(TrySendError::Full(again)) = send.try_send(item) {
            dropped.fetch_add(usize::from(newest.try_recv().is_ok()), Ordering::Relaxed);
            item = again;
        }
        while number == 0 && !send.is_empty() && !ended.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if ends || ended.load(Ordering::Acquire) {
            return;
        }
    }
}

/// The next frame; none at the end.
fn next(reader: &mut Reader) -> Option<Result<DecodedRegion>> {
    let frame = reader.frame().map(|picture| picture.map(DecodedRegion::whole)).transpose();
    if frame.is_none()
        && let Some((lines, last)) = reader.complaints()
    {
        eprintln!("note: ffmpeg complained in {lines} lines and read on; the last is: {last}");
    }
    frame
}

/// Whether the given box shows anything of the first frame.
fn check(given: Rect, frame: &DecodedRegion) -> Result<()> {
    let (width, height) = frame.frame;
    let inside = given.clipped(f64::from(width), f64::from(height));
    match inside.is_sane() {
        true => Ok(()),
        false => {
            let Rect { x, y, w, h } = given;
            Err(Failure::usage(format!("--box {x},{y},{w},{h}: lies outside the frames, which are {width}x{height}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_four_numbers_with_an_area() {
        assert_eq!("1, 2,3.5,4".parse(), Ok(GivenBox(Rect::new(1.0, 2.0, 3.5, 4.0))));
        for text in ["1,2,3", "1,2,0,4", "a,2,3,4", "1,2,3,nan"] {
            assert!(text.parse::<GivenBox>().unwrap_err().contains("write x,y,w,h"), "{text}");
        }
        let frame = DecodedRegion::whole(image::RgbImage::new(40, 30));
        assert!(check(Rect::new(-5.0, 0.0, 10.0, 10.0), &frame).is_ok());
        let message = check(Rect::new(40.0, 0.0, 10.0, 10.0), &frame).unwrap_err().message;
        assert!(message.contains("which are 40x30"), "{message}");
    }
}
