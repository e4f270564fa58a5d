//! Attention on the CPU, in f32; differentiable.

use crate::{is_plain, precision::autocast_is_on, tensor};
use std::{ffi::c_int, sync::LazyLock};
use tch::Tensor;
use torch_sys::C_tensor;

/// Heads are cut into vectors of so many numbers.
const PANEL: i64 = 16;

unsafe extern "C" {
    fn trackflow_native_attention_fits() -> c_int;
    fn trackflow_native_attention(
        query: *const C_tensor,
        key: *const C_tensor,
        value: *const C_tensor,
        out: *mut *mut C_tensor,
    ) -> c_int;
}

// SAFETY: it reads what the processor can do.
static FITS: LazyLock<bool> = LazyLock::new(|| unsafe { trackflow_native_attention_fits() } != 0);

/// `softmax(q kᵀ / √D) v` for `query` `[B, heads, M, D]`, `key` and `value` `[B, heads, N, D]`, the heads joined:
/// `[B, M, heads·D]`; none where libtorch's own is to be used: on a GPU, in other types than f32, under autocast, on
/// processors without AVX2, for heads whose width is not a multiple of 16.
///
/// # Panics
/// As tch's operations do, when libtorch refuses.
pub fn attention(query: &Tensor, key: &Tensor, value: &Tensor) -> Option<Tensor> {
    let parts = [query, key, value];
    let sizes = parts.map(Tensor::size);
    let [&[batch, heads, _, width], &[_, _, count, _], _] = [&sizes[0][..], &sizes[1][..], &sizes[2][..]] else {
        return None;
    };
    let plain = |part: &Tensor| is_plain(part) && part.stride().last() == Some(&1);
    let fits = *FITS
        && !autocast_is_on()
        && width % PANEL == 0
        && width > 0
        && count > 0
        && parts.into_iter().all(plain)
        && sizes[1] == [batch, heads, count, width]
        && sizes[1] == sizes[2];
    if !fits {
        return None;
    }
    // SAFETY: shapes, types and layouts were checked above.
    let call = |out| unsafe { trackflow_native_attention(query.as_ptr(), key.as_ptr(), value.as_ptr(), out) };
    Some(tensor(call))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Whether there is anything to test here.
    fn fits() -> bool {
        if !*FITS {
            eprintln!("SKIPPED: this processor has no AVX2");
        }
        *FITS
    }

    fn draw(shape: &[i64]) -> Tensor {
        Tensor::randn(shape, (Kind::Float, Device::Cpu))
    }

    /// In f64, by the formula.
    fn plain(query: &Tensor, key: &Tensor, value: &Tensor) -> Tensor {
        let [query, key, value] = [query, key, value].map(|part| part.to_kind(Kind::Double));
        let size = query.size();
        let similar = query.matmul(&key.transpose(2, 3)) / (size[3] as f64).sqrt();
        similar.softmax(-1, None::<Kind>).matmul(&value).transpose(1, 2).reshape([size[0], size[2], -1])
    }

    fn off(a: &Tensor, b: &Tensor) -> f64 {
        ((a - b).abs().max() / b.abs().max()).double_value(&[])
    }

    /// Queries, keys and values as a linear layer leaves them: one row a token.
    fn parts(batch: i64, count: i64, heads: i64, width: i64) -> [Tensor; 3] {
        let qkv = draw(&[batch, count, 3, heads, width]).permute([2, 0, 3, 1, 4]);
        [0, 1, 2].map(|part| qkv.get(part))
    }

    #[test]
    fn it_is_the_formula_for_any_number_of_tokens() {
        if !fits() {
            return;
        }
        tch::manual_seed(7);
        for (batch, count, heads, width) in
            [(1, 1, 1, 16), (2, 5, 3, 16), (1, 17, 2, 32), (3, 97, 2, 48), (1, 250, 4, 64)]
        {
            let [query, key, value] = parts(batch, count, heads, width);
            let have = attention(&query, &key, &value).unwrap();
            assert!(off(&have, &plain(&query, &key, &value)) < 2e-6, "{count} tokens");
            // Some of the queries, and similarities so far apart that all but one weight vanish.
            let some = query.narrow(2, count / 2, count - count / 2) * 60.0;
            let have = attention(&some, &key, &value).unwrap();
            assert!(off(&have, &plain(&some, &key, &value)) < 2e-5, "{count} tokens, far apart");
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        if !fits() {
            return;
        }
        let [query, key, value] = parts(2, 203, 3, 32);
        let before = tch::get_num_threads();
        let [one, more] = [1, 5].map(|threads| {
            tch::set_num_threads(threads);
            attention(&query, &key, &value).unwrap()
        });
        tch::set_num_threads(before);
        assert_eq!(one, more);
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        if !fits() {
            return;
        }
        let [query, key, value] = parts(1, 30, 1, 16);
        let _ = query.get(0).get(0).get(7).fill_(f64::NAN);
        let _ = value.get(0).get(0).get(3).get(5).fill_(f64::INFINITY);
        let have = attention(&query, &key, &value).unwrap().squeeze_dim(0);
        let (bad, good) = (have.get(7).isnan(), have.get(8));
        assert!(bool::try_from(bad.all()).unwrap());
        assert!(bool::try_from(good.get(5).isinf()).unwrap());
        assert_eq!(i64::try_from(good.isfinite().sum(Kind::Int64)).unwrap(), 15);
    }

    #[test]
    fn gradients_are_those_of_the_formula() {
        if !fits() {
            return;
        }
        tch::manual_seed(8);
        for (batch, count, heads, width) in [(1, 9, 1, 16), (2, 131, 3, 32)] {
            let qkv = draw(&[batch, count, 3, heads, width]).set_requires_grad(true);
            let parts = [0, 1, 2].map(|part| qkv.permute([2, 0, 3, 1, 4]).get(part));
            let [query, key, value] = &parts;
            let loss = |joined: Tensor| (joined.sin() * joined.cos().cumsum(1, None::<Kind>)).sum(Kind::Double);
            let gradient = |loss: Tensor| Tensor::run_backward(&[&loss], &[&qkv], false, false).remove(0);
            let have = gradient(loss(attention(query, key, value).unwrap()));
            let expected = gradient(loss(plain(query, key, value)));
            assert!(off(&have, &expected) < 1e-5, "{count} tokens: {}", off(&have, &expected));
        }
    }

    #[test]
    fn odd_widths_are_left_to_libtorch() {
        let [query, key, value] = parts(1, 30, 1, 24);
        assert!(attention(&query, &key, &value).is_none());
    }
}
