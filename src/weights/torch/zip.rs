//! The zip form: `<name>/data.pkl`, and each storage as `<name>/data/<key>`, uncompressed.

use super::{
    super::{choice::Choice, file::WeightsContents, pickle},
    LONGEST_WITH_NUMBERS, Storage, contents,
};
use crate::weights::foreign;
use std::{
    collections::HashMap,
    fs::File,
    io::{Error, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};
use zip::{CompressionMethod, ZipArchive};

/// What may be read to find out what a zip holds. The directory of a large model has less than a megabyte.
const DIRECTORY: u64 = 16 << 20;

/// A file of which only so many bytes can be read, whatever it claims to be.
struct Metered<'a> {
    file: &'a File,
    left: u64,
}

impl Read for Metered<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            return Err(Error::other("its directory is longer than that of any checkpoint"));
        }
        let wanted = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut bytes[..wanted])?;
        self.left -= read as u64;
        Ok(read)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

pub(in super::super) fn open(file: &File, size: u64, choice: Choice<'_>) -> Result<WeightsContents, String> {
    let damaged =
        |error: &dyn std::fmt::Display| format!("its zip is cut off or damaged: {error}; copy or download it again");
    let mut archive = ZipArchive::new(Metered { file, left: DIRECTORY }).map_err(|error| damaged(&error))?;
    let (mut records, mut packed, mut names) = (HashMap::new(), None, Vec::new());
    for index in 0..archive.len() {
        let record = archive.by_index_raw(index).map_err(|error| damaged(&error))?;
        let name = record.name().map_err(|error| damaged(&error))?.to_string();
        names.push(name.clone());
        if record.encrypted() || record.compression() != CompressionMethod::Stored {
            packed.get_or_insert(name);
            continue;
        }
        let start = record.data_start().ok_or_else(|| damaged(&"a record without data"))?;
        let bytes = record.size();
        if bytes != record.compressed_size() || start.checked_add(bytes).is_none_or(|end| end > size) {
            return Err(damaged(&format!("{} lies outside the file", super::one_line(&name))));
        }
        records.insert(name, Storage { start, bytes, crc: Some(record.crc32()) });
    }
    let mut tops = names.iter().filter_map(|name| name.strip_suffix("data.pkl").filter(|top| at_top(top)));
    let (Some(top), None) = (tops.next(), tops.next()) else { return Err(foreign::of_zip(&names)) };
    if names.contains(&format!("{top}constants.pkl")) {
        return Err("is a TorchScript module (torch.jit), a program with its weights; save only the weights: \
                    torch.save(torch.jit.load(FILE, map_location=\"cpu\").state_dict(), OUT)"
            .into());
    }
    if let Some(name) = packed {
        let name = super::one_line(&name);
        return Err(format!(
            "{name}: compressed or encrypted, which PyTorch's files are not: it was unpacked and packed again; get the \
             original, or pack the folder without compression (zip -0 -r)"
        ));
    }
    if let Some(order) = records.get(&format!("{top}byteorder")).filter(|order| order.bytes <= 16)
        && read(file, *order)? != b"little"
    {
        return Err("was written on a machine whose numbers are big-endian".into());
    }
    let bytes = read(file, records[&format!("{top}data.pkl")])?;
    let pickle = pickle::parse(&bytes).map_err(|broken| broken.to_string())?;
    contents::find(&pickle, choice, |tensor| {
        let record = records.get(&format!("{top}data/{}", tensor.key)).copied();
        let record =
            record.ok_or_else(|| format!("its storage {} is not in the file", super::one_line(&tensor.key)))?;
        let size = tensor.kind.elt_size_in_bytes() as u64;
        match tensor.elements.checked_mul(size) {
            Some(bytes) if bytes <= record.bytes => Ok(record),
            _ => Err("its storage is smaller than declared: the file is damaged".to_string()),
        }
    })
}

/// Whether `prefix` is nothing or one folder.
fn at_top(prefix: &str) -> bool {
    prefix.is_empty() || prefix.find('/') == Some(prefix.len() - 1)
}

fn read(file: &File, record: Storage) -> Result<Vec<u8>, String> {
    if record.bytes > LONGEST_WITH_NUMBERS {
        return Err(format!("has a pickle of {} bytes, longer than that of any checkpoint", record.bytes));
    }
    let mut bytes = vec![0; record.bytes as usize];
    file.read_exact_at(&mut bytes, record.start).map_err(|error| error.to_string())?;
    if record.crc.is_some_and(|crc| crc != crc32fast::hash(&bytes)) {
        return Err("the checksum (CRC-32) of its description does not match: the file is damaged".into());
    }
    Ok(bytes)
}
