//! The shape of an item: of which arrays it consists, of which type, and where they lie. From it follow whether two
//! stages fit together and how much memory a pipeline can need.

use std::fmt;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Dtype {
    U8,
    I64,
    F32,
    F64,
}

impl Dtype {
    /// Bytes of an element.
    pub fn bytes(self) -> u64 {
        match self {
            Self::U8 => 1,
            Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// As messages say it: `u8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

/// Where an item lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryKind {
    /// In the memory of this machine.
    #[default]
    Host,
    /// In the memory of an accelerator.
    Device,
}

impl MemoryKind {
    /// As messages say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Device => "device",
        }
    }
}

/// Equal arrays in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySpec {
    /// What they are, in the plural: `search crops`.
    pub name: &'static str,
    /// The type of an element.
    pub dtype: Dtype,
    /// The shape of one of them.
    pub shape: Vec<usize>,
    /// How many there are.
    pub count: usize,
    /// Whether the shape is a guess, because only the data can tell.
    pub assumed: bool,
}

impl ArraySpec {
    /// `count` arrays of `shape`.
    pub fn new(name: &'static str, dtype: Dtype, shape: impl Into<Vec<usize>>, count: usize) -> Self {
        Self { name, dtype, shape: shape.into(), count, assumed: false }
    }

    /// The same as a guess.
    pub fn assumed(mut self) -> Self {
        self.assumed = true;
        self
    }

    fn bytes(&self) -> u64 {
        let all = self.shape.iter().map(|&side| side as u64).chain([self.count as u64, self.dtype.bytes()]);
        all.fold(1, u64::saturating_mul)
    }

    fn sides(&self) -> String {
        self.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
    }
}

impl fmt::Display for ArraySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let description = if self.assumed { "about " } else { "" };
        write!(f, "{} × {} {description}{} {}", self.count, self.dtype.name(), self.sides(), self.name)
    }
}

/// The shape of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementSpec {
    /// Its arrays.
    pub parts: Vec<ArraySpec>,
    /// Where they lie.
    pub place: MemoryKind,
}

impl ElementSpec {
    /// An item in the memory of this machine.
    pub fn host(parts: impl Into<Vec<ArraySpec>>) -> Self {
        Self { parts: parts.into(), place: MemoryKind::Host }
    }

    /// An item in the memory of an accelerator.
    pub fn device(parts: impl Into<Vec<ArraySpec>>) -> Self {
        Self { parts: parts.into(), place: MemoryKind::Device }
    }

    /// Bytes of an item.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(ArraySpec::bytes).fold(0, u64::saturating_add)
    }

    /// Whether a part of it is a guess.
    pub fn is_assumed(&self) -> bool {
        self.parts.iter().any(|part| part.assumed)
    }

    /// Why an item of this form, which `from` emits, is not what `to` expects; parts that `expected` does not name are
    /// free.
    pub(crate) fn misfit(&self, from: &str, expected: &Self, to: &str) -> Option<String> {
        if self.place != expected.place {
            let (ours, theirs) = (self.place.name(), expected.place.name());
            return Some(format!("{from} emits items in {ours} memory, {to} expects them in {theirs} memory"));
        }
        expected.parts.iter().find_map(|wanted| {
            let Some(given) = self.parts.iter().find(|part| part.name == wanted.name) else {
                return Some(format!("{from} emits no {name}, {to} expects some", name = wanted.name));
            };
            let (dtype, name) = (given.dtype.name(), given.name);
            if given.dtype != wanted.dtype || given.shape != wanted.shape {
                let theirs = match given.dtype == wanted.dtype {
                    true => wanted.sides(),
                    false => format!("{} {}", wanted.dtype.name(), wanted.sides()),
                };
                return Some(format!("{from} emits {dtype} {} {name}, {to} expects {theirs}", given.sides()));
            }
            (given.count != wanted.count)
                .then(|| format!("{from} emits {} {name} in an item, {to} expects {}", given.count, wanted.count))
        })
    }
}

impl fmt::Display for ElementSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.parts.iter().map(ToString::to_string).collect();
        write!(f, "{}", parts.join(", "))?;
        if self.place == MemoryKind::Device {
            f.write_str(", on the device")?;
        }
        Ok(())
    }
}

/// `1.5 GiB`, for people.
pub fn human_bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}
