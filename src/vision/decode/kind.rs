//! Which decoder reads the frames.

use super::{DecodeError, Decoder, ImageDecoder};

/// The decoders that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecoderKind {
    /// The pure-Rust decoders of the `image` crate, whole frames.
    Image,
    /// libjpeg-turbo for the windows of JPEG files, `image` for the rest.
    Turbojpeg,
}

impl DecoderKind {
    /// The fastest one that this program was built with.
    pub fn best() -> Self {
        if Self::Turbojpeg.is_built() { Self::Turbojpeg } else { Self::Image }
    }

    /// The name in pipelines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Turbojpeg => "turbojpeg",
        }
    }

    /// What it does, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Image => "whole frames",
            Self::Turbojpeg => "libjpeg-turbo, only the windows that crops need",
        }
    }

    /// Whether this program was built with it.
    pub fn is_built(self) -> bool {
        match self {
            Self::Image => true,
            Self::Turbojpeg => cfg!(feature = "turbojpeg"),
        }
    }

    /// A decoder of this kind for one thread.
    ///
    /// # Errors
    /// It is not built in, or there is no memory for it.
    pub fn decoder(self) -> Result<Box<dyn Decoder>, DecodeError> {
        match self {
            Self::Image => Ok(Box::new(ImageDecoder)),
            #[cfg(feature = "turbojpeg")]
            Self::Turbojpeg => Ok(Box::new(super::TurboDecoder::new()?)),
            #[cfg(not(feature = "turbojpeg"))]
            Self::Turbojpeg => {
                Err(DecodeError::new(super::DecodeReason::Unsupported, "this program was built without libjpeg-turbo"))
            }
        }
    }
}
