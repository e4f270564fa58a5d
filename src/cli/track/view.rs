//! Where drawn frames go: pictures in a folder, a film, the live page.

use crate::{
    failure::{Failure, Result},
    monitor::live::Live,
    track::{Drawing, Step, film::Writer},
    vision::rect::Rect,
};
use image::{RgbImage, codecs::jpeg::JpegEncoder};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Endings of films.
const FILMS: [&str; 6] = ["mp4", "mkv", "mov", "avi", "webm", "m4v"];

/// Whether `--draw` names a film; else it is a folder.
pub(super) fn is_film(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| FILMS.contains(&ending.as_str()))
}

/// The page is sent no more frames than this leaves time for.
const PAUSE: Duration = Duration::from_millis(50);

/// The live page, for all workers.
pub(super) struct Page {
    live: Arc<Live>,
    visible: Mutex<Option<Instant>>,
}

impl Page {
    pub fn new(live: Arc<Live>) -> Self {
        Self { live, visible: Mutex::new(None) }
    }

    /// Whether it is time for another frame.
    fn is_due(&self) -> bool {
        let mut visible = self.visible.lock().unwrap_or_else(PoisonError::into_inner);
        let due = visible.is_none_or(|visible| visible.elapsed() >= PAUSE);
        if due {
            *visible = Some(Instant::now());
        }
        due
    }
}

/// Where the drawn frames of one video go.
pub(super) struct View<'a> {
    name: String,
    drawing: Drawing,
    folder: Option<PathBuf>,
    film: Option<Writer>,
    page: Option<&'a Page>,
}

impl<'a> View<'a> {
    /// Frames go into the folder `folder`, where there is one.
    ///
    /// # Errors
    /// 74 when it cannot be made.
    pub fn of_folder(name: &str, with_memory: bool, folder: Option<PathBuf>, page: Option<&'a Page>) -> Result<Self> {
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        }
        Ok(Self { name: name.to_owned(), drawing: Drawing::new(with_memory), folder, film: None, page })
    }

    /// Frames go into `film`.
    pub fn of_film(name: &str, with_memory: bool, film: Writer, page: Option<&'a Page>) -> Self {
        Self { name: name.to_owned(), drawing: Drawing::new(with_memory), folder: None, film: Some(film), page }
    }

    /// One more frame, of this number in its source; the annotator's box in it is `truth`.
    ///
    /// # Errors
    /// 74 when it cannot be written.
    pub fn frame(&mut self, number: usize, step: &Step<'_>, truth: Option<&Rect>) -> Result<()> {
        if self.folder.is_none() && self.film.is_none() && self.page.is_none() {
            return Ok(());
        }
        let picture = self.drawing.frame(step, truth);
        if let Some(folder) = &self.folder {
            put(&folder.join(format!("{:05}.jpg", number + 1)), &picture)?;
        }
        if let Some(film) = &mut self.film {
            film.frame(&picture)?;
        }
        if let Some(page) = self.page.filter(|page| page.is_due()) {
            let score = step.tracked.map_or(String::new(), |tracked| format!(", score {:.2}", tracked.score));
            let speed = 1.0 / step.seconds.max(1e-9);
            page.live.view(&picture, &format!("{}: frame {number}{score}, {speed:.1} frames/s", self.name));
        }
        Ok(())
    }

    /// The end of the video.
    ///
    /// # Errors
    /// 74 when its film could not be written.
    pub fn finish(self) -> Result<()> {
        self.film.map_or(Ok(()), Writer::finish)
    }
}

fn put(path: &Path, picture: &RgbImage) -> Result<()> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(picture).map_err(|error| failed(path, &error))?;
    std::fs::write(path, bytes).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::output(format!("{}: cannot be written: {error}; name another place with --draw", path.display()))
}
