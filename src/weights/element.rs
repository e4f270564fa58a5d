//! The element types that weights have, by the names that files give them.

use safetensors::Dtype;
use tch::Kind;

/// libtorch's type, safetensors', PyTorch's storage class, and PyTorch's dtype.
const TYPES: [(Kind, Dtype, &str, &str); 10] = [
    (Kind::Float, Dtype::F32, "FloatStorage", "float32"),
    (Kind::Half, Dtype::F16, "HalfStorage", "float16"),
    (Kind::BFloat16, Dtype::BF16, "BFloat16Storage", "bfloat16"),
    (Kind::Double, Dtype::F64, "DoubleStorage", "float64"),
    (Kind::Int64, Dtype::I64, "LongStorage", "int64"),
    (Kind::Int, Dtype::I32, "IntStorage", "int32"),
    (Kind::Int16, Dtype::I16, "ShortStorage", "int16"),
    (Kind::Int8, Dtype::I8, "CharStorage", "int8"),
    (Kind::Uint8, Dtype::U8, "ByteStorage", "uint8"),
    (Kind::Bool, Dtype::BOOL, "BoolStorage", "bool"),
];

fn find<T>(
    wanted: impl Fn(&(Kind, Dtype, &str, &str)) -> bool,
    give: impl Fn(&(Kind, Dtype, &'static str, &'static str)) -> T,
) -> Option<T> {
    TYPES.iter().find(|row| wanted(row)).map(give)
}

/// The type of a safetensors file's tensor.
pub(super) fn of_safetensors(dtype: Dtype) -> Option<Kind> {
    find(|row| row.1 == dtype, |row| row.0)
}

/// The type for a safetensors file.
pub(super) fn to_safetensors(kind: Kind) -> Option<Dtype> {
    find(|row| row.0 == kind, |row| row.1)
}

/// The type of a PyTorch storage class.
pub(super) fn of_storage(class: &str) -> Option<Kind> {
    find(|row| row.2 == class, |row| row.0)
}

/// The storage class for PyTorch.
pub(super) fn to_storage(kind: Kind) -> Option<&'static str> {
    find(|row| row.0 == kind, |row| row.2)
}

/// The type of a NumPy array by the name that pickles have for it: `f4`.
pub(super) fn of_numpy(name: &str) -> Option<Kind> {
    const NAMES: [(&str, Kind); 9] = [
        ("f4", Kind::Float),
        ("f2", Kind::Half),
        ("f8", Kind::Double),
        ("i8", Kind::Int64),
        ("i4", Kind::Int),
        ("i2", Kind::Int16),
        ("i1", Kind::Int8),
        ("u1", Kind::Uint8),
        ("b1", Kind::Bool),
    ];
    NAMES.into_iter().find_map(|(known, kind)| (known == name).then_some(kind))
}

/// PyTorch's name of a type: `float32`.
pub fn dtype_name(kind: Kind) -> &'static str {
    find(|row| row.0 == kind, |row| row.3).unwrap_or("?")
}

/// Whether files can hold tensors of this type.
pub fn storable(kind: Kind) -> bool {
    find(|row| row.0 == kind, |_| ()).is_some()
}
