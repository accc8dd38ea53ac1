//! Checksums of contents: two files that have the same one are taken for the same.

use std::{
    io::{self, Read},
    path::Path,
};
use xxhash_rust::xxh3::Xxh3;

/// The 128 bits of XXH3 over several contents, one after the other, and how many bytes they have.
#[derive(Default)]
pub(crate) struct Checksum {
    sum: Xxh3,
    pub(crate) bytes: u64,
}

impl Checksum {
    /// Adds contents, and where they end.
    pub(crate) fn add(mut self, contents: &[u8]) -> Checksum {
        self.sum.update(contents);
        self.end(contents.len() as u64)
    }

    /// Adds the contents of a file, as [`Checksum::add`] would.
    pub(crate) fn add_file(mut self, path: &Path) -> io::Result<Checksum> {
        let (mut file, mut piece, mut length) = (unspool_files::open(path)?, vec![0; 1 << 16], 0);
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => {
                    self.sum.update(&piece[..read]);
                    length += read as u64;
                }
            }
        }
        Ok(self.end(length))
    }

    fn end(mut self, length: u64) -> Checksum {
        self.sum.update(&length.to_le_bytes());
        self.bytes += length;
        self
    }

    /// As 32 hexadecimal digits.
    pub(crate) fn text(&self) -> String {
        format!("{:032x}", self.sum.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_checksum_of_its_contents_and_where_contents_end_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, vec![7; 100_000]).unwrap();
        let of_file = Checksum::default().add_file(&path).unwrap().text();
        assert_eq!(of_file, Checksum::default().add(&[7; 100_000]).text());
        let two = |a: &[u8], b: &[u8]| Checksum::default().add(a).add(b).text();
        assert_ne!(two(b"ab", b"c"), two(b"a", b"bc"));
    }
}
