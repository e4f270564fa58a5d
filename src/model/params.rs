//! The model's tensors under their PyTorch state names, in the reference's order.

use super::init::Init;
use crate::failure::{Failure, Result};
use crate::native;
use std::collections::{HashMap, HashSet};
use tch::{Device, Kind, Tensor};

/// What a tensor is to an optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Trained by gradients.
    Parameter,
    /// Written by the forward pass (running statistics of batch normalisation).
    Buffer,
}

#[derive(Debug)]
struct NamedParam {
    name: String,
    tensor: Tensor,
    role: Role,
}

/// The model's tensors. Modules hold shallow clones: they see every in-place change made here, and the other way round.
#[derive(Debug)]
pub struct Params {
    entries: Vec<NamedParam>,
    index: HashMap<String, usize>,
    device: Device,
    /// Whether the tensors have shapes and names only.
    sketch: bool,
    /// On a GPU, the memory of all buffers, by type: what is done to all of them is one launch.
    buffers: Vec<Tensor>,
}

/// What became of the tensors given to [`Params::load`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names that were copied.
    pub matched: Vec<String>,
    /// Names of the model that were not given.
    pub missing: Vec<String>,
    /// Given names that the model lacks.
    pub unexpected: Vec<String>,
    /// Names whose given shape differs: (name, shape in the model, given shape).
    pub reshaped: Vec<(String, Vec<i64>, Vec<i64>)>,
}

impl LoadReport {
    /// Whether every tensor of the model was copied and nothing was left over.
    pub fn is_exact(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.reshaped.is_empty()
    }

    /// An error that lists all that did not match, except missing names that start with one of `allowed_missing`.
    pub fn require(&self, allowed_missing: &[&str]) -> Result<()> {
        let allowed = |name: &String| allowed_missing.iter().any(|prefix| name.starts_with(prefix));
        let mut lines: Vec<String> =
            self.missing.iter().filter(|name| !allowed(name)).map(|name| format!("{name}: missing")).collect();
        lines.extend(self.unexpected.iter().map(|name| format!("{name}: the model has no such tensor")));
        lines.extend(
            self.reshaped.iter().map(|(name, have, given)| format!("{name}: shape {given:?}, the model has {have:?}")),
        );
        if lines.is_empty() { Ok(()) } else { Err(Failure::input(lines.join("\n"))) }
    }
}

impl Params {
    pub(super) fn new(device: Device) -> Self {
        Self { entries: Vec::new(), index: HashMap::new(), device, sketch: false, buffers: Vec::new() }
    }

    /// Tensors that have shapes and names, but share one number each: for whoever asks how large a model is.
    pub(super) fn sketch() -> Self {
        Self { sketch: true, ..Self::new(Device::Cpu) }
    }

    /// Where the tensors are.
    pub fn device(&self) -> Device {
        self.device
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All tensors in the reference's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor, Role)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), &entry.tensor, entry.role))
    }

    /// The parameters among them.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.iter().filter(|(_, _, role)| *role == Role::Parameter).map(|(name, tensor, _)| (name, tensor))
    }

    /// The buffers, as many of them as there are in one tensor where that is possible.
    pub fn buffers(&self) -> Vec<&Tensor> {
        match self.buffers.as_slice() {
            [] => self.iter().filter(|(_, _, role)| *role == Role::Buffer).map(|(_, tensor, _)| tensor).collect(),
            whole => whole.iter().collect(),
        }
    }

    /// Lays the tensors out as a GPU likes them: buffers of a type side by side, kernels with their channels last. The
    /// modules' handles follow.
    ///
    /// # Errors
    /// There is no memory.
    pub(super) fn arrange(&mut self) -> Result<()> {
        if !self.device.is_cuda() || self.sketch {
            return Ok(());
        }
        tch::no_grad(|| {
            for kind in [Kind::Float, Kind::Int64] {
                let of_kind = |entry: &&mut NamedParam| entry.role == Role::Buffer && entry.tensor.kind() == kind;
                let mut entries: Vec<&mut NamedParam> = self.entries.iter_mut().filter(of_kind).collect();
                if entries.is_empty() {
                    continue;
                }
                let parts = entries
                    .iter()
                    .map(|entry| entry.tensor.f_flatten(0, -1))
                    .collect::<std::result::Result<Vec<_>, _>>()?;
                let whole = Tensor::f_cat(&parts, 0)?;
                let mut from = 0;
                for entry in &mut entries {
                    let (size, count) = (entry.tensor.size(), entry.tensor.numel() as i64);
                    entry.tensor.f_set_data(&whole.f_narrow(0, from, count)?.f_view(size.as_slice())?)?;
                    from += count;
                }
                self.buffers.push(whole);
            }
            for entry in self.entries.iter_mut().filter(|entry| entry.tensor.dim() == 4) {
                let last = native::channels_last(&entry.tensor)?;
                entry.tensor.f_set_data(&last)?;
            }
            Ok(())
        })
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).map(|&at| &self.entries[at].tensor)
    }

    /// Makes exactly the parameters trainable for whose name `trains` is true, and zeroes the gradients of the others.
    pub fn set_trainable(&self, trains: impl Fn(&str) -> bool) {
        for (name, tensor) in self.parameters() {
            let _ = tensor.set_requires_grad(trains(name));
            if !tensor.requires_grad() {
                tensor.shallow_clone().zero_grad();
            }
        }
    }

    /// Copies `tensors` over those of the same name and shape (converting the element type), and reports the rest.
    ///
    /// # Errors
    /// A tensor given twice, or a copy that libtorch refuses. What does not match is in the report, not an error.
    pub fn load<'a>(&self, tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<LoadReport> {
        let mut report = LoadReport::default();
        let mut given = HashSet::new();
        for (name, source) in tensors {
            if !given.insert(name) {
                return Err(Failure::input(format!("{name}: given twice")));
            }
            match self.get(name) {
                None => report.unexpected.push(name.to_owned()),
                Some(tensor) if tensor.size() != source.size() => {
                    report.reshaped.push((name.to_owned(), tensor.size(), source.size()));
                }
                Some(tensor) => {
                    tch::no_grad(|| tensor.shallow_clone().f_copy_(source))?;
                    report.matched.push(name.to_owned());
                }
            }
        }
        report.missing =
            self.iter().map(|(name, ..)| name).filter(|name| !given.contains(name)).map(Into::into).collect();
        Ok(report)
    }

    fn insert(&mut self, name: String, tensor: Tensor, role: Role) -> Tensor {
        let tensor = tensor.to_device(self.device).set_requires_grad(role == Role::Parameter);
        let clone = tensor.shallow_clone();
        let at = self.entries.len();
        let earlier = self.index.insert(name.clone(), at);
        debug_assert!(earlier.is_none(), "two tensors are called {name}");
        self.entries.push(NamedParam { name, tensor, role });
        clone
    }
}

/// A tensor of this shape whose numbers are all the same one in memory.
fn one_number(shape: &[i64]) -> Tensor {
    Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand(shape, false)
}

/// Where a module registers its tensors: a name prefix, and the seed they start from.
pub(super) struct Scope<'a> {
    params: &'a mut Params,
    prefix: String,
    seed: u64,
}

impl<'a> Scope<'a> {
    pub fn root(params: &'a mut Params, seed: u64) -> Self {
        Self { params, prefix: String::new(), seed }
    }

    /// The scope of the part called `name`.
    pub fn at(&mut self, name: impl std::fmt::Display) -> Scope<'_> {
        Scope { prefix: self.full(&name.to_string()) + ".", params: self.params, seed: self.seed }
    }

    pub fn parameter(&mut self, name: &str, shape: &[i64], init: Init) -> Tensor {
        let name = self.full(name);
        let tensor = match self.params.sketch {
            true => one_number(shape),
            false => init.tensor(self.seed, &name, shape),
        };
        self.params.insert(name, tensor, Role::Parameter)
    }

    /// A parameter that starts from a given value.
    pub fn parameter_from(&mut self, name: &str, value: Tensor) -> Tensor {
        let name = self.full(name);
        self.params.insert(name, value, Role::Parameter)
    }

    pub fn buffer(&mut self, name: &str, shape: &[i64], value: f32) -> Tensor {
        let name = self.full(name);
        let tensor = Tensor::full(shape, f64::from(value), (Kind::Float, Device::Cpu));
        self.params.insert(name, tensor, Role::Buffer)
    }

    /// An i64 scalar that starts at 0.
    pub fn counter(&mut self, name: &str) -> Tensor {
        let name = self.full(name);
        self.params.insert(name, Tensor::zeros([0i64; 0], (Kind::Int64, Device::Cpu)), Role::Buffer)
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
