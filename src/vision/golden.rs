//! Noise to test on.

/// SplitMix64, one byte a step.
pub(crate) struct Noise {
    state: u64,
}

impl Noise {
    pub(crate) fn new(state: u64) -> Self {
        Self { state }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 56) as u8
    }
}
