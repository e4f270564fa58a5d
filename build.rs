//! Lets the program and the tests find at run time, without LD_LIBRARY_PATH, the libtorch that torch-sys found; compiles
//! the C that stands between Rust and libjpeg-turbo.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        // For the tests that build a device of their own.
        println!("cargo:rustc-env=TRACKFLOW_LIBTORCH_LIB={lib}");
    }
    #[cfg(feature = "turbojpeg")]
    compile_jpeg_shim();
}

#[cfg(feature = "turbojpeg")]
fn compile_jpeg_shim() {
    let shim = "src/vision/jpeg/shim";
    println!("cargo:rerun-if-changed={shim}");
    // Set by the crate that builds libjpeg-turbo.
    println!("cargo:rerun-if-env-changed=DEP_TURBOJPEG_INCLUDE");
    let include = std::env::var("DEP_TURBOJPEG_INCLUDE").unwrap_or_default();
    cc::Build::new()
        .files(["errors.c", "decompress.c", "transcode.c"].map(|file| format!("{shim}/{file}")))
        .includes(include.split(',').filter(|folder| !folder.is_empty()))
        .std("c99")
        .opt_level(3)
        .extra_warnings(true)
        .compile("trackflow_jpeg");
}
