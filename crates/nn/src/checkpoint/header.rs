//! What a checkpoint says of itself, before any of its numbers is read.

use super::{CHECKSUM, TRAINING, reader::Reader};
use crate::Result;
use std::{collections::BTreeMap, path::Path};

/// Holds the header of a checkpoint: the shapes of its tensors, and its metadata.
///
/// ```
/// use std::collections::BTreeMap;
/// use unspool_graph::{Params, init};
/// use unspool_nn::checkpoint;
/// let mut params = Params::seeded(7);
/// params.scope("layer").add("weight", [2, 3], init::normal(1.0));
/// let path = std::env::temp_dir().join(format!("unspool-header-{}.safetensors", std::process::id()));
/// checkpoint::save(&path, &params, &BTreeMap::from([("hidden_size".into(), "3".into())]))?;
///
/// let header = checkpoint::header(&path)?;
/// assert_eq!(header.tensors["layer.weight"].shape, [2, 3]);
/// assert_eq!((header.elements(), &*header.metadata["hidden_size"]), (6, "3"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// The tensors by their names, those of a training among them ([`TRAINING`]).
    pub tensors: BTreeMap<String, TensorHeader>,
    /// The metadata that [`save`](super::save) was given; empty for a file from elsewhere.
    pub metadata: BTreeMap<String, String>,
    /// The size of the file in bytes. It has been compared with the sizes of the tensors.
    pub file_size: u64,
}

/// Describes one tensor of a [`Header`].
///
/// ```
/// use std::collections::BTreeMap;
/// use unspool_graph::{Params, init};
/// use unspool_nn::checkpoint;
/// let mut params = Params::seeded(7);
/// params.scope("layer").add("bias", [4], init::zeros());
/// let path = std::env::temp_dir().join(format!("unspool-tensor-header-{}.safetensors", std::process::id()));
/// checkpoint::save(&path, &params.to_f64(), &BTreeMap::new())?;
/// let bias = &checkpoint::header(&path)?.tensors["layer.bias"];
/// assert_eq!((&bias.shape[..], &*bias.dtype), (&[4][..], "F64"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorHeader {
    /// The sizes of its axes.
    pub shape: Vec<usize>,
    /// The kind of its numbers, as safetensors writes it: `F32`, `F64`, `BF16`, …
    pub dtype: String,
}

impl Header {
    /// Returns the number of elements of the model's tensors; those of a training ([`TRAINING`]) are not counted. A
    /// model that has more parameters than this cannot be the one that was saved, so it need not be built.
    ///
    /// See [`Header`].
    pub fn elements(&self) -> u64 {
        let model = self.tensors.iter().filter(|(name, _)| !name.starts_with(TRAINING));
        model.map(|(_, tensor)| tensor.shape.iter().map(|&size| size as u64).product::<u64>()).sum()
    }
}

/// Reads the header of the checkpoint at `path`, and none of its numbers: the time and the memory are those of the
/// header, at most 16 MiB. So sizes can be compared before a model is built.
///
/// # Errors
/// [`Error::File`](crate::Error::File), and [`Error::Format`](crate::Error::Format) for a header that is too long, that
/// is no JSON, or that does not fit the size of the file.
///
/// ```
/// use unspool_nn::checkpoint;
/// let path = std::env::temp_dir().join(format!("unspool-zip-{}.pt", std::process::id()));
/// std::fs::write(&path, b"PK\x03\x04 and so on").unwrap();
/// let why = checkpoint::header(&path).unwrap_err().to_string();
/// assert!(why.contains("zip archive of pickles") && why.contains("safetensors.torch.save_file"), "{why}");
/// # std::fs::remove_file(path).unwrap();
/// ```
pub fn header(path: &Path) -> Result<Header> {
    let reader = Reader::open(path)?;
    let mut metadata = reader.metadata()?.unwrap_or_default();
    metadata.remove(CHECKSUM);
    let tensors = reader.header.tensors().into_iter().map(|(name, info)| {
        let (shape, dtype) = (info.shape.clone(), format!("{:?}", info.dtype));
        (name, TensorHeader { shape, dtype })
    });
    Ok(Header { tensors: tensors.collect(), metadata, file_size: reader.size })
}
