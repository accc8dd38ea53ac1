//! Parameters on disk, as safetensors with PyTorch's names: always the old file whole or the new one.

use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{Read, Write},
    path::Path,
};
use unspool_graph::{Params, Precision, Tensor};

/// The largest file that is read into memory: 16 GiB.
const LARGEST: u64 = 16 << 30;

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
    |source| Error::File { path: path.display().to_string(), source }
}

/// Writes all parameters to `path`, with `metadata` in the file's header: to a temporary file beside it, synced, renamed over
/// it, the folder synced. Whenever the machine stops, the old file stands there or the new one. Equal parameters and metadata
/// give equal files.
///
/// # Errors
/// [`Error::File`] if it cannot be written; `path` is then as it was.
pub fn save(path: &Path, params: &Params, metadata: &BTreeMap<String, String>) -> Result<()> {
    let all: Vec<(String, Vec<usize>, Vec<u8>, Dtype)> = params
        .iter()
        .map(|p| {
            let (name, shape) = (params.name(p).to_string(), params.shape(p).to_vec());
            let (bytes, dtype) = match params.precision() {
                Precision::F32 => (bytes_of(params.elements_of::<f32>(p), f32::to_le_bytes), Dtype::F32),
                Precision::F64 => (bytes_of(params.elements_of::<f64>(p), f64::to_le_bytes), Dtype::F64),
            };
            (name, shape, bytes, dtype)
        })
        .collect();
    let format = |why: String| Error::Format { path: path.display().to_string(), why };
    let views = all
        .iter()
        .map(|(name, shape, bytes, dtype)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| format(e.to_string()))?;
    let header: HashMap<String, String> = sorted(metadata);
    let bytes = serialize(views, Some(header)).map_err(|e| format(e.to_string()))?;
    write_atomically(path, &bytes)
}

/// The file's header must not depend on a hash map's order, so all metadata stands under one key, as JSON with sorted keys.
fn sorted(metadata: &BTreeMap<String, String>) -> HashMap<String, String> {
    HashMap::from([(KEY.to_string(), serde_json::json!(metadata).to_string())])
}

/// The key of the header under which a model's own metadata stands.
pub const KEY: &str = "unspool";

fn bytes_of<E: Copy, const N: usize>(elements: Option<&[E]>, bytes: impl Fn(E) -> [u8; N]) -> Vec<u8> {
    elements.unwrap_or(&[]).iter().flat_map(|&x| bytes(x)).collect()
}

/// Writes `bytes` to `path` so that at any moment the old contents stand there or the new ones, whole.
///
/// # Errors
/// [`Error::File`]; `path` is then as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let write = || {
        let mut file = File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(temporary, path)?;
        // The rename itself lasts only once the folder is on disk too.
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all())
    };
    write().map_err(|source| {
        let _ = fs::remove_file(temporary);
        file_error(path)(source)
    })
}

/// Reads the file at `path` into `params`, which must have the same names and shapes. Everything is checked before anything is
/// changed. Files in either precision are read. Returns the metadata that [`save`] was given; none for a file from elsewhere.
///
/// # Errors
/// [`Error::File`], [`Error::Format`], or [`Error::Mismatch`] with every name that is missing, unexpected, of another shape, or not finite.
pub fn load(path: &Path, params: &mut Params) -> Result<BTreeMap<String, String>> {
    let name_of = || path.display().to_string();
    let mut file = File::open(path).map_err(file_error(path))?;
    let size = file.metadata().map_err(file_error(path))?.len();
    if size > LARGEST {
        return Err(Error::Format {
            path: name_of(),
            why: format!("{size} bytes are more than any model of ours has"),
        });
    }
    let mut bytes = vec![];
    file.read_to_end(&mut bytes).map_err(file_error(path))?;
    let format = |e: safetensors::SafeTensorError| Error::Format { path: name_of(), why: e.to_string() };
    let tensors = SafeTensors::deserialize(&bytes).map_err(format)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(format)?;
    let mut findings = vec![];
    let mut found = vec![];
    for p in params.iter() {
        let (name, shape) = (params.name(p), params.shape(p));
        let Ok(view) = tensors.tensor(name) else {
            findings.push(format!("missing: {name} {shape}"));
            continue;
        };
        if view.shape() != &*shape {
            findings.push(format!("another shape: {name} is {:?}, the model's is {shape}", view.shape()));
            continue;
        }
        let values: Vec<f64> = match view.dtype() {
            Dtype::F32 => {
                view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
            }
            Dtype::F64 => view
                .data()
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
                .collect(),
            other => {
                findings.push(format!("another kind of number: {name} is {other:?}, not F32 or F64"));
                continue;
            }
        };
        // In the model's own numbers: what is finite in a file of doubles may not be in single precision.
        let finite = |&x: &f64| match params.precision() {
            Precision::F32 => (x as f32).is_finite(),
            Precision::F64 => x.is_finite(),
        };
        if !values.iter().all(finite) {
            findings.push(format!("not finite: {name}"));
        }
        match ndarray::ArrayD::from_shape_vec(shape.to_vec(), values) {
            Ok(values) => found.push((p, values)),
            Err(error) => findings.push(format!("unreadable: {name}: {error}")),
        }
    }
    let mut others: Vec<&str> = tensors.names().into_iter().filter(|name| params.find(name).is_none()).collect();
    others.sort_unstable();
    findings.extend(others.iter().map(|name| format!("unexpected: {name}")));
    if !findings.is_empty() {
        return Err(Error::Mismatch { path: name_of(), findings: findings.join("\n") });
    }
    // A header of ours that cannot be read must not leave half a load behind, so it is read before anything is set.
    let metadata = match header.metadata().as_ref().and_then(|m| m.get(KEY)) {
        None => BTreeMap::new(),
        Some(text) => serde_json::from_str(text).map_err(|e| Error::Format {
            path: name_of(),
            why: format!("its metadata under {KEY:?} are no map of texts: {e}"),
        })?,
    };
    for (p, values) in found {
        params.set(p, Tensor::from(values))?;
    }
    Ok(metadata)
}
