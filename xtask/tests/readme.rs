//! The program at the top of the README, and programs of the tutorial, compile and run in a crate outside of this
//! workspace.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The contents of a page's fenced blocks of a language, in order.
fn blocks_of(page: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let fence = format!("```{language}\n");
    let inside = text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_string());
    inside.collect()
}

fn blocks(language: &str) -> Vec<String> {
    blocks_of("README.md", language)
}

/// Builds and runs a crate in a temporary folder, and returns its output and its errors. Crates of one name would have
/// one program in the target folder, and tests run side by side.
///
/// The dependency on git becomes one on this checkout. `Cargo.lock` is that of this workspace, so nothing is
/// downloaded. The dependencies of the libraries come out of the workspace's target folder; for that their profile must
/// be the workspace's. The libraries themselves are compiled once more, because they are no members of the new crate's
/// workspace; with little optimization that takes less time than it costs.
fn run(folder: &Path, name: &str, program: &str) -> (String, String) {
    let git = "git = \"https://github.com/unspool/unspool\"";
    let path = format!("path = {:?}", root().join("crates/unspool"));
    let manifest = blocks("toml").swap_remove(0);
    assert!(manifest.contains(git) && manifest.contains("[profile.dev.package.\"*\"]"), "{manifest}");
    let dependencies = manifest.replace(git, &path).split("[profile").next().unwrap_or_default().to_string();
    let package = format!("[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n");
    let mut profile = "\n[profile.dev]\nopt-level = 2\ndebug = \"line-tables-only\"\n".to_owned();
    for library in ["unspool-graph", "unspool-nn", "unspool-text", "unspool"] {
        profile += &format!("[profile.dev.package.{library}]\nopt-level = 1\n");
    }
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("Cargo.toml"), format!("{package}{dependencies}{profile}")).unwrap();
    fs::write(folder.join("src/main.rs"), program).unwrap();
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root().join("target"), PathBuf::from);
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    let ran = cargo.args(["run", "--quiet", "--offline"]).current_dir(folder).env("CARGO_TARGET_DIR", target);
    let ran = ran.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(ran.stdout), text(ran.stderr))
}

#[test]
fn the_program_of_the_readme_runs_in_a_crate_outside_of_this_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let program = blocks("rust")[..2].join("\n");
    let (output, errors) = run(folder.path(), "of_the_readme", &program);
    let losses: Vec<f64> = output.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    assert!(losses.len() == 3 && losses[2] < 0.2, "{output}{errors}");

    // The error that the README shows, with its lines.
    let three = program.replace("(32, 10, 1)", "(32, 10, 3)");
    assert_ne!(program, three);
    let (_, errors) = run(folder.path(), "of_the_readme", &three);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let shown = readme.lines().find_map(|line| line.strip_prefix("    matmul: ")).unwrap();
    assert!(errors.contains(shown), "the README shows {shown:?}, the program said {errors}");
}

#[test]
fn the_cell_of_the_readme_is_short() {
    let cell = &blocks("rust")[0];
    assert!(cell.lines().count() <= 32, "{} lines", cell.lines().count());
}

#[test]
fn programs_of_the_tutorial_run_in_a_crate_with_the_lines_of_the_setup_page() {
    assert_eq!(blocks_of("docs/setup.md", "toml"), blocks("toml"), "the setup page and the README");
    let folder = tempfile::tempdir().unwrap();
    for (chapter, block) in [
        ("01-sequence-and-graph.md", 3),
        ("03-recurrence.md", 1),
        ("05-many-to-one.md", 3),
        ("10-gates.md", 0),
        ("12-attention.md", 0),
    ] {
        let program = &blocks_of(&format!("docs/{chapter}"), "rust")[block];
        // The assertions are inside; a program that panics, or that does not compile, says so.
        let (_, errors) = run(folder.path(), "of_the_tutorial", program);
        assert!(errors.is_empty(), "{chapter}, block {block}: {errors}");
    }
}
