//! NumPy's arrays in a pickle: calls of the functions with which NumPy puts an array together, with its numbers in the
//! pickle itself.

use super::super::{
    element,
    file::TensorEntry,
    pickle::{Object, Pickle, Ref},
};
use std::{borrow::Cow, sync::Arc};
use tch::Kind;

type Parsed<T> = Result<T, String>;

/// An array's type, shape and order; its numbers are read by [`numbers`].
#[derive(Debug)]
pub(super) struct Array {
    pub kind: Kind,
    pub shape: Vec<i64>,
    /// Column after column, as Fortran has them.
    fortran: bool,
    data: Ref,
}

/// Whether there is an array at `at`.
pub(super) fn is_array(pickle: &Pickle<'_>, at: Ref) -> bool {
    pickle.made(at).is_some_and(|(_, module, name)| {
        matches!(
            (module.strip_prefix("numpy.").unwrap_or_default(), name),
            ("core.multiarray" | "_core.multiarray", "_reconstruct")
                | ("core.numeric" | "_core.numeric", "_frombuffer")
        )
    })
}

/// The array at `at`, where [`is_array`] says that there is one.
///
/// # Errors
/// Its description is damaged, or its elements are of a type that weights do not have.
pub(super) fn array(pickle: &Pickle<'_>, at: Ref) -> Parsed<Array> {
    let incomplete = "an array's description is incomplete";
    let (made, _, name) = pickle.made(at).ok_or(incomplete)?;
    if name == "_frombuffer" {
        let arguments = pickle.items(made.arguments).unwrap_or_default();
        let &[data, dtype, shape, order] = arguments else { return Err(incomplete.into()) };
        let fortran = pickle.text(order) == Some("F");
        return Ok(Array { kind: kind(pickle, dtype)?, shape: sides(pickle, shape)?, fortran, data });
    }
    let state = made.state.and_then(|state| pickle.items(state)).unwrap_or_default();
    let &[_, shape, dtype, fortran, data] = state else { return Err(incomplete.into()) };
    let fortran = matches!(pickle.get(fortran), Object::Bool(true) | Object::Int(1));
    Ok(Array { kind: kind(pickle, dtype)?, shape: sides(pickle, shape)?, fortran, data })
}

fn sides(pickle: &Pickle<'_>, at: Ref) -> Parsed<Vec<i64>> {
    let items = pickle.items(at).filter(|items| items.len() <= 16).ok_or("an array's shape is no tuple")?;
    let side = |item: &Ref| pickle.int(*item).filter(|side| *side >= 0);
    items.iter().map(side).collect::<Option<_>>().ok_or_else(|| "an array's shape is no tuple of whole numbers".into())
}

/// `dtype('f4', False, True)` with the state `(3, '<', …)`.
fn kind(pickle: &Pickle<'_>, at: Ref) -> Parsed<Kind> {
    let unknown = "an array whose element type is not known";
    let (made, _, _) =
        pickle.made(at).filter(|(_, module, name)| (*module, *name) == ("numpy", "dtype")).ok_or(unknown)?;
    let arguments = pickle.items(made.arguments).unwrap_or_default();
    let name = arguments.first().and_then(|name| pickle.text(*name)).ok_or(unknown)?;
    let state = made.state.and_then(|state| pickle.items(state)).unwrap_or_default();
    if name.starts_with('>') || state.get(1).and_then(|order| pickle.text(*order)) == Some(">") {
        return Err("an array of big-endian numbers".into());
    }
    let refused = || match name.trim_start_matches(['<', '|', '=']) {
        "O" | "O8" => "an array of Python objects, which is no weight".to_string(),
        other => format!("an array of element type {}, which weights do not have", super::one_line(other)),
    };
    element::of_numpy(name.trim_start_matches(['<', '|', '='])).ok_or_else(refused)
}

/// The array's numbers as bytes.
///
/// # Errors
/// They are not there, or fewer or more than its shape says.
pub(super) fn numbers(pickle: &Pickle<'_>, array: &Array) -> Parsed<Arc<[u8]>> {
    let bytes = match pickle.get(array.data) {
        Object::Bytes(bytes) => Cow::Borrowed(*bytes),
        // Byte strings of Python 2.
        Object::Text(text) => Cow::Borrowed(text.as_bytes()),
        _ => encoded(pickle, array.data).ok_or("an array without its numbers")?,
    };
    let size = array.kind.elt_size_in_bytes() as u64;
    let wanted = array.shape.iter().try_fold(size, |product, side| product.checked_mul(*side as u64));
    if wanted != Some(bytes.len() as u64) {
        return Err(format!("an array of shape {:?} with {} bytes of numbers", array.shape, bytes.len()));
    }
    Ok(Arc::from(bytes.as_ref()))
}

/// `_codecs.encode(text, 'latin1')`, which pickles before protocol 3 have for bytes; or `bytes()` and `bytearray(…)`.
fn encoded<'a>(pickle: &'a Pickle<'_>, at: Ref) -> Option<Cow<'a, [u8]>> {
    let (made, module, name) = pickle.made(at)?;
    let arguments = pickle.items(made.arguments)?;
    match (module, name) {
        ("_codecs", "encode") => {
            let text = pickle.text(*arguments.first()?)?;
            text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>().map(Cow::Owned)
        }
        ("__builtin__" | "builtins", "bytes" | "bytearray") => {
            match arguments.first().map(|first| pickle.get(*first)) {
                None => Some(Cow::Borrowed(&[])),
                Some(Object::Bytes(bytes)) => Some(Cow::Borrowed(*bytes)),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Array {
    /// The entry of this array with its `numbers`.
    pub fn entry(self, name: String, numbers: Arc<[u8]>) -> TensorEntry {
        let Self { kind, shape, fortran, .. } = self;
        let mut strides = Vec::with_capacity(shape.len());
        let mut next = 1i64;
        for side in &shape {
            strides.push(next);
            next = next.saturating_mul(*side);
        }
        let strides = (fortran && shape.len() > 1 && !shape.contains(&0)).then_some(strides);
        let bytes = numbers.len() as u64;
        TensorEntry { name, kind, shape, strides, start: 0, bytes, crc: None, inline: Some(numbers) }
    }
}
