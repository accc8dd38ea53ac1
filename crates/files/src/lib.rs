//! Replaces files atomically: at any moment a path has either the old contents or the new ones, whole.
//!
//! ```
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("settings.toml");
//! unspool_files::write(&path, "epochs = 3")?;
//! unspool_files::write(&path, "epochs = 4")?;
//! assert_eq!(std::fs::read_to_string(&path)?, "epochs = 4");
//! assert_eq!(std::fs::read_dir(folder.path())?.count(), 1); // no temporary file is left
//! # Ok::<(), std::io::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod faults;
mod read;

pub use read::{Reader, open};

use faults::{Operation, point};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// What the name of each temporary file begins and ends with. Between them stand random characters.
const TEMPORARY: (&str, &str) = (".unspool-", ".tmp");

/// Bytes that are collected before they are handed to the operating system.
const BUFFER: usize = 1 << 16;

/// Writes `contents` to `path` as [`replace`] does.
///
/// # Errors
/// As [`replace`].
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes.txt");
/// unspool_files::write(&path, b"new")?;
/// assert_eq!(std::fs::read(&path)?, b"new");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
    replace(path, |out| out.write_all(contents.as_ref()))
}

/// Replaces the file at `path` by what `write` writes.
///
/// The new contents go to a temporary file in the same folder. It is created as a new file under a random name, so
/// nothing that stands there is opened, and no link is followed. It is synced to disk and renamed over `path`, and then
/// the folder is synced. A file that is replaced hands on its permissions; a symbolic link at `path` is replaced
/// itself, and what it points at stays as it was.
///
/// A path that is no file but a device or a pipe (`/dev/stdout`, a FIFO) cannot be replaced: it is opened, and the
/// contents are written into it.
///
/// # Errors
/// Whatever `write` returns, and any failure to create, write, sync or rename the file. The temporary file is then
/// removed, and `path` is as it was, unless the last step failed, the sync of the folder: then the new contents stand
/// at `path`, but may not outlive a loss of power. A process that is killed while it writes leaves its temporary file
/// behind; [`is_temporary`] recognizes it.
///
/// ```
/// use std::io::Write;
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("squares.csv");
/// unspool_files::replace(&path, |out| (0..3).try_for_each(|x| writeln!(out, "{x},{}", x * x)))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "0,0\n1,1\n2,4\n");
///
/// // A writer that fails leaves the old contents.
/// assert!(unspool_files::replace(&path, |_| Err(std::io::ErrorKind::Interrupted.into())).is_err());
/// assert_eq!(std::fs::read_to_string(&path)?, "0,0\n1,1\n2,4\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn replace(path: impl AsRef<Path>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let path = path.as_ref();
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    point(Operation::Create, path)?;
    if is_stream(path, folder) {
        return fill(&mut OpenOptions::new().append(true).open(path)?, path, write);
    }
    let mut options = temporary();
    let permissions = permissions(path);
    if let Some(new) = permissions.new {
        options.permissions(new);
    }
    // Removes itself when it is dropped before it has been renamed.
    let mut temporary = options.tempfile_in(folder)?;
    fill(temporary.as_file_mut(), path, write)?;
    if let Some(old) = permissions.old {
        temporary.as_file().set_permissions(old)?;
    }
    point(Operation::Sync, path)?;
    temporary.as_file().sync_all()?;
    point(Operation::Rename, path)?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    point(Operation::SyncFolder, folder)?;
    sync_folder(folder)
}

/// Checks that a file can be created in a folder and some bytes can be written into it: before hours of work are spent
/// on what could not be kept. The file is a temporary one, and goes again.
///
/// # Errors
/// Any failure to create or to write the file.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// unspool_files::check_writable(folder.path())?;
/// assert!(unspool_files::check_writable(folder.path().join("missing")).is_err());
/// assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_writable(folder: impl AsRef<Path>) -> io::Result<()> {
    let folder = folder.as_ref();
    point(Operation::Create, folder)?;
    let mut file = temporary().tempfile_in(folder)?;
    fill(file.as_file_mut(), folder, |out| out.write_all(&[0; BUFFER]))
}

/// How temporary files are created: as new files, under names that [`is_temporary`] recognizes.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut options = tempfile::Builder::new();
    options.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    options
}

/// Returns whether a file has the name of a temporary file of [`replace`]: if nothing writes to its folder, a killed
/// process left it.
///
/// ```
/// assert!(unspool_files::is_temporary("runs/1/.unspool-x7Ys2q.tmp"));
/// assert!(!unspool_files::is_temporary("runs/1/notes.tmp"));
/// ```
pub fn is_temporary(path: impl AsRef<Path>) -> bool {
    let name = path.as_ref().file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.strip_prefix(TEMPORARY.0).is_some_and(|rest| rest.ends_with(TEMPORARY.1)))
}

/// Runs `write` on a buffer in front of `file`, and flushes it.
fn fill(file: &mut File, path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = BufWriter::with_capacity(BUFFER, Pointed { file, path });
    write(&mut buffer)?;
    buffer.flush()
}

/// A file that passes a point before each write.
struct Pointed<'a> {
    file: &'a mut File,
    path: &'a Path,
}

impl Write for Pointed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        point(Operation::Write, self.path)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Returns whether `path` names a stream and not a place for a file: a device, a pipe, a socket, or one of the names
/// that the system gives to open files, such as `/dev/stdout`, which may itself lead to an ordinary file.
fn is_stream(path: &Path, folder: &Path) -> bool {
    let special = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| PathBuf::from(folder));
    special || (path.exists() && (folder == Path::new("/dev") || folder.starts_with("/proc")))
}

/// The permissions of a replacement.
struct NewPermissions {
    /// Those of the file that is replaced.
    old: Option<Permissions>,
    /// Those of a file that did not exist, before the process's mask.
    new: Option<Permissions>,
}

fn permissions(path: &Path) -> NewPermissions {
    let old = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|found| found.permissions());
    #[cfg(unix)]
    let new = Some(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    #[cfg(not(unix))]
    let new = None;
    NewPermissions { old, new }
}

/// A rename lasts only once the folder is on disk too. Other systems than Unix cannot open a folder, and need not.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
