//! What the tests of the program share.
#![allow(dead_code)] // Not every test uses all of these.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

/// Runs the program in a folder.
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
pub(crate) fn succeeds(at: &Path, arguments: &[&str], input: &[u8]) -> String {
    let output = run(at, arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts the exit code, one line that says `saying`, at most one hint, nothing on standard output, and a folder as it
/// was.
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

/// Lets a training end, as a kill does, right after the operation on a file that its log calls `operation`, where `OUT`
/// is its folder.
pub(crate) fn fault(at: &Path, arguments: &[&str], operation: &str, out: &str) {
    let operation = operation.replace("OUT", out);
    let trial: Vec<&str> = arguments.iter().map(|&word| if word == out { "trial" } else { word }).collect();
    let operations = operations(at, &trial);
    let number = 1 + operations.iter().position(|line| line.replace("trial", out) == operation).unwrap();
    fs::remove_dir_all(at.join("trial")).unwrap();
    assert!(!faulty(at, arguments, &format!("{}:abort", number + 1)).status.success());
}

/// The operations on files of a run of the program, in order.
pub(crate) fn operations(at: &Path, arguments: &[&str]) -> Vec<String> {
    let log = at.join("operations.log");
    let output = program(at, arguments).env("UNSPOOL_FAULT_LOG", &log).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let operations = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    fs::remove_file(log).unwrap();
    operations
}

/// Runs the program with a fault: `NUMBER:abort`, or `NUMBER:CODE` for an error of the system.
pub(crate) fn faulty(at: &Path, arguments: &[&str], fault: &str) -> Output {
    program(at, arguments).env("UNSPOOL_FAULT", fault).output().unwrap()
}

/// A file of weights as another program would write it: without metadata in its header.
pub(crate) fn without_metadata(weights: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&weights[8..8 + length]).unwrap();
    header.remove("__metadata__").unwrap();
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &weights[8 + length..]].concat()
}

/// Kills a training that resumes, somewhere, again and again, until one start comes to its end: each goes on where the
/// one before was saved, on one thread and on two in turn. Gives whether one of them said that it resumed.
pub(crate) fn killed_until_it_ends(at: &Path, arguments: &[&str], step: Duration) -> bool {
    let mut resumed = false;
    let mut wait = step;
    for start in 0..100 {
        let threads = if start % 2 == 0 { "2" } else { "1" };
        let mut command = program(at, &[arguments, &["--resume", "--threads", threads]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(wait);
        // Short at first, so that each part of the run is hit, and long enough for the whole of it in the end.
        wait = wait.mul_f64(1.1);
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        resumed |= String::from_utf8_lossy(&output.stderr).contains("resumed at step ");
        if output.status.success() {
            return resumed;
        }
    }
    panic!("{arguments:?}: no start came to its end");
}

fn program(at: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unspool"));
    command.args(arguments).current_dir(at).stdin(Stdio::null());
    command
}
