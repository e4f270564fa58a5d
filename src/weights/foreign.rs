//! What a file is that is no file of weights, in a sentence with a remedy: people mistake one file for another, and
//! downloads end in something else.

use super::torch::one_line;
use std::{fs::File, os::unix::fs::FileExt, path::Path};

/// Bytes at the beginning of a file that tell what it is.
pub(super) const HEAD: usize = 2048;

/// The first bytes of other sorts of files, and what to do about them.
const MAGICS: [(&[u8], &str); 17] = [
    (b"\x1f\x8b", "is compressed with gzip; unpack it first (gunzip, or tar -xzf)"),
    (b"BZh", "is compressed with bzip2; unpack it first (bunzip2, or tar -xjf)"),
    (b"\xfd7zXZ\0", "is compressed with xz; unpack it first (unxz, or tar -xJf)"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first (unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it first, and give the file of weights in it"),
    (b"Rar!", "is a RAR archive; unpack it first, and give the file of weights in it"),
    (
        b"\x89HDF\r\n\x1a\n",
        "is HDF5, as Keras and TensorFlow save weights, not PyTorch's or safetensors; get the model's PyTorch weights",
    ),
    (
        b"\x93NUMPY",
        "is a single NumPy array (.npy), without a name; save the model's tensors by name: torch.save({name: tensor, …}, FILE)",
    ),
    (b"GGUF", "is GGUF, of llama.cpp; it holds no tracker's weights"),
    (b"%PDF", "is a PDF document"),
    (b"\x89PNG\r\n", "is a PNG picture"),
    (b"\xff\xd8\xff", "is a JPEG picture"),
    (b"SQLite format 3", "is an SQLite database"),
    (b"\x7fELF", "is a program or a library"),
    (b"<?xml", "is XML, not weights: a download that gave an error, or a model of OpenVINO; get the PyTorch weights"),
    (b"#!", "is a script"),
    (b"ARROW1", "is an Arrow file, which holds no weights"),
];

/// What the file of `size` bytes that begins with `head` is, where that can be told.
pub(super) fn of_file(file: &File, head: &[u8], size: u64) -> Option<String> {
    if head.is_empty() {
        return Some("is empty: a download or a copy that never began; get it again".into());
    }
    if head.starts_with(b"version https://git-lfs") {
        let text = String::from_utf8_lossy(head);
        let whole = text.lines().find_map(|line| line.strip_prefix("size ")).and_then(|size| size.parse::<u64>().ok());
        let whole = whole.map_or(String::new(), |bytes| format!(" (which has {bytes} bytes)"));
        return Some(format!(
            "is a pointer of Git LFS, not the file itself{whole}; in its repository, run: git lfs pull"
        ));
    }
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some((*what).into());
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some(of_tar(file, size));
    }
    if head.get(4..8) == Some(b"TFL3") {
        return Some("is a model of TensorFlow Lite; get the model's PyTorch weights".into());
    }
    if head.iter().all(|byte| *byte == 0) {
        return Some("begins with nothing but zeros: a download or a copy that was broken off; get it again".into());
    }
    of_protobuf(head).or_else(|| of_text(head))
}

/// ONNX begins with its version and its producer; a TensorFlow graph with its schema's version and a message.
fn of_protobuf(head: &[u8]) -> Option<String> {
    match head {
        [0x08, 1..=20, 0x12, length, producer @ ..] if *length < 64 => {
            let name = producer.get(..usize::from(*length))?;
            let text =
                std::str::from_utf8(name).ok().filter(|text| !text.is_empty() && !text.contains(char::is_control))?;
            Some(format!(
                "is an ONNX model (made by {}); get the PyTorch weights that it was exported from",
                one_line(text)
            ))
        }
        [0x08, 1..=20, 0x3a | 0x1a | 0x22 | 0x42, ..] => {
            Some("is an ONNX model; get the PyTorch weights that it was exported from".into())
        }
        [0x08, 1, 0x12, ..] | [0x0a, ..] if window(head, b"tensorflow") || window(head, b"serve") => {
            Some("is a graph of TensorFlow (saved_model.pb); get the model's PyTorch weights".into())
        }
        _ => None,
    }
}

fn window(head: &[u8], word: &[u8]) -> bool {
    head.windows(word.len()).any(|part| part == word)
}

fn of_text(head: &[u8]) -> Option<String> {
    // A character may be cut where the head ends.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if head.len() == HEAD && error.valid_up_to() + 4 > HEAD => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return None,
    };
    if text.contains('\0') {
        return None;
    }
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.to_lowercase();
    if ["<!doctype html", "<html", "<head", "<!--", "<body"].iter().any(|tag| lower.starts_with(tag)) {
        let title = lower.find("<title>").map(|at| at + 7).and_then(|start| {
            let end = start + lower[start..].find("</title>")?;
            text.get(start..end)
        });
        let title = title.map_or(String::new(), |title| format!(" (\"{}\")", one_line(title.trim())));
        return Some(format!(
            "is a web page{title}, not weights: the download led to a page, such as a login, a warning or an error; \
             download the file itself"
        ));
    }
    if text.starts_with('{') && text.contains("\"weight_map\"") {
        return Some(
            "is the index of weights that are split over several files; load the model in Python and save it as one: \
             torch.save(model.state_dict(), FILE)"
                .into(),
        );
    }
    if text.starts_with('{') || text.starts_with('[') {
        return Some("is JSON, not weights; give the .safetensors or .pth file".into());
    }
    let first: String = text.lines().next().unwrap_or_default().chars().take(60).collect();
    Some(format!("is neither safetensors nor a PyTorch checkpoint but a text: \"{}\"", one_line(&first)))
}

/// What a tar is, by the names in it.
fn of_tar(file: &File, size: u64) -> String {
    const MEMBERS: usize = 64;
    let mut names: Vec<String> = Vec::new();
    let mut at = 0u64;
    let octal = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        u64::from_str_radix(text.trim_matches(|c: char| c == '\0' || c == ' '), 8).ok()
    };
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    for _ in 0..MEMBERS {
        let mut header = [0u8; 512];
        if at >= size || file.read_exact_at(&mut header, at).is_err() || header[0] == 0 {
            break;
        }
        let Some(bytes) = octal(&header[124..136]) else { break };
        if matches!(header[156], 0 | b'0') {
            let (folder, name) = (text(&header[345..500]), text(&header[..100]));
            names.push(if folder.is_empty() { name } else { format!("{folder}/{name}") });
        }
        let Some(next) = bytes.checked_next_multiple_of(512).and_then(|bytes| at.checked_add(512)?.checked_add(bytes))
        else {
            break;
        };
        at = next;
    }
    let named = |name: &str| names.iter().any(|known| known == name || known.strip_prefix("./") == Some(name));
    if named("pickle") && named("storages") {
        return "is a tar of PyTorch before 0.1.10; load and save it with a newer PyTorch".into();
    }
    archive("tar archive", "tar -xf FILE", &names)
}

/// What a zip is, by the names in it, that `torch.save` did not write.
pub(super) fn of_zip(names: &[String]) -> String {
    let any = |ending: &str| names.iter().any(|name| name.ends_with(ending));
    if !names.is_empty() && names.iter().all(|name| name.ends_with(".npy")) {
        return "is NumPy's .npz; save its arrays by name as a checkpoint: \
                torch.save({name: torch.tensor(array) for name, array in numpy.load(FILE).items()}, OUT)"
            .into();
    }
    if any("model.weights.h5") || any("keras_metadata.pb") {
        return "is a model of Keras; get the model's PyTorch weights".into();
    }
    if any("archive_format") || any("serialized_exported_program.json") {
        return "is an exported program (torch.export); save only the weights: \
                torch.save(torch.export.load(FILE).state_dict, OUT)"
            .into();
    }
    if any("data.pkl") {
        return "is a zip with a PyTorch checkpoint in a folder of it; it was unpacked and packed again; get the original"
            .into();
    }
    archive("zip archive", "unzip FILE", names)
}

/// An archive around something.
fn archive(what: &str, unpack: &str, names: &[String]) -> String {
    let inner = names.iter().find(|name| is_weights(name) && !name.contains("__MACOSX"));
    match (inner, names.first()) {
        (Some(inner), _) => {
            let inner = one_line(inner);
            format!("is a {what} around {inner}; unpack it ({unpack}) and give {inner}")
        }
        (None, Some(first)) => {
            let more = if names.len() > 1 { format!(" and {} more", names.len() - 1) } else { String::new() };
            format!(
                "is a {what}, not one that torch.save wrote; it has {}{more}, and no file of weights",
                one_line(first)
            )
        }
        (None, None) => format!("is an empty {what}"),
    }
}

fn is_weights(name: &str) -> bool {
    let name = name.to_lowercase();
    [".pth", ".pt", ".safetensors", ".tar", ".bin", ".ckpt", ".pkl"].iter().any(|ending| name.ends_with(ending))
}

/// What a folder is that was given instead of a file.
pub(super) fn of_folder(path: &Path) -> String {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().take(4096);
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let any = |ending: &str| names.iter().any(|name| name.ends_with(ending));
    let is = "is a folder, not a file of weights";
    if any("data.pkl") {
        return format!("{is}: a PyTorch checkpoint that was unpacked; give the .pth file that it was");
    }
    if any(".distcp") {
        return format!(
            "{is}: a distributed checkpoint of PyTorch (FSDP); make one file of it: \
             python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER OUT"
        );
    }
    if any("saved_model.pb") {
        return format!("{is}: a model of TensorFlow; get the model's PyTorch weights");
    }
    if any(".index.json") {
        return format!(
            "{is}: weights split over several files; load the model in Python and save it as one: \
             torch.save(model.state_dict(), FILE)"
        );
    }
    let inside: Vec<String> = names.iter().filter(|name| is_weights(name)).take(5).map(|name| one_line(name)).collect();
    match inside.is_empty() {
        true => is.into(),
        false => format!("{is}; give one of the files in it, such as {}", inside.join(", ")),
    }
}
