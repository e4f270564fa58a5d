//! Decoding a window of a JPEG picture.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::{JpegError, JpegErrorKind, ffi, outcome};
use crate::vision::area::Area;

/// What the header of a JPEG file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Width of the picture.
    pub width: u32,
    /// Height of the picture.
    pub height: u32,
    /// 1: grey; 3: colour.
    pub components: u32,
    /// Width and height of a minimum coded unit in pixels: 16 × 16 with chroma at half size both ways.
    pub mcu: (u32, u32),
    /// Minimum coded units between restart markers; `None` without any.
    pub restart_interval: Option<u32>,
    /// Whether the picture is stored in several scans of growing detail, so that all of them must be read.
    pub progressive: bool,
}

/// libjpeg's decoder, for one thread. It keeps nothing from one picture to the next but its memory.
#[derive(Debug)]
pub struct Decompressor {
    raw: NonNull<ffi::Decompressor>,
}

// SAFETY: the C object is owned, has no thread of its own and refers to no thread-local state.
unsafe impl Send for Decompressor {}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: made by `tf_jpeg_decompressor_new` and freed once.
        unsafe { ffi::tf_jpeg_decompressor_free(self.raw.as_ptr()) }
    }
}

impl Decompressor {
    /// A decoder.
    ///
    /// # Errors
    /// There is no memory.
    pub fn new() -> Result<Self, JpegError> {
        // SAFETY: no arguments.
        NonNull::new(unsafe { ffi::tf_jpeg_decompressor_new() })
            .map(|raw| Self { raw })
            .ok_or_else(|| JpegError { kind: JpegErrorKind::Memory, message: "no memory for a decoder".into() })
    }

    /// Reads the header of the JPEG file `bytes`. Grey and three-component pictures of 8 bits are supported.
    ///
    /// # Errors
    /// The bytes are no such file.
    pub fn open<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Opened<'a>, JpegError> {
        let (mut header, mut report) = (ffi::Header::default(), ffi::Report::default());
        // SAFETY: `self.raw` is alive, the pointers are to valid places, and `Opened` keeps `bytes` borrowed for as
        // long as C may read it: the next call of `open` replaces the pointer before anything is read.
        unsafe {
            ffi::tf_jpeg_open(self.raw.as_ptr(), bytes.as_ptr(), bytes.len(), &raw mut header, &raw mut report);
        }
        outcome(&report)?;
        let header = Header {
            width: header.width,
            height: header.height,
            components: header.components,
            mcu: (header.mcu_width, header.mcu_height),
            restart_interval: (header.restart_interval > 0).then_some(header.restart_interval),
            progressive: header.progressive != 0,
        };
        Ok(Opened { raw: self.raw, header, reduction: 1, borrowed: PhantomData })
    }
}

/// A picture whose header was read.
#[derive(Debug)]
pub struct Opened<'a> {
    raw: NonNull<ffi::Decompressor>,
    header: Header,
    reduction: u32,
    borrowed: PhantomData<(&'a mut Decompressor, &'a [u8])>,
}

impl Opened<'_> {
    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The picture at 1/`by` of its size, rounded up; `by` is 1, 2, 4 or 8. It comes from the coarse DCT coefficients
    /// alone, which saves time and is about what averaging gives.
    pub fn reduced(self, by: u32) -> Self {
        Self { reduction: by, ..self }
    }

    /// Decodes `area` into `pixels` (RGB, rows without gaps), whose contents are replaced and whose memory is reused.
    ///
    /// The result says which area the pixels are of: that which was asked for with some columns around it, as the
    /// decoder works in whole coded units. The pixels asked for equal those of a full decode in every byte: exact
    /// integer DCT, interpolated chroma. Some of the additional columns may differ from it.
    ///
    /// # Errors
    /// `area` is empty or reaches outside the picture, or the data down to its last row are damaged: no pixel is ever
    /// made up.
    pub fn read(self, area: Area, pixels: &mut Vec<u8>) -> Result<Area, JpegError> {
        let mut report = ffi::Report::default();
        let mut wide = ffi::Area { x: area.x, y: area.y, width: area.width, height: area.height };
        // SAFETY: the object is alive and borrowed by `self`, the pointers are to valid places.
        unsafe { ffi::tf_jpeg_start(self.raw.as_ptr(), self.reduction, &raw mut wide, &raw mut report) };
        outcome(&report)?;
        let length = wide.width as usize * wide.height as usize * 3;
        pixels.clear();
        pixels.reserve_exact(length);
        // SAFETY: as above; C writes at most `capacity` bytes, and all `length` of them when it succeeds.
        unsafe {
            ffi::tf_jpeg_read(self.raw.as_ptr(), pixels.as_mut_ptr(), pixels.capacity(), &raw mut report);
            outcome(&report)?;
            pixels.set_len(length);
        }
        Ok(Area { x: wide.x, y: wide.y, width: wide.width, height: wide.height })
    }
}
