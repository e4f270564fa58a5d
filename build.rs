//! Lets the program and the tests find libtorch at run time without LD_LIBRARY_PATH; says which commit is built; compiles
//! the C that stands between Rust and libjpeg-turbo.

use std::process::Command;

/// Where an installed program has its libraries: as `make install` and release archives lay them out, or beside it.
const BESIDE: [&str; 2] = ["$ORIGIN/../lib/trackflow", "$ORIGIN"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    for folder in BESIDE {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        // The libtorch that it was built with, for programs that stay on the machine.
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
        // For the tests that build a device of their own.
        println!("cargo:rustc-env=TRACKFLOW_LIBTORCH_LIB={lib}");
    }
    println!("cargo:rustc-env=TRACKFLOW_COMMIT={}", commit());
    #[cfg(feature = "turbojpeg")]
    compile_jpeg_shim();
}

/// What TRACKFLOW_COMMIT says, or else git; empty where neither knows.
fn commit() -> String {
    println!("cargo:rerun-if-env-changed=TRACKFLOW_COMMIT");
    if let Ok(stated) = std::env::var("TRACKFLOW_COMMIT") {
        return stated;
    }
    // A commit, and a change of what is compiled: both change what git says.
    for path in ["src", "crates", "configs", "pipelines", "scripts", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={path}");
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| std::path::Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12"]).unwrap_or_default()
}

fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_string())
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
