//! File operations whose result survives a power cut.
//!
//! Everything goes through the standard library, and so through the C library, where the
//! power-loss test can see it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::Fault;

/// What a file is called while it is not complete.
const UNFINISHED: &str = "new";

/// The space set aside for the next content of a small file: a block of most file systems.
const RESERVED_BYTES: usize = 4096;

/// Makes names created, renamed or removed in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Fault> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| Fault::sync("sync the directory", dir, error))
}

/// Creates `dir` and what is missing above it, durably. One that is there is made durable too: the
/// process that created it may have been killed before it was.
pub(crate) fn create_dir(dir: &Path) -> Result<(), Fault> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    if !dir.is_dir() {
        if let Some(parent) = parent {
            create_dir(parent)?;
        }
        fs::create_dir(dir).map_err(|error| Fault::io("create the directory", dir, error))?;
    }
    sync_dir(parent.unwrap_or(Path::new(".")))
}

/// Opens a directory of files that have their names: durably, whoever gave them.
pub(crate) fn open_dir(dir: &Path) -> Result<(), Fault> {
    create_dir(dir)?;
    remove_unfinished(dir)?;
    sync_dir(dir)
}

/// A file without its name yet; it is removed again unless it gets one.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    name: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// Creates the file that is to become `name`, empty.
    pub(crate) fn create(name: &Path) -> Result<Unfinished, Fault> {
        Unfinished::open(name, true)
    }

    fn open(name: &Path, truncate: bool) -> Result<Unfinished, Fault> {
        let path = name.with_extension(UNFINISHED);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(truncate)
            .open(&path)
            .map_err(|error| Fault::io("create", &path, error))?;
        Ok(Unfinished {
            file,
            path,
            name: name.to_path_buf(),
            finished: false,
        })
    }

    /// Makes what is in the file durable; it has no name yet.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        let synced = self.file.sync_all();
        synced.map_err(|error| Fault::io("sync", &self.path, error))
    }

    /// Syncs the file and gives it its name: a crash leaves all of it under that name, or nothing.
    pub(crate) fn finish(mut self) -> Result<(), Fault> {
        self.sync()?;
        fs::rename(&self.path, &self.name)
            .map_err(|error| Fault::io("rename into place", &self.name, error))?;
        self.finished = true;
        sync_dir(self.name.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished
            && let Err(fault) = remove(&self.path)
        {
            // It is removed when the directory is next opened.
            tracing::warn!(%fault, "could not remove an unfinished file");
        }
    }
}

/// Replaces the content of `path`: after a crash it is the old one or the new one.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<(), Fault> {
    let mut unfinished = Unfinished::create(path)?;
    let written = unfinished.file.write_all(content);
    written.map_err(|error| Fault::io("write", &unfinished.path, error))?;
    unfinished.finish()
}

/// As [`replace`], in the space set aside by [`reserve`], if there is some.
pub(crate) fn replace_reserved(path: &Path, content: &[u8]) -> Result<(), Fault> {
    let mut unfinished = Unfinished::open(path, false)?;
    let file = &unfinished.file;
    let written = file
        .write_all_at(content, 0)
        .and_then(|()| file.set_len(content.len() as u64));
    if let Err(error) = written {
        // What is reserved stays so.
        unfinished.finished = true;
        return Err(Fault::io("write", &unfinished.path, error));
    }
    unfinished.finish()
}

/// Sets space aside for the next content of `path`, which is then written on a full disk too.
pub(crate) fn reserve(path: &Path) -> Result<(), Fault> {
    let path = path.with_extension(UNFINISHED);
    fs::write(&path, [0; RESERVED_BYTES]).map_err(|error| Fault::io("reserve", &path, error))
}

/// Lists the names in `dir`, sorted; names that are not UTF-8 are none of ours.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, Fault> {
    let fault = |error| Fault::io("list", dir, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(fault)? {
        names.extend(entry.map_err(fault)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Removes what a crash left unfinished in `dir`.
fn remove_unfinished(dir: &Path) -> Result<(), Fault> {
    for name in names(dir)? {
        let path = dir.join(name);
        if path
            .extension()
            .is_some_and(|extension| extension == UNFINISHED)
        {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes a file or a directory with all it holds; what is gone already is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Fault> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Fault::io("remove", path, error))
        }
        _ => Ok(()),
    }
}
