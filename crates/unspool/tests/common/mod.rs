//! What the tests of the program share.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Runs the program in a folder.
#[allow(dead_code)] // Not every test uses all of these.
pub(crate) fn run(at: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_unspool"))
        .args(arguments)
        .current_dir(at)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments has gone before it reads anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Asserts success; gives what stands on standard output.
#[allow(dead_code)] // Not every test uses all of these.
pub(crate) fn succeeds(at: &Path, arguments: &[&str], input: &[u8]) -> String {
    let output = run(at, arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts the exit code, one line that says `saying`, at most one hint, nothing on standard output, and a folder as it was.
#[allow(dead_code)] // Not every test uses all of these.
pub(crate) fn refuses(at: &Path, arguments: &[&str], code: i32, saying: &str) {
    let before = listing(at);
    let output = run(at, arguments, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("error: ") && lines[0].contains(saying), "{arguments:?}: {said}");
    assert!(lines.len() == 1 || lines.len() == 2 && lines[1].starts_with("hint: "), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty());
    assert_eq!(listing(at), before, "{arguments:?} left something behind");
}

/// Every file with its contents, and every folder.
#[allow(dead_code)] // Not every test uses all of these.
pub(crate) fn listing(at: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut all = vec![];
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(listing(&path));
            all.push((path, None));
        } else {
            let bytes = fs::read(&path).unwrap();
            all.push((path, Some(bytes)));
        }
    }
    all.sort();
    all
}
