//! Reads a checkpoint: its header, and then one tensor after the other, a piece at a time.

use super::{KEY, LONGEST_HEADER, PIECE, SCALE, checksum::Checksum, file_error, format_error};
use crate::Result;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use std::{
    collections::BTreeMap,
    io::{self, BufReader, Read},
    path::Path,
};
use unspool_graph::Element;

/// A file whose header has been read and found consistent; its tensors follow one after the other.
pub(super) struct Reader {
    path: std::path::PathBuf,
    pub(super) header: Metadata,
    pub(super) size: u64,
    data: BufReader<unspool_files::Reader>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Reader> {
        let file = unspool_files::open(path).map_err(file_error(path))?;
        let size = file.metadata().map_err(file_error(path))?.len();
        let mut data = BufReader::with_capacity(PIECE, file);
        let mut eight = [0; 8];
        let short = |_| format_error(path, "it ends before its header does");
        data.read_exact(&mut eight).map_err(short)?;
        let length = u64::from_le_bytes(eight);
        // Only a length that no header has is a sign of another format: the length 1408 begins like a pickle.
        if length > LONGEST_HEADER {
            let why = other_format(eight).map_or_else(
                || format!("its header has {length} bytes; at most {LONGEST_HEADER} are read"),
                str::to_owned,
            );
            return Err(format_error(path, why));
        }
        let mut text = vec![];
        (&mut data).take(length).read_to_end(&mut text).map_err(file_error(path))?;
        if text.len() as u64 != length {
            return Err(short(io::ErrorKind::UnexpectedEof.into()));
        }
        let header: Metadata = serde_json::from_slice(&text).map_err(|e| format_error(path, e))?;
        let whole = (header.data_len() as u64).checked_add(8 + length);
        if whole != Some(size) {
            let why = format!("it has {size} bytes, its header speaks of {} of data", header.data_len());
            return Err(format_error(path, why));
        }
        Ok(Reader { path: path.to_path_buf(), header, size, data })
    }

    /// Returns all names, in the order of the data; of empty tensors, which lie at one place, in the order of the
    /// alphabet.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort_by(|a, b| {
            let at = |name: &String| self.info(name).data_offsets;
            (at(a), a).cmp(&(at(b), b))
        });
        names
    }

    /// Returns the metadata that a checkpoint of this crate has, with the checksum; `None` for a file from elsewhere.
    pub(super) fn metadata(&self) -> Result<Option<BTreeMap<String, String>>> {
        let text = self.header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let bad = |e| format_error(&self.path, format!("its metadata under {KEY:?} are no map of texts: {e}"));
        text.map(|text| serde_json::from_str(text)).transpose().map_err(bad)
    }

    /// Returns what the header says of a name that it has.
    pub(super) fn info(&self, name: &str) -> &TensorInfo {
        self.header.info(name).expect("a name of this header")
    }

    fn pieces(&mut self, info: &TensorInfo, checksum: &mut Checksum, mut take: impl FnMut(&[u8])) -> Result<()> {
        let (start, end) = info.data_offsets;
        let (mut left, mut buffer) = (end - start, [0; PIECE]);
        while left > 0 {
            let piece = &mut buffer[..left.min(PIECE)];
            self.data.read_exact(piece).map_err(file_error(&self.path))?;
            checksum.bytes(piece);
            take(piece);
            left -= piece.len();
        }
        Ok(())
    }

    /// Passes over the next tensor.
    pub(super) fn pass(&mut self, info: &TensorInfo, checksum: &mut Checksum) -> Result<()> {
        self.pieces(info, checksum, |_| {})
    }

    /// Reads the next tensor's bytes as they are.
    pub(super) fn read_bytes(&mut self, info: &TensorInfo, checksum: &mut Checksum) -> Result<Vec<u8>> {
        let mut all = Vec::with_capacity(info.data_offsets.1 - info.data_offsets.0);
        self.pieces(info, checksum, |bytes| all.extend_from_slice(bytes))?;
        Ok(all)
    }

    /// Returns the name of the integers of which a tensor holds the scales: as many as the integers have rows.
    pub(super) fn scales_of(&self, name: &str) -> Option<String> {
        let (scales, of) = (self.info(name), name.strip_suffix(SCALE)?);
        let integers = self.header.info(of).filter(|integers| integers.dtype == Dtype::I8)?;
        let fit =
            scales.dtype == Dtype::F32 && integers.shape.first() == scales.shape.first() && scales.shape.len() == 1;
        fit.then(|| of.to_owned())
    }

    /// Reads the next tensor, in single precision.
    pub(super) fn read_scales(&mut self, info: &TensorInfo, checksum: &mut Checksum) -> Result<Vec<f32>> {
        let mut scales = vec![0.0; info.shape.iter().product()];
        self.read(info, &mut scales, checksum)?;
        Ok(scales)
    }

    /// Reads the next tensor, in single or double precision, into `out`, which has its number of elements.
    pub(super) fn read<E: Element>(&mut self, info: &TensorInfo, out: &mut [E], checksum: &mut Checksum) -> Result<()> {
        let (mut out, single) = (out.iter_mut(), info.dtype == Dtype::F32);
        self.pieces(info, checksum, |bytes| {
            if single {
                let numbers = bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
                numbers.zip(&mut out).for_each(|(x, out)| *out = E::from_f64(x));
            } else {
                let number = |b: &[u8]| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
                bytes.chunks_exact(8).map(number).zip(&mut out).for_each(|(x, out)| *out = E::from_f64(x));
            }
        })
    }
}

/// Returns what a file is that begins like a well-known other format.
fn other_format(start: [u8; 8]) -> Option<&'static str> {
    match start {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(
            "it is a zip archive of pickles, as torch.save writes it; save the state_dict with \
             safetensors.torch.save_file",
        ),
        [0x80, 2..=5, ..] => Some("it is a pickle; save the state_dict with safetensors.torch.save_file"),
        [0x89, b'H', b'D', b'F', ..] => Some("it is an HDF5 file, as Keras writes it; save the weights as safetensors"),
        [0x93, b'N', b'U', b'M', ..] => Some("it is a NumPy array; save the arrays with safetensors.numpy.save_file"),
        _ => None,
    }
}
