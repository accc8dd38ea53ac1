//! The checksum of a checkpoint, by which a change after it was written is found.

use super::writer::each_piece;
use safetensors::tensor::TensorInfo;
use unspool_graph::Params;

/// The CRC-32 over every tensor's name, kind, shape and bytes, in the file's order, and over the metadata.
#[derive(Default)]
pub(super) struct Checksum(crc32fast::Hasher);

impl Checksum {
    pub(super) fn tensor(&mut self, name: &str, info: &TensorInfo) {
        self.0.update(format!("{name}\0{:?}\0{:?}\0", info.dtype, info.shape).as_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the sum, with the metadata after all else.
    pub(super) fn of(&self, metadata: &str) -> String {
        let mut all = self.0.clone();
        all.update(metadata.as_bytes());
        format!("{:08x}", all.finalize())
    }
}

/// Returns the CRC-32 over all names, shapes and values.
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
