//! Films, cameras and streams through ffmpeg's pipes: any format in, frames out, and the other way round.

mod reader;
mod writer;

pub use reader::{Reader, Source};
pub use writer::Writer;

use crate::failure::Failure;
use std::{
    io::{BufRead, BufReader, ErrorKind},
    process::Child,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

/// What to say where a program of ffmpeg's does not start.
fn no_ffmpeg(program: &str, error: &std::io::Error) -> Failure {
    Failure::unavailable(match error.kind() {
        ErrorKind::NotFound => format!(
            "{program}: not found; films are read and written through ffmpeg: install it (Debian and Ubuntu: apt-get \
             install ffmpeg), or track the frames as pictures with --dataset folder:PATH"
        ),
        _ => format!("{program}: {error}"),
    })
}

/// What a program writes to standard error, read as it comes: a pipe that is full would stop it.
#[derive(Clone, Debug, Default)]
struct Complaints(Arc<Mutex<(usize, String)>>, Arc<Mutex<Option<JoinHandle<()>>>>);

impl Complaints {
    /// Those of `child`, whose standard error is a pipe.
    fn of(child: &mut Child) -> Self {
        let all = Self::default();
        if let Some(pipe) = child.stderr.take() {
            let to = Arc::clone(&all.0);
            let read = move || {
                for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).trim().to_owned();
                    if !line.is_empty() {
                        let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
                        *to = (to.0 + 1, crate::text::excerpt(&line));
                    }
                }
            };
            *all.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::spawn(read));
        }
        all
    }

    /// How many lines a program that has ended wrote, and the last one.
    fn all(&self) -> Option<(usize, String)> {
        if let Some(thread) = self.1.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It only reads.
            let _ = thread.join();
        }
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (lines.0 > 0).then_some(lines)
    }

    /// The last line, which says why it failed.
    fn last(&self) -> String {
        self.all().map_or_else(|| "nothing".into(), |(_, line)| line)
    }
}
