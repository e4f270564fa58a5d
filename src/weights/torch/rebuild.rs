//! Tensors in a pickle: calls of the functions with which PyTorch puts a tensor together from a storage.

use super::{
    super::{
        element,
        file::{LONGEST_NAME, TensorEntry},
        pickle::{Made, Object, Pickle, Ref},
    },
    Storage,
};
use tch::Kind;

/// A tensor as a pickle describes it.
#[derive(Clone, Debug)]
pub(super) struct Described {
    /// The storage's key.
    pub key: String,
    pub kind: Kind,
    /// Elements of the storage.
    pub elements: u64,
    /// First element in the storage.
    offset: u64,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

type Parsed<T> = Result<T, String>;

/// Calls within calls that are followed: a parameter of a subclass of a tensor needs three.
const DEEPEST: usize = 8;

/// The tensor at `at`; `None` when there is something else.
///
/// # Errors
/// It is a tensor whose description is damaged, or of a sort that weights do not have.
pub(super) fn tensor(pickle: &Pickle<'_>, at: Ref) -> Parsed<Option<Described>> {
    let mut at = at;
    for _ in 0..DEEPEST {
        let Some((made, module, name)) = pickle.made(at) else { return Ok(None) };
        let argument = |index: usize| argument(pickle, made, index);
        match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => return plain(pickle, made).map(Some),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => at = argument(0)?,
            // (function, type, arguments, state): a subclass of a tensor; what counts is what it is made from.
            ("torch._tensor", "_rebuild_from_type_v2") => {
                let (Some(("torch._utils", "_rebuild_tensor_v2")), Some(arguments)) =
                    (pickle.global(argument(0)?), pickle.items(argument(2)?))
                else {
                    return Err("a tensor of a class that is not known".into());
                };
                return plain_from(pickle, arguments).map(Some);
            }
            ("torch._utils" | "torch._tensor", name) if name.starts_with("_rebuild_") => return Err(sort(name)),
            (module, name) if module.starts_with("torch.distributed") && name.ends_with("Tensor") => {
                return Err(SHARDED.into());
            }
            _ => return Ok(None),
        }
    }
    Err("a parameter within a parameter within a parameter".into())
}

/// What a tensor that training on many devices keeps in parts is called, and what to do about it.
const SHARDED: &str = "a tensor of which each device keeps a part (FSDP, DTensor); gather the model into a full state \
                       dictionary where it was trained, and save that";

/// Why a tensor that the function `name` rebuilds is none of ours.
fn sort(name: &str) -> String {
    match name {
        "_rebuild_wrapper_subclass" => SHARDED.into(),
        "_rebuild_qtensor" => {
            "a quantized tensor; save the weights as floating point, before they are quantized".into()
        }
        "_rebuild_sparse_tensor" => "a sparse tensor; save it as tensor.to_dense()".into(),
        "_rebuild_meta_tensor_no_storage" => "a tensor without numbers (of the device meta)".into(),
        "_rebuild_tensor_v3" => "a tensor of an element type that cannot be read (of eight bits, or unsigned)".into(),
        _ => format!("a tensor of a sort that weights do not have ({})", super::one_line(name)),
    }
}

fn argument(pickle: &Pickle<'_>, made: &Made, index: usize) -> Parsed<Ref> {
    let arguments = pickle.items(made.arguments).unwrap_or_default();
    arguments.get(index).copied().ok_or_else(|| "a tensor's description is incomplete".to_string())
}

fn plain(pickle: &Pickle<'_>, made: &Made) -> Parsed<Described> {
    plain_from(pickle, pickle.items(made.arguments).unwrap_or_default())
}

/// (storage, offset, shape, strides, …)
fn plain_from(pickle: &Pickle<'_>, arguments: &[Ref]) -> Parsed<Described> {
    let &[storage, offset, shape, strides, ..] = arguments else {
        return Err("a tensor's description is incomplete".into());
    };
    let sides = |at: Ref| -> Parsed<Vec<i64>> {
        let items = pickle.items(at).ok_or("a tensor's shape is no tuple")?;
        if items.len() > 16 {
            return Err(format!("a tensor of {} dimensions", items.len()));
        }
        items
            .iter()
            .map(|item| pickle.int(*item).filter(|side| *side >= 0))
            .collect::<Option<_>>()
            .ok_or_else(|| "a tensor's shape is no tuple of whole numbers from 0".to_string())
    };
    let (shape, strides) = (sides(shape)?, sides(strides)?);
    if shape.len() != strides.len() {
        return Err("a tensor with as many strides as it has not dimensions".into());
    }
    let offset = pickle.int(offset).and_then(|offset| u64::try_from(offset).ok()).ok_or("a tensor's offset")?;
    let mut described = self::storage(pickle, storage)?;
    described.offset = described.offset.checked_add(offset).ok_or("a tensor's offset is absurd")?;
    Ok(Described { shape, strides, ..described })
}

/// ('storage', class, key, device, elements[, view]): a storage that lies outside the pickle.
pub(super) fn storage(pickle: &Pickle<'_>, at: Ref) -> Parsed<Described> {
    let Object::Persistent(id) = pickle.get(at) else { return Err("a tensor without a storage".into()) };
    let parts = pickle.items(*id).unwrap_or_default();
    let &[tag, class, key, _, elements, ..] = parts else { return Err("a storage's description is incomplete".into()) };
    if pickle.text(tag) != Some("storage") {
        return Err("something other than a storage where a tensor's numbers should be".into());
    }
    let (_, class) = pickle.global(class).ok_or("a storage without a class")?;
    let kind = element::of_storage(class).ok_or_else(|| format!("element type {class} cannot be read"))?;
    let key = pickle.text(key).filter(|key| key.len() <= LONGEST_NAME).ok_or("a storage without a key")?.to_string();
    let elements = pickle.int(elements).and_then(|n| u64::try_from(n).ok()).ok_or("a storage's size is no number")?;
    // Before 0.4 a storage could be a view (key, offset, elements) of another one.
    let view = parts.get(5).and_then(|view| pickle.items(*view));
    let offset = view.and_then(|view| pickle.int(*view.get(1)?)).and_then(|offset| u64::try_from(offset).ok());
    Ok(Described { key, kind, elements, offset: offset.unwrap_or(0), shape: Vec::new(), strides: Vec::new() })
}

impl Described {
    /// Whether it has no dimensions.
    pub fn is_scalar(&self) -> bool {
        self.shape.is_empty()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The entry of this tensor, whose storage lies at `storage`.
    ///
    /// # Errors
    /// It reaches beyond its storage.
    pub fn entry(self, name: String, storage: Storage) -> Parsed<TensorEntry> {
        let size = self.kind.elt_size_in_bytes() as u64;
        let beyond = || format!("{name}: reaches beyond its storage: the file is damaged");
        let elements = self.shape.iter().try_fold(1u64, |product, side| product.checked_mul(*side as u64));
        let elements = elements.ok_or_else(|| format!("{name}: an absurd shape {:?}", self.shape))?;
        // The last element's place, in elements from the first.
        let reach = self.shape.iter().zip(&self.strides).try_fold(0u64, |reach, (side, stride)| {
            reach.checked_add((*side as u64).saturating_sub(1).checked_mul(*stride as u64)?)
        });
        let span = if elements == 0 { Some(0) } else { reach.and_then(|reach| reach.checked_add(1)) };
        let bytes = span.and_then(|span| span.checked_mul(size)).ok_or_else(beyond)?;
        let skip = if elements == 0 { Some(0) } else { self.offset.checked_mul(size) }.ok_or_else(beyond)?;
        if skip.checked_add(bytes).is_none_or(|end| end > storage.bytes) {
            return Err(beyond());
        }
        let strides = (!contiguous(&self.shape, &self.strides)).then_some(self.strides);
        let crc = storage.crc.filter(|_| bytes == storage.bytes);
        Ok(TensorEntry {
            name,
            kind: self.kind,
            shape: self.shape,
            strides,
            start: storage.start + skip,
            bytes,
            crc,
            inline: None,
        })
    }
}

/// Whether the elements lie in row-major order without gaps.
fn contiguous(shape: &[i64], strides: &[i64]) -> bool {
    let mut expected = 1i64;
    shape.iter().zip(strides).rev().all(|(side, stride)| {
        let fits = *side <= 1 || *stride == expected;
        expected = expected.saturating_mul(*side);
        fits
    }) || shape.contains(&0)
}
