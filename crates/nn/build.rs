//! Says what the feature `mpi` needs and does not find, before the build of the bindings fails with a longer story.

use std::{env, fs, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_MPI").is_none() {
        return;
    }
    let mut missing = vec![];
    let mpicc = env::var("MPICC").unwrap_or_else(|_| "mpicc".into());
    if Command::new(mpicc).arg("--version").output().is_err() {
        missing.push("an MPI library (there is no `mpicc`)");
    }
    // Elsewhere libraries have other places, which the bindings look through themselves.
    if cfg!(target_os = "linux") && env::var_os("LIBCLANG_PATH").is_none() && !has_libclang() {
        missing.push("libclang");
    }
    if !missing.is_empty() {
        println!("cargo::warning=the feature `mpi` needs {}", missing.join(" and "));
        println!(
            "cargo::warning=on Debian: apt-get install --no-install-recommends openmpi-bin libopenmpi-dev libclang-dev"
        );
    }
}

fn has_libclang() -> bool {
    let inner = |folder: &str| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let llvm = inner("/usr/lib")
        .chain(inner("/usr/local"))
        .filter(|path| path.is_dir())
        .flat_map(|path| [path.join("lib"), path]);
    let given = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let mut folders = llvm.chain(env::split_paths(&given)).chain(["/usr/lib".into(), "/usr/lib64".into()]);
    let is_it = |name: &str| name.starts_with("libclang.so") || name.starts_with("libclang-") && name.contains(".so");
    folders.any(|folder| {
        inner(&folder.to_string_lossy()).any(|file| file.file_name().is_some_and(|name| is_it(&name.to_string_lossy())))
    })
}
