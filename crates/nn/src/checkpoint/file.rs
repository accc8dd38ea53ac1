//! The bytes of a checkpoint: written in one stream and read in one, a piece at a time.

use super::KEY;
use crate::{Error, Result};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::Path,
};
use unspool_graph::{Element, Param, Params, Precision};

/// The longest header that is read: a name and a shape for some hundred thousand tensors, and the metadata.
const LONGEST_HEADER: u64 = 16 << 20;

/// Bytes in memory at a time.
const PIECE: usize = 1 << 16;

pub(super) fn file_error(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    |source| Error::File { path: path.display().to_string(), source }
}

fn format_error(path: &Path, why: impl ToString) -> Error {
    Error::Format { path: path.display().to_string(), why: why.to_string() }
}

/// CRC-32 over every tensor's name, kind, shape and bytes, in the file's order, and over the metadata.
#[derive(Default)]
pub(super) struct Checksum(crc32fast::Hasher);

impl Checksum {
    pub(super) fn tensor(&mut self, name: &str, info: &TensorInfo) {
        self.0.update(format!("{name}\0{:?}\0{:?}\0", info.dtype, info.shape).as_bytes());
    }
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
    /// The sum, with the metadata behind all else.
    pub(super) fn of(&self, metadata: &str) -> String {
        let mut all = self.0.clone();
        all.update(metadata.as_bytes());
        format!("{:08x}", all.finalize())
    }
}

/// CRC-32 over all names, shapes and values.
pub(crate) fn checksum(params: &Params) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    for p in params.iter() {
        checksum.update(format!("{}\0{}\0", params.name(p), params.shape(p)).as_bytes());
        // Nothing here can fail: the bytes only go through the sum.
        let _ = each_piece(params, p, |bytes| {
            checksum.update(bytes);
            Ok(())
        });
    }
    checksum.finalize()
}

/// Writes all tensors of `parts`; `metadata` makes the header's text from the checksum of the rest.
pub(super) fn write(path: &Path, parts: &[(&str, &Params)], metadata: impl Fn(&Checksum) -> String) -> Result<()> {
    let mut all: Vec<(String, &Params, Param)> = vec![];
    for (prefix, params) in parts {
        all.extend(params.iter().map(|p| (format!("{prefix}{}", params.name(p)), *params, p)));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(twice) = all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format_error(path, format!("two tensors would be called {}", twice[0].0)));
    }
    let (mut tensors, mut checksum, mut end) = (Vec::with_capacity(all.len()), Checksum::default(), 0);
    for (name, params, p) in &all {
        let (dtype, width) = match params.precision() {
            Precision::F32 => (Dtype::F32, 4),
            Precision::F64 => (Dtype::F64, 8),
        };
        let shape = params.shape(*p);
        let start = end;
        end += shape.elements() * width;
        let info = TensorInfo { dtype, shape: shape.to_vec(), data_offsets: (start, end) };
        checksum.tensor(name, &info);
        // Nothing here can fail: the bytes only go through the sum.
        let _ = each_piece(params, *p, |bytes| {
            checksum.bytes(bytes);
            Ok(())
        });
        tensors.push((name.clone(), info));
    }
    let header = HashMap::from([(KEY.to_string(), metadata(&checksum))]);
    let header = Metadata::new(Some(header), tensors).map_err(|e| format_error(path, e))?;
    let mut header = serde_json::to_vec(&header).map_err(|e| format_error(path, e))?;
    // PyTorch's reader wants the data aligned.
    header.resize(header.len().next_multiple_of(8), b' ');
    replace(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        all.iter().try_for_each(|(_, params, p)| each_piece(params, *p, |bytes| out.write_all(bytes)))
    })
}

/// The little-endian bytes of a parameter, a piece at a time.
fn each_piece(params: &Params, p: Param, mut give: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
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

/// Writes `bytes` to `path` so that at any moment the old contents stand there or the new ones, whole.
///
/// # Errors
/// [`Error::File`]; `path` is then as it was.
///
/// ```
/// use unspool_nn::checkpoint::write_atomically;
/// let path = std::env::temp_dir().join(format!("unspool-atomic-{}.txt", std::process::id()));
/// write_atomically(&path, b"old")?;
/// write_atomically(&path, b"new")?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"new");
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    replace(path, |file| file.write_all(bytes))
}

fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let run = || {
        let mut file = BufWriter::with_capacity(PIECE, File::create(temporary)?);
        write(&mut file)?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(temporary, path)?;
        // The rename itself lasts only once the folder is on disk too.
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all())
    };
    run().map_err(|source| {
        let _ = fs::remove_file(temporary);
        file_error(path)(source)
    })
}

/// A file whose header has been read and found consistent; its tensors follow one after the other.
pub(super) struct Reader {
    path: std::path::PathBuf,
    pub(super) header: Metadata,
    data: BufReader<File>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Reader> {
        let file = File::open(path).map_err(file_error(path))?;
        let size = file.metadata().map_err(file_error(path))?.len();
        let mut data = BufReader::with_capacity(PIECE, file);
        let mut eight = [0; 8];
        let short = |_| format_error(path, "it ends before its header does");
        data.read_exact(&mut eight).map_err(short)?;
        let length = u64::from_le_bytes(eight);
        if length > LONGEST_HEADER {
            return Err(format_error(
                path,
                format!("its header has {length} bytes; at most {LONGEST_HEADER} are read"),
            ));
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
        Ok(Reader { path: path.to_path_buf(), header, data })
    }

    /// All names, in the order of the data.
    pub(super) fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// What the header says of a name that it has.
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
