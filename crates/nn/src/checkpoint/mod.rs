//! Parameters on disk, as safetensors with PyTorch's names: always the old file whole or the new one, and with a
//! checksum.
//!
//! A `state_dict` that PyTorch saved with `safetensors.torch.save_file` is read by [`load`] as it is, and a file of
//! [`save`] by `safetensors.torch.load_file`.
//!
//! ```
//! use std::collections::BTreeMap;
//! use unspool_graph::{Params, init};
//! use unspool_nn::checkpoint;
//!
//! let mut params = Params::seeded(7);
//! params.scope("layer").add("weight", [2, 3], init::normal(1.0));
//! let path = std::env::temp_dir().join(format!("unspool-doc-{}.safetensors", std::process::id()));
//! checkpoint::save(&path, &params, &BTreeMap::from([("hidden_size".into(), "3".into())]))?;
//!
//! let mut other = Params::seeded(8);
//! let weight = other.scope("layer").add("weight", [2, 3], init::zeros());
//! let metadata = checkpoint::load(&path, &mut other)?;
//! assert_eq!(metadata["hidden_size"], "3");
//! assert_eq!(other.value(weight)?, params.value(params.find("layer.weight").unwrap())?);
//! # std::fs::remove_file(path).unwrap();
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod checksum;
mod header;
mod reader;
mod writer;

pub(crate) use checksum::checksum;
pub use header::{Header, TensorHeader, header};

use crate::{Error, Result};
use checksum::Checksum;
use reader::Reader;
use safetensors::Dtype;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};
use unspool_graph::{Element, Int8, Params, Precision};

/// Names the key of the header that holds a model's own metadata, as JSON with sorted keys: the header must not depend
/// on a hash map's order.
pub const KEY: &str = "unspool";

/// Names with this prefix belong to a training and not to its model: [`load`] skips them.
pub const TRAINING: &str = "training/";

/// Among the metadata: the CRC-32 of all else in the file.
const CHECKSUM: &str = "crc32";

/// What follows the name of a quantized parameter in that of its scales, as in `weight_scale`.
const SCALE: &str = "_scale";

/// The longest header that is written or read, in bytes: a name and a shape for some hundred thousand tensors, and the
/// metadata.
const LONGEST_HEADER: u64 = 16 << 20;

/// How many bytes of a tensor are in memory at a time.
const PIECE: usize = 1 << 16;

fn file_error(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    |source| Error::File { path: path.display().to_string(), source }
}

fn format_error(path: &Path, why: impl ToString) -> Error {
    Error::Format { path: path.display().to_string(), why: why.to_string() }
}

/// Writes all parameters to `path`, with `metadata` in the file's header, by [`unspool_files::replace`]: whenever the
/// machine stops, the path holds the old file or the new one, whole. Equal parameters and metadata give equal files.
///
/// What [`load`] would refuse is not written.
///
/// # Errors
/// [`Error::NotFinite`] for parameters with NaN or infinite elements; [`Error::NotSaved`] for a parameter called
/// `__metadata__`, for the key `crc32` among the metadata, and for a header (names, shapes and metadata) of more than
/// 16 MiB; [`Error::File`] if the file cannot be written. In each case `path` is as it was.
///
/// ```
/// use std::collections::BTreeMap;
/// use unspool_graph::{Params, init};
/// use unspool_nn::checkpoint;
/// let mut params = Params::seeded(7);
/// params.scope("layer").add("weight", [2, 3], init::normal(1.0));
/// let path = std::env::temp_dir().join(format!("unspool-save-{}.safetensors", std::process::id()));
/// checkpoint::save(&path, &params, &BTreeMap::from([("epoch".into(), "3".into())]))?;
/// assert_eq!(checkpoint::metadata(&path)?["epoch"], "3");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn save(path: &Path, params: &Params, metadata: &BTreeMap<String, String>) -> Result<()> {
    save_parts(path, &[("", params)], metadata)
}

/// Saves several stores in one file, as [`save`] does one: each name follows its store's prefix.
///
/// # Errors
/// As [`save`], and [`Error::NotSaved`] if two names are the same; `path` is then as it was.
///
/// ```
/// use std::collections::BTreeMap;
/// use unspool_graph::{Params, init};
/// use unspool_nn::checkpoint;
/// let (mut speaker, mut listener) = (Params::seeded(7), Params::seeded(8));
/// speaker.scope("layer").add("weight", [2], init::normal(1.0));
/// listener.scope("layer").add("weight", [2], init::normal(1.0));
/// let path = std::env::temp_dir().join(format!("unspool-parts-{}.safetensors", std::process::id()));
/// checkpoint::save_parts(&path, &[("speaker/", &speaker), ("listener/", &listener)], &BTreeMap::new())?;
///
/// let mut read = listener.clone();
/// checkpoint::load_parts(&path, &mut [("listener/", &mut read)], Some("speaker/"))?;
/// let weight = |params: &Params| params.value(params.find("layer.weight").unwrap());
/// assert_eq!(weight(&read)?, weight(&listener)?);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn save_parts(path: &Path, parts: &[(&str, &Params)], metadata: &BTreeMap<String, String>) -> Result<()> {
    writer::write(path, parts, &[], metadata)
}

/// Returns [`Error::NotFinite`] if an element is NaN or infinite.
pub(crate) fn check_finite(params: &Params) -> Result<()> {
    writer::check_finite("the parameters", params.iter().map(|p| (params.name(p), writer::is_finite(params, p))))
}

/// As [`save_parts`], with arrays of bytes beside the tensors.
pub(crate) fn save_with_bytes(
    path: &Path,
    parts: &[(&str, &Params)],
    bytes: &[(&str, &[u8])],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    writer::write(path, parts, bytes, metadata)
}

/// Reads the file at `path` into `params`, which must have the same names and shapes. Everything is checked before
/// anything is changed. Files in either precision are read, and those of a [quantized](crate::quantize) model: its
/// matrices are of kind `I8`, with the scales of their rows in a vector of kind `F32` whose name ends in `_scale`.
/// Returns the metadata that [`save`] was given; none for a file from elsewhere. Memory is bounded by the model's size,
/// whatever the file says of itself.
///
/// # Errors
/// [`Error::File`], [`Error::Format`], or [`Error::Mismatch`] with every name that is missing, unexpected, of another
/// shape, or not finite.
///
/// ```
/// use std::collections::BTreeMap;
/// use unspool_graph::{Params, init};
/// use unspool_nn::checkpoint;
/// let path = std::env::temp_dir().join(format!("unspool-load-{}.safetensors", std::process::id()));
/// let model = |hidden| {
///     let mut params = Params::seeded(7);
///     params.scope("layer").add("weight", [2, hidden], init::normal(1.0));
///     params
/// };
/// checkpoint::save(&path, &model(3), &BTreeMap::new())?;
/// let why = checkpoint::load(&path, &mut model(4)).unwrap_err().to_string();
/// assert!(why.ends_with("another shape: layer.weight is [2, 3], the model's is [2, 4]"), "{why}");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn load(path: &Path, params: &mut Params) -> Result<BTreeMap<String, String>> {
    load_parts(path, &mut [("", params)], Some(TRAINING))
}

/// Loads several stores from one file, as [`save_parts`] wrote them. Names that begin with `ignore_prefix` are passed
/// over.
///
/// # Errors
/// As [`load`]; then no store has been changed.
///
/// See [`save_parts`]; with one part and no prefix it is [`load`] that also wants every name to be known:
///
/// ```
/// use std::collections::BTreeMap;
/// use unspool_graph::Params;
/// use unspool_nn::checkpoint;
/// let path = std::env::temp_dir().join(format!("unspool-load-parts-{}.safetensors", std::process::id()));
/// checkpoint::save(&path, &Params::seeded(0), &BTreeMap::new())?;
/// assert!(checkpoint::load_parts(&path, &mut [("", &mut Params::seeded(0))], None)?.is_empty());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn load_parts(
    path: &Path,
    parts: &mut [(&str, &mut Params)],
    ignore_prefix: Option<&str>,
) -> Result<BTreeMap<String, String>> {
    load_with_bytes(path, parts, &mut [], ignore_prefix)
}

/// As [`load_parts`], with arrays of bytes beside the tensors.
pub(crate) fn load_with_bytes(
    path: &Path,
    parts: &mut [(&str, &mut Params)],
    bytes: &mut [(&str, Vec<u8>)],
    ignore_prefix: Option<&str>,
) -> Result<BTreeMap<String, String>> {
    let mut reader = Reader::open(path)?;
    let mut metadata = reader.metadata()?;
    let claimed = metadata.as_mut().and_then(|all| all.remove(CHECKSUM));
    let mut staged: Vec<Params> = parts.iter().map(|(_, params)| (**params).clone()).collect();
    let mut missing: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (which, (prefix, params)) in parts.iter().enumerate() {
        missing.extend(params.iter().enumerate().map(|(i, p)| (format!("{prefix}{}", params.name(p)), (which, i))));
    }
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    for (prefix, params) in parts.iter() {
        let row_count = |p| params.shape(p).first().copied().map(|rows| (format!("{prefix}{}", params.name(p)), rows));
        rows.extend(params.iter().filter_map(row_count));
    }
    let (mut findings, mut checksum) = (BTreeSet::new(), Checksum::default());
    let (mut integers, mut scales) = (BTreeMap::new(), BTreeMap::new());
    for name in reader.names() {
        let info = reader.info(&name).clone();
        checksum.tensor(&name, &info);
        if let Some((_, bytes)) = bytes.iter_mut().find(|(known, _)| *known == name) {
            *bytes = reader.read_bytes(&info, &mut checksum)?;
            continue;
        }
        let Some((which, index)) = missing.remove(&name) else {
            if let Some(of) = reader.scales_of(&name).filter(|of| rows.get(of) == info.shape.first()) {
                scales.insert(of, reader.read_scales(&info, &mut checksum)?);
                continue;
            }
            if ignore_prefix.is_none_or(|prefix| !name.starts_with(prefix)) {
                findings.insert((4, format!("unexpected: {name}")));
            }
            reader.pass(&info, &mut checksum)?;
            continue;
        };
        let store = &mut staged[which];
        let shape = store.iter().nth(index).map(|p| store.shape(p)).unwrap_or_else(|| [].into());
        if info.shape != *shape {
            findings.insert((1, format!("another shape: {name} is {:?}, the model's is {shape}", info.shape)));
            reader.pass(&info, &mut checksum)?;
        } else if info.dtype == Dtype::I8 {
            let values = reader.read_bytes(&info, &mut checksum)?.into_iter().map(u8::cast_signed).collect();
            integers.insert(name, (which, index, values));
        } else if !matches!(info.dtype, Dtype::F32 | Dtype::F64) {
            let kind = info.dtype;
            findings.insert((2, format!("another kind of number: {name} is {kind:?}, not F32, F64, or I8")));
            reader.pass(&info, &mut checksum)?;
        } else {
            let finite = match store.precision() {
                Precision::F32 => fill(&mut reader, &info, store.f32_mut(), index, &mut checksum)?,
                Precision::F64 => fill(&mut reader, &info, store.f64_mut(), index, &mut checksum)?,
            };
            if !finite {
                findings.insert((3, format!("not finite: {name}")));
            }
        }
    }
    if let Some(metadata) = &metadata {
        let found = checksum.of(&serde_json::json!(metadata).to_string());
        if claimed.as_ref() != Some(&found) {
            let claimed = claimed.as_deref().unwrap_or("missing");
            let why =
                format!("its checksum is {claimed}, its contents have {found}: it was changed after it was written");
            return Err(Error::Format { path: path.display().to_string(), why });
        }
    }
    for (name, (which, index, values)) in integers {
        let store = &mut staged[which];
        let Some(p) = store.iter().nth(index) else { return Err(Error::Foreign) };
        match scales.remove(&name) {
            None => findings.insert((0, format!("missing: {name}{SCALE}, the scales of integers"))),
            Some(scales) => match store.set_int8(p, &Int8 { values, scales }) {
                Ok(()) => continue,
                Err(why) => findings.insert((2, why.to_string())),
            },
        };
    }
    for (name, (which, index)) in missing {
        let params = &staged[which];
        let shape = params.iter().nth(index).map(|p| params.shape(p)).unwrap_or_else(|| [].into());
        findings.insert((0, format!("missing: {name} {shape}")));
    }
    if !findings.is_empty() {
        let findings: Vec<String> = findings.into_iter().map(|(_, finding)| finding).collect();
        return Err(Error::Mismatch { path: path.display().to_string(), findings: findings.join("\n") });
    }
    parts.iter_mut().zip(staged).for_each(|((_, params), staged)| **params = staged);
    Ok(metadata.unwrap_or_default())
}

/// Returns the metadata that [`save`] was given, from the file's header alone; empty for a file from elsewhere.
///
/// # Errors
/// [`Error::File`] and [`Error::Format`].
///
/// ```
/// use std::collections::BTreeMap;
/// use unspool_graph::Params;
/// use unspool_nn::checkpoint;
/// let path = std::env::temp_dir().join(format!("unspool-metadata-{}.safetensors", std::process::id()));
/// checkpoint::save(&path, &Params::seeded(0), &BTreeMap::from([("hidden_size".into(), "64".into())]))?;
/// // The sizes first, then a model of those sizes, then its numbers.
/// assert_eq!(checkpoint::metadata(&path)?["hidden_size"].parse(), Ok(64));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn metadata(path: &Path) -> Result<BTreeMap<String, String>> {
    Ok(header(path)?.metadata)
}

/// Reads one tensor into its place. Returns whether all of it is finite in the model's own numbers.
fn fill<E: Element>(
    reader: &mut Reader,
    info: &safetensors::tensor::TensorInfo,
    store: Option<Vec<&mut [E]>>,
    index: usize,
    checksum: &mut Checksum,
) -> Result<bool> {
    let Some(out) = store.and_then(|all| all.into_iter().nth(index)) else { return Err(Error::Foreign) };
    reader.read(info, out, checksum)?;
    Ok(out.iter().all(|x| x.is_finite()))
}
