//! What a tracker sees now: its newest frame as it is drawn, and a page that shows it.

use super::Live;
use actix_web::{HttpResponse, Resource, web, web::Bytes};
use image::{RgbImage, codecs::jpeg::JpegEncoder};
use std::sync::{Arc, PoisonError};

/// The page at `/` of a process that tracks.
pub(super) const HTML: &str = include_str!("page/track.html");

/// Fine enough to read small text.
const QUALITY: u8 = 85;

/// The newest frame.
#[derive(Debug, Default)]
pub(super) struct View {
    number: u64,
    picture: Bytes,
    words: String,
}

impl Live {
    /// Shows `picture` and `words` instead of what was shown before.
    pub fn view(&self, picture: &RgbImage, words: &str) {
        let mut bytes = Vec::new();
        // A picture that cannot be encoded is not shown; tracking goes on.
        if JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(picture).is_err() {
            return;
        }
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        *view = View { number: view.number + 1, picture: bytes.into(), words: words.to_owned() };
    }
}

/// `/frame.jpg`.
pub(super) fn picture(live: Arc<Live>) -> Resource {
    let answer = move || {
        let picture = live.view.lock().unwrap_or_else(PoisonError::into_inner).picture.clone();
        async move {
            match picture.is_empty() {
                false => HttpResponse::Ok().content_type("image/jpeg").body(picture),
                true => HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("no frame yet\n"),
            }
        }
    };
    web::resource("/frame.jpg").route(web::get().to(answer))
}

/// `/frame.json`: the frame's number and what is said of it.
pub(super) fn words(live: Arc<Live>) -> Resource {
    let answer = move || {
        let view = live.view.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::json!({"number": view.number, "words": view.words}).to_string();
        async move { HttpResponse::Ok().content_type("application/json").body(text) }
    };
    web::resource("/frame.json").route(web::get().to(answer))
}
