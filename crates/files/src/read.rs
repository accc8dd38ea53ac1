//! Files to read.

use crate::faults::{Operation, point};
use std::{
    fs::{File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// A file that is open to be read. Tests can let it fail: see [`faults`](crate::faults).
///
/// ```
/// use std::io::Read;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// unspool_files::write(&path, "new")?;
/// let mut file: unspool_files::Reader = unspool_files::open(&path)?;
/// let mut text = String::new();
/// file.read_to_string(&mut text)?;
/// assert_eq!((text.as_str(), file.metadata()?.len()), ("new", 3));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    file: File,
    path: PathBuf,
}

/// Opens a file to read it.
///
/// # Errors
/// It is not there, may not be read, or is a folder.
///
/// ```
/// let error = unspool_files::open("no/such/file").unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// assert!(unspool_files::open(std::env::temp_dir()).is_err());
/// ```
pub fn open(path: impl AsRef<Path>) -> io::Result<Reader> {
    let path = path.as_ref();
    point(Operation::Open, path)?;
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    Ok(Reader { file, path: path.to_owned() })
}

impl Reader {
    /// Returns what the system knows of the file: its size, for one.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("notes.txt");
    /// unspool_files::write(&path, "new")?;
    /// assert_eq!(unspool_files::open(&path)?.metadata()?.len(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        point(Operation::Read, &self.path)?;
        self.file.read(buffer)
    }
}
