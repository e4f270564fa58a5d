//! An open file of weights: what is in it, and its tensors one by one.

use super::{
    choice::{Choice, Other},
    foreign, safetensors, torch,
};
use crate::failure::{Failure, Result};
use crate::reads;
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tch::{Kind, Tensor};

/// The longest name of a tensor, in bytes.
pub(super) const LONGEST_NAME: usize = 1024;

/// The texts of a checkpoint of ours that speak of all of it.
const OUR_TEXTS: [&str; 2] = ["trackflow", "xxh3"];

/// The form of a file of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// `.safetensors`.
    Safetensors,
    /// A zip as `torch.save` writes it since PyTorch 1.6.
    TorchZip,
    /// Pickles and storages one after another, as `torch.save` wrote them before 1.6.
    TorchLegacy,
}

impl std::fmt::Display for Container {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "PyTorch (zip)",
            Self::TorchLegacy => "PyTorch (before 1.6)",
        })
    }
}

/// A tensor in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub kind: Kind,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its strides in elements; `None` when it is contiguous.
    pub(super) strides: Option<Vec<i64>>,
    /// Where its first element begins in the file.
    pub(super) start: u64,
    /// The bytes from its first to its last element.
    pub(super) bytes: u64,
    /// CRC-32 of these bytes, where the file has one.
    pub(super) crc: Option<u32>,
    /// Its numbers, where they do not lie in the file as they are.
    pub(super) inline: Option<Arc<[u8]>>,
}

impl TensorEntry {
    /// How many elements it has.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |product, side| u64::saturating_mul(product, *side as u64))
    }
}

/// Something in the file that is no weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where it stands: `epoch`.
    pub key: String,
    /// What it is, on one line.
    pub what: String,
}

/// What a reader of one of the forms finds.
#[derive(Debug, Default)]
pub(super) struct WeightsContents {
    pub entries: Vec<TensorEntry>,
    /// The keys under which the weights were found, outermost first.
    pub wrapper: Vec<String>,
    pub texts: BTreeMap<String, String>,
    pub notes: Vec<Note>,
    /// Weights that were not taken.
    pub others: Vec<Other>,
}

/// An open file of weights.
#[derive(Debug)]
pub struct WeightsFile {
    path: PathBuf,
    file: File,
    size: u64,
    container: Container,
    found: WeightsContents,
}

impl WeightsFile {
    /// Opens the file at `path` and finds its tensors; no tensor is read yet. What a file is, its first bytes tell, not
    /// its name.
    ///
    /// # Errors
    /// The file is missing, torn, hostile, or holds no weights, or several without a word which are meant.
    pub fn open(path: &Path) -> Result<Self> {
        Self::choose(path, Choice::default())
    }

    /// Opens the weights in the file at `path` that `choice` means. With a key, a checkpoint of ours is a file of
    /// weights like any other: it has no header and no checksum over all of it.
    ///
    /// # Errors
    /// As for [`Self::open`]; and there is nothing under the key.
    pub fn choose(path: &Path, choice: Choice<'_>) -> Result<Self> {
        let failed = |what: String| Failure::input(format!("{}: {what}", path.display()));
        let io = |error: std::io::Error| failed(error.to_string());
        let _read = reads::begin(path);
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Err(failed(foreign::of_folder(path)));
        }
        let size = metadata.len();
        let mut head = Vec::new();
        (&file).take(foreign::HEAD as u64).read_to_end(&mut head).map_err(io)?;
        let (container, found) = match head.as_slice() {
            [b'P', b'K', ..] => (Container::TorchZip, torch::open_zip(&file, size, choice)),
            _ if safetensors::begins(&head, size) => (Container::Safetensors, safetensors::open(&file, size, choice)),
            // PROTO of a protocol from 2: `torch.save` before 1.6 begins so.
            // Pickles of older protocols begin with what they hold.
            [0x80, 2..=5, ..] | [b'(', b'd' | b'l', b'p', ..] | [b'}' | b']', b'q', ..] | [b'c', b'c', b'o', ..] => {
                (Container::TorchLegacy, torch::open_legacy(&file, size, choice))
            }
            _ => match foreign::of_file(&file, &head, size) {
                Some(what) => return Err(failed(what)),
                None => (Container::Safetensors, safetensors::open(&file, size, choice)),
            },
        };
        let mut found = found.map_err(failed)?;
        if choice.key.is_some() {
            found.texts.retain(|key, _| !OUR_TEXTS.contains(&key.as_str()));
        }
        let opened = Self { path: path.to_path_buf(), file, size, container, found };
        opened.check().map_err(failed)?;
        Ok(opened)
    }

    /// Refuses names that stand twice or would upset a terminal, and tensors that would take far more memory or reading
    /// than the file: a few bytes can claim to be seen as any number of them.
    fn check(&self) -> std::result::Result<(), String> {
        let (mut claimed, mut read) = (0u64, 0u64);
        let mut names = std::collections::HashSet::new();
        for entry in &self.found.entries {
            let name = entry.name.as_str();
            if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                return Err(format!("a tensor is called {}", torch::one_line(name)));
            }
            if !names.insert(name) {
                return Err(format!("{name}: stands there twice"));
            }
            let bytes = entry.elements().saturating_mul(entry.kind.elt_size_in_bytes() as u64);
            (claimed, read) = (claimed.saturating_add(bytes), read.saturating_add(entry.bytes));
        }
        let most = self.size.saturating_mul(8).saturating_add(1 << 20);
        if claimed.max(read) > most {
            return Err(format!("its tensors claim {} bytes, in a file of {}", claimed.max(read), self.size));
        }
        Ok(())
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The file's form.
    pub fn container(&self) -> Container {
        self.container
    }

    /// The keys under which the weights were found, outermost first: `net`.
    pub fn wrapper(&self) -> &[String] {
        &self.found.wrapper
    }

    /// The tensors.
    pub fn entries(&self) -> &[TensorEntry] {
        &self.found.entries
    }

    /// The texts that the file carries, by key.
    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.found.texts
    }

    /// Weights in the file that were not taken; a [`Choice`] can name them.
    pub fn others(&self) -> &[Other] {
        &self.found.others
    }

    /// What else is in the file.
    pub fn notes(&self) -> &[Note] {
        &self.found.notes
    }

    /// The tensor of `entry`, on the CPU and contiguous.
    ///
    /// # Errors
    /// It cannot be read, or its checksum does not match.
    pub fn load(&self, entry: &TensorEntry) -> Result<Tensor> {
        let failed = |what: String| Failure::input(format!("{}: {}: {what}", self.path.display(), entry.name));
        let length = usize::try_from(entry.bytes).map_err(|_| failed("too large".into()))?;
        let mut bytes;
        let bytes = match &entry.inline {
            Some(inline) => inline.as_ref(),
            None => {
                bytes = vec![0; length];
                self.file.read_exact_at(&mut bytes, entry.start).map_err(|error| failed(error.to_string()))?;
                bytes.as_slice()
            }
        };
        if entry.crc.is_some_and(|crc| crc != crc32fast::hash(bytes)) {
            return Err(failed("its checksum (CRC-32) does not match: the file is damaged".into()));
        }
        let size = entry.kind.elt_size_in_bytes();
        let torch = |error: tch::TchError| failed(Failure::from(error).message);
        let Some(strides) = &entry.strides else {
            return Tensor::f_from_data_size(bytes, &entry.shape, entry.kind).map_err(torch);
        };
        let flat = Tensor::f_from_data_size(bytes, &[(length / size) as i64], entry.kind).map_err(torch)?;
        let view = flat.f_as_strided(&entry.shape, strides, 0).map_err(torch)?;
        view.f_contiguous().map_err(torch)
    }

    /// All tensors, read one after the other.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn load_all(&self) -> Result<Vec<(String, Tensor)>> {
        self.entries().iter().map(|entry| Ok((entry.name.clone(), self.load(entry)?))).collect()
    }
}
