//! `.safetensors`: a JSON header, then the numbers.

use super::{
    Contents,
    bytes::Bytes,
    choice::{Choice, Other, listed},
    element,
    file::{Note, TensorEntry, WeightsContents},
};
use crate::failure::{Failure, Result};
use safetensors::tensor::{Metadata, TensorInfo};
use std::{
    fs::File,
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
};

/// The longest header that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// Whether a file of `size` bytes that begins with `head` is a safetensors file: a length that fits, and a header that
/// is a mapping. The length alone can look like the beginning of a pickle.
pub(super) fn begins(head: &[u8], size: u64) -> bool {
    let length = head.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| length <= size.saturating_sub(8)) && head.get(8) == Some(&b'{')
}

/// Finds the tensors of the file.
pub(super) fn open(file: &File, size: u64, choice: Choice<'_>) -> std::result::Result<WeightsContents, String> {
    let unknown = "neither safetensors nor a PyTorch checkpoint";
    let mut length = [0; 8];
    file.read_exact_at(&mut length, 0).map_err(|_| format!("is {unknown}: {size} bytes are too few"))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER || length > size - 8 {
        return Err(format!("is {unknown}, or was cut off in its header"));
    }
    let mut header = vec![0; length as usize];
    file.read_exact_at(&mut header, 8).map_err(|error| error.to_string())?;
    if header.first() != Some(&b'{') {
        return Err(format!("is {unknown}"));
    }
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| format!("its safetensors header is damaged: {error}"))?;
    let (start, length) = (8 + length, header.data_len() as u64);
    if start + length != size {
        return Err(format!("has {size} bytes, its header speaks of {}: it was cut off or added to", start + length));
    }
    let mut entries = Vec::new();
    for name in header.offset_keys() {
        let Some(info) = header.info(&name) else { continue };
        let kind = element::of_safetensors(info.dtype)
            .ok_or_else(|| format!("{name}: element type {:?} cannot be read", info.dtype))?;
        let side = |side: &usize| i64::try_from(*side).map_err(|_| format!("{name}: an absurd shape"));
        entries.push(TensorEntry {
            kind,
            shape: info.shape.iter().map(side).collect::<std::result::Result<_, _>>()?,
            strides: None,
            start: start + info.data_offsets.0 as u64,
            bytes: (info.data_offsets.1 - info.data_offsets.0) as u64,
            crc: None,
            inline: None,
            name,
        });
    }
    let wrapper = match choice.key.filter(|key| *key != ".") {
        Some(key) => choose(&mut entries, key)?,
        None => Vec::new(),
    };
    let texts = header.metadata().clone().unwrap_or_default().into_iter().collect();
    let notes = |texts: &std::collections::BTreeMap<String, String>| {
        texts.iter().map(|(key, text)| Note { key: key.clone(), what: super::torch::one_line(text) }).collect()
    };
    Ok(WeightsContents { entries, wrapper, notes: notes(&texts), texts, others: Vec::new() })
}

/// Leaves those whose names begin with `key` and a dot, without it: the form has no dictionaries but names.
fn choose(entries: &mut Vec<TensorEntry>, key: &str) -> std::result::Result<Vec<String>, String> {
    let prefix = format!("{key}.");
    if !entries.iter().any(|entry| entry.name.starts_with(&prefix)) {
        let mut parts: Vec<Other> = Vec::new();
        for entry in entries.iter() {
            let Some((part, _)) = entry.name.split_once('.') else { continue };
            match parts.iter_mut().find(|other| other.key == part) {
                Some(other) => other.tensors += 1,
                None => parts.push(Other { key: part.to_string(), tensors: 1 }),
            }
        }
        let key = super::torch::one_line(key);
        return Err(format!("no tensor's name begins with {key}.; there are {}", listed(&parts)));
    }
    entries.retain_mut(|entry| {
        let rest = entry.name.strip_prefix(&prefix).map(str::to_string);
        rest.map(|rest| entry.name = rest).is_some()
    });
    Ok(vec![key.to_string()])
}

/// Writes `contents` in the order that the format asks for: wide element types first, then by name.
pub(super) fn write(file: &mut File, contents: &Contents<'_>) -> Result<()> {
    let mut tensors = Vec::new();
    for (name, tensor) in &contents.tensors {
        tensors.push((name.to_string(), *tensor));
    }
    for (group, members) in &contents.groups {
        tensors.extend(members.iter().map(|(name, tensor)| (format!("{group}.{name}"), *tensor)));
    }
    let mut typed = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let kind = tensor.f_kind()?;
            let dtype = element::to_safetensors(kind)
                .ok_or_else(|| Failure::output(format!("{name}: element type {kind:?} cannot be stored")))?;
            Ok((name, tensor, dtype))
        })
        .collect::<Result<Vec<_>>>()?;
    typed.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    let failed = |error: &dyn std::fmt::Display| Failure::output(error.to_string());
    // The names in order, as `Metadata` keeps them in a hash map: the same weights give the same bytes.
    let mut header = serde_json::Map::new();
    if !contents.texts.is_empty() {
        header.insert("__metadata__".into(), serde_json::to_value(&contents.texts).map_err(|error| failed(&error))?);
    }
    let mut offset = 0;
    for (name, tensor, dtype) in &typed {
        let length = tensor.numel() * tensor.kind().elt_size_in_bytes();
        let shape = tensor.size().iter().map(|side| *side as usize).collect();
        let info = TensorInfo { dtype: *dtype, shape, data_offsets: (offset, offset + length) };
        offset += length;
        let info = serde_json::to_value(&info).map_err(|error| failed(&error))?;
        if header.insert(name.clone(), info).is_some() {
            return Err(failed(&format!("two tensors are called {name}")));
        }
    }
    let mut header = serde_json::to_vec(&header).map_err(|error| failed(&error))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut put = |bytes: &[u8]| out.write_all(bytes).map_err(|error| failed(&error));
    put(&(header.len() as u64).to_le_bytes())?;
    put(&header)?;
    for (_, tensor, _) in &typed {
        put(Bytes::of(tensor)?.as_slice())?;
    }
    out.flush().map_err(|error| failed(&error))
}
