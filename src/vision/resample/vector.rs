//! The two passes of the exact resampler with AVX2, where the machine has it. Each does a first part of a row and says
//! how much; plain code does the rest, and is what these are tested against.

use super::exact::Tap;

/// Scales the first columns of `source` into `sums`. Returns how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn horizontal(source: &[u8], columns: &[Tap], sums: &mut [i16]) -> usize {
    if !is_x86_feature_detected!("avx2") {
        return 0;
    }
    // Eight bytes are loaded for each column, sixteen stored for the last two of four: so much must be there. Taps
    // move to the right, and one whose second pixel is not the next lies too far right for this.
    let loadable = columns.partition_point(|tap| tap.first * 3 + 8 <= source.len());
    let storable = (sums.len() / 3).saturating_sub(1);
    let count = loadable.min(storable) / 4 * 4;
    // SAFETY: the machine has AVX2, and the bounds are those above.
    unsafe { avx2::horizontal(source, &columns[..count], sums) };
    count
}

/// Weighs two scaled rows into bytes. Returns how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn vertical(upper: &[i16], lower: &[i16], weights: [i16; 2], out: &mut [u8]) -> usize {
    if !is_x86_feature_detected!("avx2") {
        return 0;
    }
    let count = out.len().min(upper.len()).min(lower.len()) / 32 * 32;
    // SAFETY: the machine has AVX2, and all three have `count` elements.
    unsafe { avx2::vertical(&upper[..count], &lower[..count], weights, &mut out[..count]) };
    count
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn horizontal(_: &[u8], _: &[Tap], _: &mut [i16]) -> usize {
    0
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn vertical(_: &[i16], _: &[i16], _: [i16; 2], _: &mut [u8]) -> usize {
    0
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Tap;
    use std::arch::x86_64::*;

    /// # Safety
    /// AVX2; a multiple of 4 columns, each with 8 readable bytes from its first pixel on and its second pixel right
    /// after it; `sums` has room for one pixel more than there are columns.
    #[target_feature(enable = "avx2")]
    pub unsafe fn horizontal(source: &[u8], columns: &[Tap], sums: &mut [i16]) {
        // Of two pixels in each half: the channels of the first beside those of the second.
        let pairs = _mm_setr_epi8(0, 3, 1, 4, 2, 5, -1, -1, 8, 11, 9, 12, 10, 13, -1, -1);
        // Four sums of a pixel, of which three count, twice in each half.
        let dense = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1));
        let two = |a: &Tap, b: &Tap| {
            // SAFETY: eight bytes from each first pixel on are readable.
            let load = |tap: &Tap| unsafe { _mm_loadl_epi64(source.as_ptr().add(tap.first * 3).cast()) };
            let weigh = |tap: &Tap| {
                let [wa, wb] = tap.weights.map(|weight| i32::from(weight as u16));
                _mm_set1_epi32(wa | wb << 16)
            };
            let pixels = _mm_shuffle_epi8(_mm_unpacklo_epi64(load(a), load(b)), pairs);
            let weights = _mm256_set_m128i(weigh(b), weigh(a));
            _mm256_srai_epi32::<4>(_mm256_madd_epi16(_mm256_cvtepu8_epi16(pixels), weights))
        };
        for (index, taps) in columns.chunks_exact(4).enumerate() {
            let packed = _mm256_packs_epi32(two(&taps[0], &taps[2]), two(&taps[1], &taps[3]));
            let packed = _mm256_shuffle_epi8(packed, dense);
            // SAFETY: 6 + 8 numbers from 12 · index on lie in `sums`, as there is room for one pixel more.
            unsafe {
                let to = sums.as_mut_ptr().add(index * 12);
                _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(packed));
                _mm_storeu_si128(to.add(6).cast(), _mm256_extracti128_si256::<1>(packed));
            }
        }
    }

    /// # Safety
    /// AVX2; the lengths are equal and a multiple of 32.
    #[target_feature(enable = "avx2")]
    pub unsafe fn vertical(upper: &[i16], lower: &[i16], weights: [i16; 2], out: &mut [u8]) {
        let [wa, wb] = weights.map(|weight| _mm256_set1_epi16(weight));
        let two = _mm256_set1_epi16(2);
        let sum = |at: usize| {
            // SAFETY: sixteen numbers from `at` on are in both.
            let (a, b) = unsafe {
                (_mm256_loadu_si256(upper.as_ptr().add(at).cast()), _mm256_loadu_si256(lower.as_ptr().add(at).cast()))
            };
            let sum = _mm256_add_epi16(_mm256_mulhi_epi16(a, wa), _mm256_mulhi_epi16(b, wb));
            _mm256_srai_epi16::<2>(_mm256_add_epi16(sum, two))
        };
        for at in (0..out.len()).step_by(32) {
            let bytes = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(sum(at), sum(at + 16)));
            // SAFETY: 32 bytes from `at` on are in `out`.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().add(at).cast(), bytes) };
        }
    }
}
