//! The form before PyTorch 1.6: five pickles (a magic number, a version, the machine, what was saved, the keys of its
//! storages), then for each storage the number of its elements and the elements.

use super::{
    super::{
        choice::Choice,
        file::WeightsContents,
        pickle::{self, Object, Pickle},
    },
    LONGEST_PICKLE, LONGEST_WITH_NUMBERS, Storage, contents, rebuild,
};
use std::{collections::HashMap, fs::File, os::unix::fs::FileExt};

/// The number of the first pickle, 0x1950a86a20f9469cfc6c, as it stands in the file: LONG1 of ten bytes, and STOP.
const MAGIC: [u8; 13] = [0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, b'.'];

pub(in super::super) fn open(file: &File, size: u64, choice: Choice<'_>) -> Result<WeightsContents, String> {
    let mut bytes = vec![0; size.min(LONGEST_PICKLE) as usize];
    file.read_exact_at(&mut bytes, 0).map_err(|error| error.to_string())?;
    // Newer protocols put a frame between their number and this one.
    let magic = bytes.windows(MAGIC.len()).take(16).position(|window| window == MAGIC);
    let Some(mut at) = magic.map(|start| start + MAGIC.len()) else {
        return plain(file, size, choice);
    };
    let mut next = || -> Result<Pickle<'_>, String> {
        let start = at;
        let pickle = pickle::parse(&bytes[start..]).map_err(|broken| broken.to_string())?;
        at += pickle.length;
        Ok(pickle)
    };
    let version = next()?;
    if version.int(version.root) != Some(1001) {
        return Err("is a PyTorch checkpoint of an unknown version".into());
    }
    let machine = next()?;
    if let Some(value) = machine.value(machine.root, "little_endian")
        && !matches!(machine.get(value), Object::Bool(true))
    {
        return Err("was written on a machine whose numbers are big-endian".into());
    }
    let saved = next()?;
    let keys = next()?;
    let places = places(file, size, at as u64, &saved, &keys)?;
    contents::find(&saved, choice, |tensor| {
        let place = places.get(&tensor.key).copied();
        place.ok_or_else(|| format!("its storage {} is not in the file", super::one_line(&tensor.key)))
    })
}

/// A pickle that `torch.save` did not write: NumPy's arrays in it have their numbers with them.
fn plain(file: &File, size: u64, choice: Choice<'_>) -> Result<WeightsContents, String> {
    let foreign = "is a pickle, but not one that torch.save wrote";
    if size > LONGEST_WITH_NUMBERS {
        return Err(format!("{foreign}, and too large ({size} bytes) to be read as one"));
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, 0).map_err(|error| error.to_string())?;
    let pickle = pickle::parse(&bytes).map_err(|broken| format!("{foreign}, and damaged ({broken})"))?;
    contents::find(&pickle, choice, |_| Err("its numbers are not in the file".into()))
        .map_err(|error| format!("{foreign}; it {error}"))
}

/// Where each storage lies, in the order of `keys` from the byte `at`.
fn places(
    file: &File,
    size: u64,
    mut at: u64,
    saved: &Pickle<'_>,
    keys: &Pickle<'_>,
) -> Result<HashMap<String, Storage>, String> {
    // Every storage's element type stands where it is used.
    let mut widths = HashMap::new();
    for object in 0..saved.len() {
        if matches!(saved.get(object as u32), Object::Persistent(_))
            && let Ok(storage) = rebuild::storage(saved, object as u32)
        {
            widths.insert(storage.key, storage.kind.elt_size_in_bytes() as u64);
        }
    }
    let mut places = HashMap::new();
    for key in keys.items(keys.root).ok_or("its list of storages is damaged")? {
        let key = keys.text(*key).ok_or("its list of storages is damaged")?;
        let cut = || format!("was cut off: storage {} is not complete", super::one_line(key));
        let mut elements = [0; 8];
        file.read_exact_at(&mut elements, at).map_err(|_| cut())?;
        let width = widths.get(key).ok_or_else(|| format!("storage {} has no element type", super::one_line(key)))?;
        let bytes = u64::from_le_bytes(elements).checked_mul(*width).ok_or_else(cut)?;
        let start = at + 8;
        at = start.checked_add(bytes).filter(|end| *end <= size).ok_or_else(cut)?;
        places.insert(key.to_string(), Storage { start, bytes, crc: None });
    }
    Ok(places)
}
