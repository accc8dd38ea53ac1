//! Wav files: of a folder, or of an archive inside the program.

use super::{
    super::{
        error::{Error, Result},
        limits,
    },
    Recording, read_bytes, wav,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
};
use unspool::text::{Source, Tsv};

/// The list of what is said, in a folder of sounds.
const TRANSCRIPTS: &str = "transcripts.tsv";

/// The files of a folder that recordings are made of: the wav files, sorted by name, and after them the list of what
/// is said, if there is one.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files = wav_files(path)?;
    files.extend([path.join(TRANSCRIPTS)].into_iter().filter(|list| list.exists()));
    Ok(files)
}

fn wav_files(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path).map_err(|cause| Error::file(path, "read as a folder of wav files", &cause))?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|cause| Error::file(path, "read", &cause))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")));
    files.sort();
    if files.is_empty() {
        return Err(Error::failure(
            format!("{}: no wav files in it", path.display()),
            format!("give a folder of wav files, with {TRANSCRIPTS} (file, transcript) beside them"),
        ));
    }
    Ok(files)
}

/// The wav files of a folder, sorted by name.
pub(super) fn folder(path: &Path) -> Result<Vec<Recording>> {
    let files = wav_files(path)?;
    let said = transcripts(&path.join(TRANSCRIPTS), &files)?;
    files
        .iter()
        .map(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut recording = one(file)?;
            recording.transcript = said.get(&name).cloned();
            recording.name = name;
            Ok(recording)
        })
        .collect()
}

/// One wav file.
pub(super) fn one(path: &Path) -> Result<Recording> {
    recording(&path.display().to_string(), &read_bytes(path, limits::SOUND)?)
}

/// What is said in each of the files, by their names. Each row is of a file that is there, and of another one.
fn transcripts(path: &Path, files: &[PathBuf]) -> Result<BTreeMap<String, String>> {
    let mut said = BTreeMap::new();
    if !path.exists() {
        return Ok(said);
    }
    let there: BTreeSet<_> = files.iter().filter_map(|file| file.file_name()?.to_str()).collect();
    for row in Tsv::open(Source::file(path)?)?.columns(["file", "transcript"])? {
        let row = row?;
        let (line, name) = (row.line, row[0].trim());
        let wrong =
            |what: String| Error::failure(format!("{}:{line}: {what}", path.display()), "correct or remove that line");
        if !there.contains(name) {
            return Err(wrong(format!("there is no wav file `{name}` beside it")));
        }
        if said.insert(name.to_owned(), row[1].to_owned()).is_some() {
            return Err(wrong(format!("an earlier line has a transcript of `{name}`")));
        }
    }
    Ok(said)
}

/// The wav files of a gzipped tar archive, sorted by name.
pub(super) fn packed(file: &str, bytes: &'static [u8]) -> Result<Vec<Recording>> {
    let bad = |cause: std::io::Error| Error::failure(format!("{file}: {cause}"), "");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    let mut recordings = vec![];
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let name = entry.path().map_err(bad)?.to_string_lossy().into_owned();
        if name.ends_with(".wav") {
            let mut bytes = vec![];
            entry.read_to_end(&mut bytes).map_err(bad)?;
            recordings.push(recording(&name, &bytes)?);
        }
    }
    recordings.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(recordings)
}

pub(super) fn recording(name: &str, bytes: &[u8]) -> Result<Recording> {
    let wav::Wav { rate, samples } =
        wav::read(bytes).map_err(|fault| Error::failure(format!("{name}: {fault}"), fault.hint()))?;
    Ok(Recording { name: name.to_owned(), transcript: None, rate, samples })
}
