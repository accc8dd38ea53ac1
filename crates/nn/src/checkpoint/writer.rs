//! Writes a checkpoint: one stream, a piece at a time, and nothing that the reader would refuse.

use super::{CHECKSUM, KEY, LONGEST_HEADER, PIECE, SCALE, checksum::Checksum, file_error};
use crate::{Error, Result};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    path::Path,
};
use unspool_graph::{Param, Params, Precision};

/// How many names an error lists.
const NAMED: usize = 5;

/// A tensor of the file.
enum Item<'a> {
    Param(&'a Params, Param),
    Bytes(&'a [u8]),
    /// The integers of a quantized parameter, row by row.
    Int8(Vec<u8>, Vec<usize>),
    /// Their scales, as bytes.
    Scales(Vec<u8>),
}

/// Returns the tensors of a parameter: two of one that is quantized.
fn items<'a>(prefix: &str, params: &'a Params, p: Param) -> Vec<(String, Item<'a>)> {
    let name = format!("{prefix}{}", params.name(p));
    let Some(int8) = params.int8(p) else { return vec![(name, Item::Param(params, p))] };
    let scales = int8.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
    let values = int8.values.into_iter().map(i8::cast_unsigned).collect();
    let scales = (format!("{name}{SCALE}"), Item::Scales(scales));
    vec![(name, Item::Int8(values, params.shape(p).to_vec())), scales]
}

impl Item<'_> {
    fn info(&self, start: usize) -> TensorInfo {
        let (dtype, width, shape) = match self {
            Item::Bytes(bytes) => (Dtype::U8, 1, vec![bytes.len()]),
            Item::Int8(_, shape) => (Dtype::I8, 1, shape.clone()),
            Item::Scales(scales) => (Dtype::F32, 4, vec![scales.len() / 4]),
            Item::Param(params, p) => match params.precision() {
                Precision::F32 => (Dtype::F32, 4, params.shape(*p).to_vec()),
                Precision::F64 => (Dtype::F64, 8, params.shape(*p).to_vec()),
            },
        };
        let end = start + shape.iter().product::<usize>() * width;
        TensorInfo { dtype, shape, data_offsets: (start, end) }
    }

    fn each_piece(&self, mut give: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self {
            Item::Bytes(bytes) => give(bytes),
            Item::Int8(bytes, _) | Item::Scales(bytes) => give(bytes),
            Item::Param(params, p) => each_piece(params, *p, give),
        }
    }

    fn is_finite(&self) -> bool {
        match self {
            Item::Bytes(_) | Item::Int8(..) | Item::Scales(_) => true,
            Item::Param(params, p) => is_finite(params, *p),
        }
    }
}

/// Returns whether all elements of a parameter are finite.
pub(super) fn is_finite(params: &Params, p: Param) -> bool {
    params.elements_of::<f32>(p).unwrap_or(&[]).iter().all(|x| x.is_finite())
        && params.elements_of::<f64>(p).unwrap_or(&[]).iter().all(|x| x.is_finite())
}

/// Returns the error that names the tensors that are not finite.
pub(super) fn check_finite<'a>(path: &str, tensors: impl Iterator<Item = (&'a str, bool)>) -> Result<()> {
    let infinite: Vec<&str> = tensors.filter(|(_, finite)| !finite).map(|(name, _)| name).collect();
    if infinite.is_empty() {
        return Ok(());
    }
    let more = infinite.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let names = infinite[..infinite.len().min(NAMED)].join(", ") + &more;
    Err(Error::NotFinite { path: path.into(), names })
}

/// Writes all tensors of `parts` and all arrays of bytes.
pub(super) fn write(
    path: &Path,
    parts: &[(&str, &Params)],
    bytes: &[(&str, &[u8])],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let not_saved = |why: String| Error::NotSaved { path: path.display().to_string(), why };
    let mut items: Vec<(String, Item<'_>)> =
        bytes.iter().map(|(name, bytes)| (name.to_string(), Item::Bytes(bytes))).collect();
    for (prefix, params) in parts {
        items.extend(params.iter().flat_map(|p| self::items(prefix, params, p)));
    }
    items.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(twice) = items.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(not_saved(format!("two tensors would be called {}", twice[0].0)));
    }
    if items.iter().any(|(name, _)| name == "__metadata__") {
        return Err(not_saved("no tensor can be called __metadata__: safetensors reserves the name".into()));
    }
    if metadata.contains_key(CHECKSUM) {
        return Err(not_saved(format!("the metadata cannot have the key {CHECKSUM}: the checksum is stored under it")));
    }
    let finite = items.iter().map(|(name, item)| (name.as_str(), item.is_finite()));
    check_finite(&path.display().to_string(), finite)?;
    let header = header(&items, metadata).map_err(not_saved)?;
    let write = |out: &mut dyn Write| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        items.iter().try_for_each(|(_, item)| item.each_piece(|bytes| out.write_all(bytes)))
    };
    unspool_files::replace(path, write).map_err(file_error(path))
}

/// Returns the bytes of the header, with the checksum of all else among the metadata.
fn header(items: &[(String, Item<'_>)], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let (mut tensors, mut checksum, mut end) = (Vec::with_capacity(items.len()), Checksum::default(), 0);
    for (name, item) in items {
        let info = item.info(end);
        end = info.data_offsets.1;
        checksum.tensor(name, &info);
        // Nothing here can fail: the bytes only go through the sum.
        let _ = item.each_piece(|bytes| {
            checksum.bytes(bytes);
            Ok(())
        });
        tensors.push((name.clone(), info));
    }
    let mut metadata = metadata.clone();
    let sum = checksum.of(&serde_json::json!(metadata).to_string());
    metadata.insert(CHECKSUM.into(), sum);
    let header = HashMap::from([(KEY.to_string(), serde_json::json!(metadata).to_string())]);
    let header = Metadata::new(Some(header), tensors).map_err(|e| e.to_string())?;
    let mut header = serde_json::to_vec(&header).map_err(|e| e.to_string())?;
    // PyTorch's reader wants the data aligned.
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() as u64 > LONGEST_HEADER {
        return Err(format!(
            "its header, the names and the metadata, would have {} bytes; at most {LONGEST_HEADER} could be read again",
            header.len()
        ));
    }
    Ok(header)
}

/// Hands on the little-endian bytes of a parameter, a piece at a time.
pub(super) fn each_piece(params: &Params, p: Param, mut give: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(PIECE);
    for piece in params.elements_of::<f32>(p).unwrap_or(&[]).chunks(PIECE / 4) {
        buffer.clear();
        piece.iter().for_each(|x| buffer.extend_from_slice(&x.to_le_bytes()));
        give(&buffer)?;
    }
    for piece in params.elements_of::<f64>(p).unwrap_or(&[]).chunks(PIECE / 8) {
        buffer.clear();
        piece.iter().for_each(|x| buffer.extend_from_slice(&x.to_le_bytes()));
        give(&buffer)?;
    }
    Ok(())
}
