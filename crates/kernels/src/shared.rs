//! Parameters that one pass uses several times: converted once and their gradients summed once, for all of them together.
//! On a GPU a launch costs more than what most of these sums and conversions compute.

use super::{check, pointers, precision::autocast_is_on};
use std::{cell::RefCell, collections::HashMap, ffi::c_int, ptr};
use tch::{TchError, Tensor};
use torch_sys::C_tensor;

unsafe extern "C" {
    fn trackflow_native_share(
        parameters: *const *const C_tensor,
        times: *const i64,
        half: *const i64,
        count: usize,
        out: *mut *mut C_tensor,
    ) -> c_int;
    fn trackflow_native_copy_all(to: *const *const C_tensor, from: *const *const C_tensor, count: usize) -> c_int;
    fn trackflow_native_add_to_all(tensors: *const *const C_tensor, count: usize, value: i64) -> c_int;
}

/// How a pass uses a parameter.
#[derive(Debug)]
pub struct Use<'a> {
    /// The parameter.
    pub tensor: &'a Tensor,
    /// How often, at most; whoever uses it more often gets the parameter itself.
    pub times: usize,
    /// Whether it belongs to a product, which autocast computes in bfloat16.
    pub product: bool,
}

/// What the pass on this thread shares.
#[derive(Default)]
struct Present {
    /// By the address of a parameter's numbers: what is left of its tensors.
    tensors: HashMap<usize, Vec<Tensor>>,
    /// Counters that are to go up by one, as often as they stand here.
    counters: Vec<Tensor>,
}

thread_local! {
    static PRESENT: RefCell<Option<Present>> = const { RefCell::new(None) };
}

/// The pass of this thread, in which [`shared`] hands out what was prepared, until the value is dropped.
#[derive(Debug)]
pub struct Sharing {
    _of_thread: std::marker::PhantomData<*const ()>,
}

impl Sharing {
    /// Prepares the parameters for a pass, in bfloat16 where autocast is on.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn begin(uses: &[Use<'_>]) -> Result<Self, TchError> {
        let half: Vec<i64> = uses.iter().map(|of| i64::from(of.product && autocast_is_on())).collect();
        let times: Vec<i64> = uses.iter().map(|of| of.times as i64).collect();
        let list = pointers(uses.iter().map(|of| of.tensor));
        let mut out = vec![ptr::null_mut(); uses.iter().map(|of| of.times).sum()];
        // SAFETY: the lists are as long as `count` says, and `out` has room for as many tensors as `times` asks for, which
        // are there when the status is 0.
        let mut made = unsafe {
            check(trackflow_native_share(list.as_ptr(), times.as_ptr(), half.as_ptr(), list.len(), out.as_mut_ptr()))?;
            out.into_iter().map(|tensor| Tensor::from_ptr(tensor)).collect::<Vec<_>>().into_iter()
        };
        let tensors = uses.iter().map(|of| (address(of.tensor), made.by_ref().take(of.times).collect())).collect();
        PRESENT.set(Some(Present { tensors, ..Present::default() }));
        Ok(Self { _of_thread: std::marker::PhantomData })
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        let Some(Present { counters, .. }) = PRESENT.take() else { return };
        let mut times: HashMap<usize, (Tensor, i64)> = HashMap::new();
        for counter in counters {
            times.entry(address(&counter)).or_insert_with(|| (counter, 0)).1 += 1;
        }
        let mut by_times: HashMap<i64, Vec<Tensor>> = HashMap::new();
        times.into_values().for_each(|(counter, times)| by_times.entry(times).or_default().push(counter));
        for (times, counters) in by_times {
            let list = pointers(&counters);
            // SAFETY: the list is as long as said. It cannot fail: counters are numbers of one device.
            let _ = tch::no_grad(|| unsafe { trackflow_native_add_to_all(list.as_ptr(), list.len(), times) });
        }
    }
}

fn address(tensor: &Tensor) -> usize {
    tensor.data_ptr() as usize
}

/// Copies each of the tensors `from` over its counterpart in `to`, all in one go where they are on a GPU.
///
/// # Errors
/// Lists or tensors that do not fit together.
pub fn copy_all(to: &[Tensor], from: &[Tensor]) -> Result<(), TchError> {
    if to.len() != from.len() {
        return Err(TchError::Shape(format!("{} tensors cannot be copied over {}", from.len(), to.len())));
    }
    let (targets, sources) = (pointers(to), pointers(from));
    // SAFETY: both lists are as long as said, and their tensors are held by the caller.
    tch::no_grad(|| check(unsafe { trackflow_native_copy_all(targets.as_ptr(), sources.as_ptr(), to.len()) }))
}

/// What this pass prepared of `weight` and `bias`; none where nothing is left or nothing was prepared.
pub fn shared(weight: &Tensor, bias: &Tensor) -> Option<[Tensor; 2]> {
    PRESENT.with_borrow_mut(|present| {
        let tensors = &mut present.as_mut()?.tensors;
        let weight = tensors.get_mut(&address(weight))?.pop()?;
        Some([weight, tensors.get_mut(&address(bias))?.pop()?])
    })
}

/// Lets `counter` go up by one at the end of this pass; whether there is one.
pub fn count_later(counter: &Tensor) -> bool {
    PRESENT.with_borrow_mut(|present| {
        let present = present.as_mut();
        present.map(|present| present.counters.push(counter.shallow_clone())).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Autocast;
    use tch::{Device, Kind};

    /// The same in every run: libtorch's generator is shared with other tests of the process.
    fn draw(shape: &[i64]) -> Tensor {
        let count = shape.iter().product::<i64>();
        let numbers = Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.71;
        numbers.sin().reshape(shape).set_requires_grad(true)
    }

    fn gradients(weight: &Tensor, bias: &Tensor, share: bool) -> Vec<Tensor> {
        let x = Tensor::ones([2, 4], (Kind::Float, Device::Cpu)) * 0.3;
        let uses = |tensor| Use { tensor, times: 3, product: true };
        let _sharing = share.then(|| Sharing::begin(&[uses(weight), uses(bias)]).unwrap());
        let mut sum = Tensor::zeros([], (Kind::Float, Device::Cpu));
        for time in 1..=4 {
            let found = shared(weight, bias);
            assert_eq!(found.is_some(), share && time <= 3, "the fourth gets the parameter itself");
            let [w, b] = found.unwrap_or_else(|| [weight.shallow_clone(), bias.shallow_clone()]);
            sum += (x.linear(&w, Some(&b)) * f64::from(time)).sin().sum(Kind::Float);
        }
        Tensor::run_backward(&[&sum], &[weight, bias], false, false)
    }

    #[test]
    fn gradients_are_those_of_the_parameters_used_directly() {
        let (weight, bias) = (draw(&[5, 4]), draw(&[5]));
        let off = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        let [have, expected] = [true, false].map(|share| gradients(&weight, &bias, share));
        // Sums of eight numbers up to 4 (20 in all), in another order: 8 roundings of 20 × 2⁻²⁴ at the most.
        let worst = have.iter().zip(&expected).map(|(a, b)| off(a, b)).fold(0.0, f64::max);
        assert!(worst < 1e-5, "{worst}");
        let _autocast = Autocast::enter(Device::Cpu).unwrap();
        let half = gradients(&weight, &bias, true);
        // Arguments of the sine reach 9, which bfloat16 rounds by up to 2⁻⁹ of that: 0.018, times weights of 20 in all.
        let worst = half.iter().zip(&expected).map(|(a, b)| off(a, b)).fold(0.0, f64::max);
        assert!(worst < 0.36 && half.iter().all(|gradient| gradient.kind() == Kind::Float), "{worst}");
    }

    #[test]
    fn counters_go_up_at_the_end() {
        let counter = Tensor::zeros([], (Kind::Int64, Device::Cpu));
        assert!(!count_later(&counter));
        let sharing = Sharing::begin(&[]).unwrap();
        assert!(count_later(&counter) && count_later(&counter));
        assert_eq!(counter.int64_value(&[]), 0);
        drop(sharing);
        assert_eq!(counter.int64_value(&[]), 2);
    }
}
