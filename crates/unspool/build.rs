//! Tells the documentation and the tests where the tutorial's pages are: in `docs` at the root of the workspace, or,
//! in a package from the registry, in the copy that `scripts/package.sh` put inside. The compiler reads them through
//! `env!("UNSPOOL_DOCS")`. A symbolic link would do the same, but not on Windows.
//!
//! `scripts/check.sh docs` sets `UNSPOOL_DOCS` to a copy whose mathematics is typeset.

use std::{
    env,
    path::{Path, PathBuf},
};

fn main() {
    let package = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let workspace = Path::new(&package).join("../../docs");
    let docs = match env::var_os("UNSPOOL_DOCS") {
        Some(given) => PathBuf::from(given),
        None if workspace.join("00-preface.md").exists() => workspace,
        None => Path::new(&package).join("docs"),
    };
    println!("cargo::rustc-env=UNSPOOL_DOCS={}", docs.display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=UNSPOOL_DOCS");
}
