//! Compiles the C++ of `src/native` against the libtorch that torch-sys found and the C that stands between Rust and
//! libjpeg-turbo, and lets the program and the tests find that libtorch at run time without LD_LIBRARY_PATH.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    compile_native();
    #[cfg(feature = "turbojpeg")]
    compile_jpeg_shim();
}

fn compile_native() {
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let file = |name: &str| format!("src/native/{name}");
    let sources = [
        "guard",
        "adamw",
        "attention",
        "winograd",
        "convolution",
        "linear",
        "packed",
        "precision",
        "memory",
        "recompute",
    ];
    let sources = sources.map(|name| file(&format!("{name}.cpp")));
    for watched in sources.iter().chain(&["guard.h", "linear.h", "winograd.h"].map(file)) {
        println!("cargo:rerun-if-changed={watched}");
    }
    let Ok(lib) = env::var("DEP_TCH_LIBTORCH_LIB") else { return };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");

    // Headers lie beside the libraries in every release, wheel and package; torch-sys knows one way to say otherwise.
    let include = match env::var("LIBTORCH_INCLUDE") {
        Ok(folder) => PathBuf::from(folder).join("include"),
        Err(_) => PathBuf::from(&lib).join("../include"),
    };
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_string());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .opt_level(3)
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .flag_if_supported("-fopenmp")
        .include(include)
        .file(together(&sources))
        .compile("trackflow_native");
}

/// One source that includes all: reading libtorch's headers takes longer than everything else, and is done once.
fn together(sources: &[String]) -> PathBuf {
    let [root, out] = ["CARGO_MANIFEST_DIR", "OUT_DIR"].map(|name| env::var(name).unwrap_or_else(|_| ".".to_string()));
    let all = PathBuf::from(out).join("native.cpp");
    let text: String = sources.iter().map(|source| format!("#include \"{root}/{source}\"\n")).collect();
    fs::write(&all, text).unwrap_or_else(|error| panic!("{}: {error}", all.display()));
    all
}

#[cfg(feature = "turbojpeg")]
fn compile_jpeg_shim() {
    let shim = "src/vision/jpeg/shim";
    println!("cargo:rerun-if-changed={shim}");
    // Set by the crate that builds libjpeg-turbo.
    println!("cargo:rerun-if-env-changed=DEP_TURBOJPEG_INCLUDE");
    let include = env::var("DEP_TURBOJPEG_INCLUDE").unwrap_or_default();
    cc::Build::new()
        .files(["errors.c", "decompress.c", "transcode.c"].map(|file| format!("{shim}/{file}")))
        .includes(include.split(',').filter(|folder| !folder.is_empty()))
        .std("c99")
        .opt_level(3)
        .extra_warnings(true)
        .compile("trackflow_jpeg");
}
