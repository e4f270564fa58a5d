//! Rewriting JPEG pictures without touching their samples, and compressing pixels.

use std::ptr::null_mut;

use image::RgbImage;

use super::{JpegError, ffi, outcome};

/// The same picture as a baseline file with optimal Huffman tables and a restart marker after every `interval` minimum
/// coded units: every decoder gives the pixels of `bytes`. What is no picture data (Exif, thumbnails, profiles) is left
/// out.
///
/// # Errors
/// The bytes are no grey or three-component JPEG file of 8 bits, or a damaged one.
pub fn with_restarts(bytes: &[u8], interval: u16) -> Result<Vec<u8>, JpegError> {
    call(|out, report| {
        // SAFETY: the pointers are to valid places, and C reads `length` bytes at most.
        unsafe { ffi::tf_jpeg_transcode(bytes.as_ptr(), bytes.len(), u32::from(interval), out, report) }
    })
}

/// `picture` as a baseline file of `quality` (1 to 100) with chroma at half size both ways and a restart marker after
/// every `interval` minimum coded units.
///
/// # Errors
/// The picture is empty or larger than the format allows.
pub fn encode(picture: &RgbImage, quality: u8, interval: u16) -> Result<Vec<u8>, JpegError> {
    let (width, height) = picture.dimensions();
    call(|out, report| {
        // SAFETY: as above; an `RgbImage` holds width × height × 3 bytes.
        unsafe {
            let (quality, interval) = (u32::from(quality), u32::from(interval));
            ffi::tf_jpeg_encode(picture.as_raw().as_ptr(), width, height, quality, interval, out, report)
        }
    })
}

fn call(write: impl FnOnce(*mut ffi::Bytes, *mut ffi::Report) -> i32) -> Result<Vec<u8>, JpegError> {
    let (mut out, mut report) = (ffi::Bytes { bytes: null_mut(), length: 0 }, ffi::Report::default());
    write(&raw mut out, &raw mut report);
    outcome(&report)?;
    // SAFETY: after success the pointer is to `length` bytes that C allocated and we free once.
    unsafe {
        let written = std::slice::from_raw_parts(out.bytes, out.length).to_vec();
        ffi::tf_jpeg_bytes_free(&raw mut out);
        Ok(written)
    }
}
