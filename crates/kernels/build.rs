//! Compiles the C++ against the libtorch that torch-sys found, and lets this crate's tests find that libtorch at run time.

use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    println!("cargo:rerun-if-changed=build.rs");
    let mut sources = vec!["guard", "adamw", "precision", "memory", "recompute", "shared", "stream", "ranks"];
    if cfg!(feature = "cpu-kernels") {
        sources.extend(["cpu/attention", "cpu/winograd", "cpu/convolution", "cpu/linear", "cpu/packed"]);
    }
    let sources: Vec<String> = sources.into_iter().map(|name| format!("src/{name}.cpp")).collect();
    let headers = ["src/guard.h", "src/gloo", "src/cpu/linear.h", "src/cpu/winograd.h"].map(String::from);
    for watched in sources.iter().chain(&headers) {
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
        .include(include.join("torch/csrc/api/include"))
        .include(include)
        .include("src")
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
