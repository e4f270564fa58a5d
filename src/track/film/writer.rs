//! A film of drawn frames.

use super::{Complaints, no_ffmpeg};
use crate::failure::{Failure, Result};
use image::RgbImage;
use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Writes frames of one size to a file; its ending says which format.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    rate: f64,
    running: Option<(Child, Complaints, (u32, u32))>,
}

impl Writer {
    /// A film at `path` of `rate` frames a second; nothing is written before the first frame.
    pub fn new(path: &Path, rate: f64) -> Self {
        Self { path: path.to_owned(), rate, running: None }
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// 69 without ffmpeg; 74 when it cannot write the file, or for a frame of another size than the first one.
    pub fn frame(&mut self, frame: &RgbImage) -> Result<()> {
        if self.running.is_none() {
            let mut child = self.start(frame.dimensions())?;
            let complaints = Complaints::of(&mut child);
            self.running = Some((child, complaints, frame.dimensions()));
        }
        let path = self.path.display().to_string();
        let Some((child, complaints, size)) = &mut self.running else { return Ok(()) };
        if *size != frame.dimensions() {
            let ((width, height), (now, high)) = (*size, frame.dimensions());
            let what = format!("the frames change from {width}x{height} to {now}x{high}, which a film cannot");
            return Err(Failure::output(format!("{path}: {what}; give --draw a folder")));
        }
        let written = child.stdin.as_mut().map(|pipe| pipe.write_all(frame.as_raw()));
        match written {
            Some(Ok(())) => Ok(()),
            _ => {
                // It ends by itself, or has ended: then it has said why.
                drop(child.stdin.take());
                let _ = child.wait();
                Err(Failure::output(format!("{path}: ffmpeg says: {}", complaints.last())))
            }
        }
    }

    fn start(&self, (width, height): (u32, u32)) -> Result<Child> {
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]);
        command.args(["-s", &format!("{width}x{height}"), "-r", &format!("{}", self.rate), "-i", "pipe:0"]);
        // Players want even sides and colours at half the resolution.
        command.args(["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]).arg(&self.path);
        // A signal from the terminal is for this program, which finishes the film.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().map_err(|error| no_ffmpeg("ffmpeg", &error))
    }

    /// Ends the film.
    ///
    /// # Errors
    /// 74 when it could not be written.
    pub fn finish(mut self) -> Result<()> {
        let Some((mut child, complaints, _)) = self.running.take() else { return Ok(()) };
        drop(child.stdin.take());
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Failure::output(format!("{}: ffmpeg says: {}", self.path.display(), complaints.last()))),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some((child, ..)) = &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
