//! Wav files: of a folder, or of an archive inside the program.

use super::{
    super::error::{Error, Result},
    Recording,
};
use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read},
    path::{Path, PathBuf},
};
use unspool::text::{Source, Tsv};

/// The list of what is said, in a folder of sounds.
const TRANSCRIPTS: &str = "transcripts.tsv";

/// The files of a folder that recordings are made of: the wav files, sorted by name, and behind them the list of what
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
    let said = transcripts(&path.join(TRANSCRIPTS))?;
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
    let failed = |cause: std::io::Error| Error::file(path, "read", &cause);
    let mut bytes = vec![];
    unspool_files::open(path).map_err(failed)?.read_to_end(&mut bytes).map_err(failed)?;
    wav(&path.display().to_string(), &bytes)
}

fn transcripts(path: &Path) -> Result<BTreeMap<String, String>> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let rows = Tsv::open(Source::file(path)?)?.columns(["file", "transcript"])?;
    rows.map(|row| row.map(|row| (row[0].to_owned(), row[1].to_owned())).map_err(Error::from)).collect()
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
            recordings.push(wav(&name, &bytes)?);
        }
    }
    recordings.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(recordings)
}

/// Samples from −1 to 1; of several channels, their mean.
fn wav(name: &str, bytes: &[u8]) -> Result<Recording> {
    let bad = |cause: hound::Error| {
        Error::failure(format!("{name}: not a wav file that can be read: {cause}"), "convert it to 16-bit PCM")
    };
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(bad)?;
    let spec = reader.spec();
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect::<std::result::Result<_, _>>().map_err(bad)?,
        hound::SampleFormat::Int => {
            let scale = 1.0 / (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            let samples = reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32 * scale));
            samples.collect::<std::result::Result<_, _>>().map_err(bad)?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let samples = samples.chunks(channels).map(|all| all.iter().sum::<f32>() / channels as f32).collect();
    Ok(Recording { name: name.to_owned(), transcript: None, rate: spec.sample_rate, samples })
}
