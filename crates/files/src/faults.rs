//! Faults on purpose: what does a program do when a disk is full, or breaks, or the power goes?
//!
//! Every operation of this crate passes a [`point`] first, and so may the operations of others. A test [`watch`]es the
//! points of its thread: it can count them, let one of them fail, or end the process there. Where nothing watches, a
//! point costs a look at a variable.
//!
//! ```
//! use std::io::ErrorKind;
//! use unspool_files::faults::watch;
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("notes.txt");
//! unspool_files::write(&path, "old")?;
//! // Whichever operation fails, the old contents stand there, or the new ones.
//! for which in 0.. {
//!     let mut passed = 0..;
//!     let watching = watch(move |_operation, _path| match passed.next() {
//!         Some(number) if number == which => Err(ErrorKind::StorageFull.into()),
//!         _ => Ok(()),
//!     });
//!     let written = unspool_files::write(&path, "new");
//!     drop(watching);
//!     assert!(["old", "new"].contains(&std::fs::read_to_string(&path)?.as_str()));
//!     if written.is_ok() {
//!         assert!(which >= 5); // create, write, sync, rename, sync the folder
//!         break;
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{cell::RefCell, fmt, io, marker::PhantomData, path::Path};

/// What is about to be done with a file or a folder.
///
/// ```
/// assert_eq!(unspool_files::faults::Operation::SyncFolder.to_string(), "sync folder");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// A folder is created.
    CreateFolder,
    /// A file is created, or opened to be written.
    Create,
    /// Bytes are written.
    Write,
    /// A file's contents are brought to the disk.
    Sync,
    /// A file gets the name of another.
    Rename,
    /// The names in a folder are brought to the disk.
    SyncFolder,
    /// A file is opened to be read.
    Open,
    /// Bytes are read.
    Read,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::CreateFolder => "create folder",
            Operation::Create => "create",
            Operation::Write => "write",
            Operation::Sync => "sync",
            Operation::Rename => "rename",
            Operation::SyncFolder => "sync folder",
            Operation::Open => "open",
            Operation::Read => "read",
        })
    }
}

type Watch = Box<dyn FnMut(Operation, &Path) -> io::Result<()>>;

thread_local! {
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Passes a point: an operation on a path is about to be done.
///
/// # Errors
/// What the one who [`watch`]es this thread gives; without one, none.
///
/// ```
/// use std::{fs, io, path::Path};
/// use unspool_files::faults::{Operation, point, watch};
/// /// An operation of one's own that a test can let fail.
/// fn create(folder: &Path) -> io::Result<()> {
///     point(Operation::CreateFolder, folder)?;
///     fs::create_dir(folder)
/// }
/// let _watching = watch(|operation, _| Err(io::Error::other(format!("cannot {operation}"))));
/// assert_eq!(create(Path::new("never")).unwrap_err().to_string(), "cannot create folder");
/// ```
pub fn point(operation: Operation, path: &Path) -> io::Result<()> {
    WATCH.with(|watch| match watch.try_borrow_mut() {
        Ok(mut watch) => watch.as_mut().map_or(Ok(()), |watch| watch(operation, path)),
        // What the watch itself does with files.
        Err(_) => Ok(()),
    })
}

/// Calls `watch` at each [`point`] of this thread, until the value that is returned is dropped. An error that it
/// returns is the operation's, which is then not done.
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// use unspool_files::faults::{Operation, watch};
/// let folder = tempfile::tempdir()?;
/// let seen = Rc::new(RefCell::new(vec![]));
/// let watching = watch({
///     let seen = seen.clone();
///     move |operation, _path| Ok(seen.borrow_mut().push(operation))
/// });
/// unspool_files::write(folder.path().join("notes.txt"), "new")?;
/// drop(watching);
/// use Operation::*;
/// assert_eq!(*seen.borrow(), [Create, Write, Sync, Rename, SyncFolder]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "it watches until it is dropped"]
pub fn watch(watch: impl FnMut(Operation, &Path) -> io::Result<()> + 'static) -> Watching {
    WATCH.with(|current| *current.borrow_mut() = Some(Box::new(watch)));
    Watching { _here: PhantomData }
}

/// Watches the points of a thread while it lives: see [`watch`].
///
/// ```
/// use unspool_files::faults::{Operation, Watching, point, watch};
/// /// A machine whose disk is broken.
/// fn broken() -> Watching {
///     watch(|_, _| Err(std::io::Error::other("broken")))
/// }
/// let disk = broken();
/// assert!(point(Operation::Read, "a".as_ref()).is_err());
/// drop(disk);
/// assert!(point(Operation::Read, "a".as_ref()).is_ok());
/// ```
#[derive(Debug)]
pub struct Watching {
    /// It belongs to its thread.
    _here: PhantomData<*const ()>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCH.with(|current| *current.borrow_mut() = None);
    }
}
