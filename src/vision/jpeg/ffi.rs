//! What `shim/*.h` declare.

// The library that the shim calls; the linker takes it only when something names the crate.
use turbojpeg_sys as _;

pub const DONE: i32 = 0;
pub const TRUNCATED: i32 = 2;
pub const UNSUPPORTED: i32 = 3;
pub const MEMORY: i32 = 4;
pub const MISUSE: i32 = 5;

/// `tf_jpeg_report`.
#[repr(C)]
pub struct Report {
    pub code: i32,
    pub warnings: u32,
    pub message: [u8; 200],
}

impl Default for Report {
    fn default() -> Self {
        Self { code: DONE, warnings: 0, message: [0; 200] }
    }
}

/// `tf_jpeg_header`.
#[repr(C)]
#[derive(Default)]
pub struct Header {
    pub width: u32,
    pub height: u32,
    pub components: u32,
    pub mcu_width: u32,
    pub mcu_height: u32,
    pub restart_interval: u32,
    pub progressive: u32,
}

/// `tf_jpeg_area`.
#[repr(C)]
pub struct Area {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

/// `tf_jpeg_decompressor`, known to C only.
#[repr(C)]
pub struct Decompressor {
    _private: [u8; 0],
}

/// `tf_jpeg_bytes`.
#[repr(C)]
pub struct Bytes {
    pub bytes: *mut u8,
    pub length: usize,
}

unsafe extern "C" {
    pub fn tf_jpeg_decompressor_new() -> *mut Decompressor;
    pub fn tf_jpeg_decompressor_free(this: *mut Decompressor);
    pub fn tf_jpeg_open(
        this: *mut Decompressor,
        bytes: *const u8,
        length: usize,
        header: *mut Header,
        report: *mut Report,
    ) -> i32;
    pub fn tf_jpeg_start(this: *mut Decompressor, reduction: u32, area: *mut Area, report: *mut Report) -> i32;
    pub fn tf_jpeg_read(this: *mut Decompressor, rgb: *mut u8, capacity: usize, report: *mut Report) -> i32;
    pub fn tf_jpeg_transcode(
        bytes: *const u8,
        length: usize,
        interval: u32,
        out: *mut Bytes,
        report: *mut Report,
    ) -> i32;
    pub fn tf_jpeg_encode(
        rgb: *const u8,
        width: u32,
        height: u32,
        quality: u32,
        interval: u32,
        out: *mut Bytes,
        report: *mut Report,
    ) -> i32;
    pub fn tf_jpeg_bytes_free(bytes: *mut Bytes);
}
