use super::*;
use proptest::prelude::*;
use std::io::Write;
use tch::{Device, Kind};

fn tensors() -> Vec<(String, Tensor)> {
    let kinds = [Kind::Float, Kind::Half, Kind::BFloat16, Kind::Double, Kind::Int64, Kind::Int, Kind::Int16];
    let kinds = kinds.into_iter().chain([Kind::Int8, Kind::Uint8, Kind::Bool]);
    let mut tensors: Vec<_> = kinds
        .map(|kind| (format!("a.{kind:?}"), Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]).to_kind(kind)))
        .collect();
    tensors.push(("b.scalar".into(), Tensor::from(2.5f32)));
    tensors.push(("b.empty".into(), Tensor::zeros([0, 4], (Kind::Float, Device::Cpu))));
    tensors.push(("b.transposed".into(), Tensor::arange(6, (Kind::Float, Device::Cpu)).view([2, 3]).tr()));
    tensors
}

fn saved(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    let tensors = tensors();
    let texts = [("net_type", "HIPTrack\n\"quoted\""), ("b", "2"), ("a", "1")];
    let texts = texts.map(|(key, text)| (key.to_string(), text.to_string())).into();
    let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let contents = Contents { tensors, texts, numbers: vec![("epoch", 1 << 40)], ..Contents::default() };
    write(&path, Format::of(&path).unwrap(), &contents).unwrap();
    path
}

#[test]
fn both_forms_read_back_bit_for_bit() {
    let home = tempfile::tempdir().unwrap();
    for name in ["x.safetensors", "x.pth.tar"] {
        let file = WeightsFile::open(&saved(home.path(), name)).unwrap();
        let back: BTreeMap<String, Tensor> = file.load_all().unwrap().into_iter().collect();
        assert_eq!(back.len(), tensors().len());
        for (name, tensor) in tensors() {
            assert_eq!(back[&name].kind(), tensor.kind(), "{name}");
            assert_eq!(back[&name].size(), tensor.size(), "{name}");
            assert_eq!(Bytes::of(&back[&name]).unwrap().as_slice(), Bytes::of(&tensor).unwrap().as_slice(), "{name}");
        }
        assert_eq!(file.texts()["net_type"], "HIPTrack\n\"quoted\"");
    }
    let names: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no temporary file is left: {names:?}");
}

#[test]
fn the_same_weights_give_the_same_file() {
    let home = tempfile::tempdir().unwrap();
    for (a, b) in [("a.pt", "b.pt"), ("a.safetensors", "b.safetensors")] {
        let bytes = |name| std::fs::read(saved(home.path(), name)).unwrap();
        assert_eq!(bytes(a), bytes(b));
    }
}

#[test]
fn storages_are_aligned_as_pytorch_has_them() {
    let home = tempfile::tempdir().unwrap();
    let file = WeightsFile::open(&saved(home.path(), "x.pth")).unwrap();
    assert!(file.entries().iter().all(|entry| entry.start % 64 == 0));
}

/// The lengths of headers that begin with the same bytes as pickles of protocols 2 to 5.
#[test]
fn a_header_whose_length_looks_like_a_pickle_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    for protocol in 2..=5u64 {
        let length = (protocol << 8 | 0x80) as usize;
        let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let mut bytes = (length as u64).to_le_bytes().to_vec();
        bytes.extend(format!("{header:<length$}").bytes());
        bytes.extend(1.5f32.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        let file = WeightsFile::open(&path).unwrap();
        assert_eq!(file.container(), Container::Safetensors);
        assert_eq!(file.load(&file.entries()[0]).unwrap().double_value(&[0]), 1.5);
    }
}

#[test]
fn endings_decide_the_form() {
    assert_eq!(Format::of(Path::new("a/b.PTH.TAR")).unwrap(), Format::Torch);
    assert_eq!(Format::of(Path::new("b.safetensors")).unwrap(), Format::Safetensors);
    assert_eq!(Format::of(Path::new("b.bin")).unwrap_err().kind.exit_code(), 64);
}

/// A zip as `torch.save` writes it, with this pickle and one storage of 24 bytes.
fn zip(path: &Path, pickle: &[u8]) {
    let mut zip = ::zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = ::zip::write::SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Stored);
    for (name, bytes) in [("m/data.pkl", pickle), ("m/data/0", &[0; 24][..]), ("m/version", b"3\n")] {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

/// A pickle `{"w": tensor}` of a storage of `elements`, an offset, a shape and strides.
fn one_tensor(class: &str, elements: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let int = |value: &i32| [b"J".to_vec(), value.to_le_bytes().to_vec()].concat();
    let ints = |values: &[i32]| values.iter().flat_map(int).collect::<Vec<u8>>();
    let head = format!(
        "\u{2}}}X\u{1}\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((U\u{7}storagectorch\n{class}\nU\u{1}0U\u{3}cpu"
    );
    let parts: [&[u8]; 11] = [
        b"\x80",
        head.as_bytes(),
        &int(&elements),
        b"tQ",
        &int(&offset),
        b"(",
        &ints(shape),
        b"t(",
        &ints(strides),
        b"t\x89}tRs.",
        b"",
    ];
    parts.concat()
}

fn opened(pickle: &[u8]) -> std::result::Result<Tensor, String> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("x.pth");
    zip(&path, pickle);
    let file = WeightsFile::open(&path).map_err(|failure| failure.message)?;
    file.load(&file.entries()[0]).map_err(|failure| failure.message)
}

#[test]
fn strides_and_offsets_are_honoured_within_the_storage() {
    let tensor = opened(&one_tensor("FloatStorage", 6, 1, &[2, 2], &[3, 1])).unwrap();
    assert_eq!(tensor.size(), [2, 2]);
    assert_eq!(opened(&one_tensor("FloatStorage", 6, 0, &[3, 2], &[0, 1])).unwrap().size(), [3, 2]);
    for (class, elements, offset, shape, strides, part) in [
        ("FloatStorage", 6, 1, &[2, 3][..], &[3, 1][..], "beyond its storage"),
        ("FloatStorage", 6, i32::MAX, &[1], &[1], "beyond its storage"),
        ("FloatStorage", 6, 0, &[2], &[i32::MAX], "beyond its storage"),
        ("FloatStorage", 7, 0, &[1], &[1], "smaller than declared"),
        ("FloatStorage", -1, 0, &[1], &[1], "no number"),
        ("FloatStorage", 6, 0, &[-1], &[1], "whole numbers from 0"),
        ("FloatStorage", 6, 0, &[1, 1], &[1], "strides"),
        ("FloatStorage", 6, 0, &[i32::MAX, i32::MAX], &[0, 0], "claim"),
        ("FloatStorage", 6, 0, &[i32::MAX; 3], &[0, 0, 0], "absurd shape"),
        ("ComplexFloatStorage", 3, 0, &[1], &[1], "ComplexFloatStorage cannot be read"),
    ] {
        let message = opened(&one_tensor(class, elements, offset, shape, strides)).unwrap_err();
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn hostile_and_foreign_files_are_named() {
    let message = opened(b"cposix\nsystem\n(S'true'\ntR.").unwrap_err();
    assert!(message.contains("a whole Python object (posix.system)"), "{message}");
    assert!(opened(b"}.").unwrap_err().contains("holds no tensors"));
    // 60 levels of dictionaries under `net`, and a bomb beside the weights.
    let mut deep = one_tensor("FloatStorage", 6, 0, &[1], &[1]);
    deep.truncate(deep.len() - 1);
    deep.extend(b"X\x04\0\0\0bombN");
    (0..60).for_each(|_| deep.extend(b"2\x86"));
    deep.extend(b"s.");
    assert!(opened(&deep).is_ok());
    let home = tempfile::tempdir().unwrap();
    let open = |name: &str, bytes: &[u8]| {
        let path = home.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        WeightsFile::open(&path).unwrap_err()
    };
    for (bytes, part) in [
        (&b""[..], "is empty"),
        (b"hello", "neither safetensors nor"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff{}", "neither safetensors nor"),
        (b"PK\x03\x04nothing", "zip is cut off or damaged"),
        (b"\x80\x02}.", "not one that torch.save wrote"),
        (b"(dp0\nS'a'\np1\nI1\ns.", "not one that torch.save wrote; it holds no tensors under names"),
        (b"\n<!DOCTYPE html><title>Sign \x1b[1min</title>", "is a web page (\"Sign \u{b7}[1min\"), not weights"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 77\n",
            "Git LFS, not the file itself (which has 77 bytes)",
        ),
        (b"\x1f\x8b\x08\0", "compressed with gzip"),
        (b"\x89HDF\r\n\x1a\n\0", "HDF5"),
        (b"\x08\x08\x12\x07pytorch\x1a", "an ONNX model (made by pytorch)"),
        (b"\x93NUMPY\x01\0", "a single NumPy array"),
        (b"{\"weight_map\": {}}", "split over several files"),
        (b"\0\0\0\0\0\0\0\0\0\0\0\0", "nothing but zeros"),
    ] {
        let failure = open("x", bytes);
        assert!(failure.message.contains(part) && failure.kind.exit_code() == 66, "{failure}");
    }
    assert!(WeightsFile::open(home.path()).unwrap_err().message.contains("is a folder"));
    let path = saved(home.path(), "y.pth");
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(WeightsFile::open(&path).is_err(), "cut at {length}");
    }
}

#[test]
fn a_zip_that_lies_about_its_sizes_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = saved(home.path(), "x.pth");
    let honest = std::fs::read(&path).unwrap();
    let record = honest.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    // Both sizes in the directory; the uncompressed one alone; the place of the data.
    for fields in [&[20, 24][..], &[24], &[42]] {
        let mut bytes = honest.clone();
        fields
            .iter()
            .for_each(|at| bytes[record + at..record + at + 4].copy_from_slice(&0x7FFF_FFFF_u32.to_le_bytes()));
        std::fs::write(&path, &bytes).unwrap();
        let failure = WeightsFile::open(&path).unwrap_err();
        assert!(failure.message.contains("cut off or damaged"), "{fields:?}: {failure}");
    }
}

/// A pickle of protocol 2, `{"params": array}`, as NumPy writes it with its bytes as text.
#[test]
fn arrays_of_numpy_are_read() {
    let array = |dtype: &str, data: &str| {
        let mut pickle = b"\x80\x02}X\x06\0\0\0params".to_vec();
        pickle.extend(
            b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\0\x85U\x01btR(K\x01K\x02\x85cnumpy\ndtype\n",
        );
        pickle.extend(
            [&b"X\x02\0\0\0"[..], dtype.as_bytes(), b"\x89\x88\x87R(K\x03U\x01<tb\x89c_codecs\nencode\n"].concat(),
        );
        pickle
            .extend([&b"X"[..], &(data.len() as u32).to_le_bytes(), data.as_bytes(), b"U\x06latin1\x86Rtbs."].concat());
        opened(&pickle)
    };
    // 1.5 and -2 in four bytes each; bytes from 128 have two in the text.
    let tensor = array("f4", "\0\0\u{c0}\u{3f}\0\0\0\u{c0}").unwrap();
    assert_eq!((tensor.double_value(&[0]), tensor.double_value(&[1])), (1.5, -2.0));
    assert!(array("f4", "\0").unwrap_err().contains("shape [2] with 1 bytes of numbers"));
    assert!(array("U5", "\0").unwrap_err().contains("element type U5"));
}

fn survives(name: &str, bytes: &[u8]) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    if let Ok(file) = WeightsFile::open(&path) {
        let claimed: u64 = file.entries().iter().map(|e| e.elements() * e.kind.elt_size_in_bytes() as u64).sum();
        assert!(claimed <= 8 * bytes.len() as u64 + (1 << 20));
        let _ = file.load_all();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn mutations_never_panic(
        name in prop::sample::select(vec!["x.pth", "x.safetensors"]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let home = tempfile::tempdir().unwrap();
        let mut bytes = std::fs::read(saved(home.path(), name)).unwrap();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(name, &bytes);
    }

    #[test]
    fn mutated_descriptions_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut pickle = one_tensor("FloatStorage", 6, 1, &[2, 2], &[3, 1]);
        for (at, value) in edits {
            let at = at.index(pickle.len());
            pickle[at] = value;
        }
        let _ = opened(&pickle);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), head in 0..3usize) {
        let heads: [&[u8]; 3] = [b"", b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."];
        survives("x", &[heads[head], &bytes].concat());
    }
}
