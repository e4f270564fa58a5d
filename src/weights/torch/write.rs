//! Writes what `torch.load(FILE, weights_only=True)` reads: a dictionary with the weights under `net`.

use super::super::{Contents, bytes::Bytes, element};
use crate::failure::{Failure, Result};
use std::{fs::File, io::Write};
use tch::Tensor;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// PyTorch lets storages begin at multiples of this, so that they can be mapped into memory.
const ALIGNMENT: u16 = 64;

pub(in super::super) fn write(file: &mut File, contents: &Contents<'_>) -> Result<()> {
    let mut pickle = PickleWriter::default();
    let description = pickle.describe(contents)?;
    let failed = |error: &dyn std::fmt::Display| Failure::output(error.to_string());
    let mut zip = ZipWriter::new(file);
    // No time of day: the same weights give the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .with_alignment(ALIGNMENT);
    let mut put = |name: &str, bytes: &[u8]| -> Result<()> {
        let options = options.large_file(bytes.len() > u32::MAX as usize - (1 << 16));
        zip.start_file(format!("archive/{name}"), options).map_err(|error| failed(&error))?;
        zip.write_all(bytes).map_err(|error| failed(&error))
    };
    put("data.pkl", &description)?;
    put("byteorder", b"little")?;
    for (key, tensor) in pickle.storages.iter().enumerate() {
        put(&format!("data/{key}"), Bytes::of(tensor)?.as_slice())?;
    }
    put("version", b"3\n")?;
    zip.finish().map(|_| ()).map_err(|error| failed(&error))
}

/// Emits a pickle of protocol 2, and remembers whose numbers are to follow.
#[derive(Default)]
struct PickleWriter<'a> {
    out: Vec<u8>,
    storages: Vec<&'a Tensor>,
}

impl<'a> PickleWriter<'a> {
    fn describe(&mut self, contents: &Contents<'a>) -> Result<Vec<u8>> {
        self.out.extend([0x80, 2, b'}', b'(']);
        self.text("net");
        self.tensors(&contents.tensors)?;
        for (group, tensors) in &contents.groups {
            self.text(group);
            self.tensors(tensors)?;
        }
        for (key, number) in &contents.numbers {
            self.text(key);
            self.int(*number);
        }
        for (key, text) in &contents.texts {
            self.text(key);
            self.text(text);
        }
        self.out.extend(b"u.");
        Ok(std::mem::take(&mut self.out))
    }

    /// An `OrderedDict` of tensors, as `state_dict()` gives it.
    fn tensors(&mut self, tensors: &[(&str, &'a Tensor)]) -> Result<()> {
        self.out.extend(b"ccollections\nOrderedDict\n)R(");
        for (name, tensor) in tensors {
            self.text(name);
            self.tensor(name, tensor)?;
        }
        self.out.push(b'u');
        Ok(())
    }

    /// `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`, each tensor with a storage of its own.
    fn tensor(&mut self, name: &str, tensor: &'a Tensor) -> Result<()> {
        let kind = tensor.f_kind()?;
        let class = element::to_storage(kind)
            .ok_or_else(|| Failure::output(format!("{name}: element type {kind:?} cannot be stored")))?;
        self.out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        self.text("storage");
        self.out.extend(format!("ctorch\n{class}\n").bytes());
        self.text(&self.storages.len().to_string());
        self.text("cpu");
        self.int(tensor.numel() as i64);
        self.out.extend(b"tQK\0(");
        let shape = tensor.size();
        shape.iter().for_each(|side| self.int(*side));
        self.out.extend(b"t(");
        let mut strides = vec![1; shape.len()];
        for at in (1..shape.len()).rev() {
            strides[at - 1] = strides[at] * shape[at].max(1);
        }
        strides.iter().for_each(|stride| self.int(*stride));
        self.out.extend([b't', 0x89]);
        self.out.extend(b"ccollections\nOrderedDict\n)RtR");
        self.storages.push(tensor);
        Ok(())
    }

    /// BINUNICODE.
    fn text(&mut self, text: &str) {
        self.out.push(b'X');
        self.out.extend((text.len() as u32).to_le_bytes());
        self.out.extend(text.bytes());
    }

    /// BININT, or LONG1 of eight bytes.
    fn int(&mut self, value: i64) {
        match i32::try_from(value) {
            Ok(small) => {
                self.out.push(b'J');
                self.out.extend(small.to_le_bytes());
            }
            Err(_) => {
                self.out.extend([0x8A, 8]);
                self.out.extend(value.to_le_bytes());
            }
        }
    }
}
