//! A file is replaced whole or not at all, and nothing else is touched.

use std::{
    fs, io,
    path::{Path, PathBuf},
};
use unspool_files::{is_temporary, replace, write};

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}

#[test]
fn a_writer_that_fails_half_way_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    write(&path, "old").unwrap();
    let failed = replace(&path, |out| {
        out.write_all(&[0; 1 << 18])?;
        Err(io::Error::other("the disk is full"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
    assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"old".to_vec(), vec!["a".into()]));
}

#[test]
fn a_writer_that_panics_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    write(&path, "old").unwrap();
    assert!(std::panic::catch_unwind(|| replace(&path, |_| panic!("a fault of the caller"))).is_err());
    assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"old".to_vec(), vec!["a".into()]));
}

#[test]
fn while_a_file_is_written_the_old_one_stands_there_and_the_temporary_one_is_recognized() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    write(&path, "old").unwrap();
    replace(&path, |out| {
        out.write_all(b"new")?;
        out.flush()?;
        assert_eq!(fs::read(&path)?, b"old");
        assert_eq!(names(folder.path()).iter().filter(|name| is_temporary(name)).count(), 1);
        Ok(())
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn writers_at_once_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::thread::scope(|scope| {
        for writer in 0..4u8 {
            let path = &path;
            scope.spawn(move || (0..20).for_each(|_| write(path, vec![writer; 100_000]).unwrap()));
        }
    });
    let found = fs::read(&path).unwrap();
    assert!(found.len() == 100_000 && found.iter().all(|&byte| byte == found[0]), "half of one and half of another");
    assert_eq!(names(folder.path()), [PathBuf::from("a")]);
}

#[test]
fn a_path_without_a_folder_is_in_the_current_one() {
    let name = format!("unspool-files-{}", std::process::id());
    write(&name, "here").unwrap();
    assert_eq!(fs::read(&name).unwrap(), b"here");
    fs::remove_file(name).unwrap();
}

#[test]
fn a_folder_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    assert!(write(folder.path().join("a"), "new").is_err());
    assert_eq!(names(folder.path()), [PathBuf::from("a")]);
    assert!(write(folder.path().join("missing/a"), "new").is_err());
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    #[test]
    fn no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        // The names that earlier versions gave to their temporary files, and the path itself.
        for name in ["a.tmp", "a.part", "a"] {
            symlink(&precious, folder.path().join(name)).unwrap();
        }
        write(folder.path().join("a"), "new").unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert!(fs::symlink_metadata(folder.path().join("a")).unwrap().is_file());
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"new");
    }

    #[test]
    fn a_new_file_has_the_permissions_of_any_new_file_and_a_replaced_one_keeps_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (ordinary, ours) = (folder.path().join("ordinary"), folder.path().join("ours"));
        fs::write(&ordinary, "").unwrap();
        write(&ours, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o640)).unwrap();
        write(&ours, "new").unwrap();
        assert_eq!(mode(&ours) & 0o777, 0o640);
    }

    #[test]
    fn a_device_is_written_into_and_stays_a_device() {
        write("/dev/null", "nothing").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        if cfg!(target_os = "linux") {
            assert_eq!(write("/dev/full", "too much").unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
    }

    #[test]
    fn a_pipe_is_written_into_and_stays_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write(&pipe, "through the pipe").unwrap();
        assert_eq!(reader.join().unwrap(), b"through the pipe");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_name_of_an_open_file_is_written_into_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let open = fs::File::create(folder.path().join("a")).unwrap();
        let name = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
        write(name, "new").unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"new");
    }
}
