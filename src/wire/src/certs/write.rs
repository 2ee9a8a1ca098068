//! Puts files in place: not half of one when writing fails, never over another unless asked.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use super::{CertsError, Existing};

const KEY_MODE: u32 = 0o600;
const CERT_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o700;

/// Fails if a file is there.
pub(super) fn must_be_new(path: &Path) -> Result<(), CertsError> {
    match path.symlink_metadata() {
        Ok(_) => Err(CertsError::Exists {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(CertsError::Write {
            path: path.to_owned(),
            source,
        }),
    }
}

pub(super) fn key(path: &Path, pem: &str, existing: Existing) -> Result<(), CertsError> {
    put(path, pem, KEY_MODE, existing)
}

pub(super) fn certificate(path: &Path, pem: &str, existing: Existing) -> Result<(), CertsError> {
    put(path, pem, CERT_MODE, existing)
}

fn put(path: &Path, text: &str, mode: u32, existing: Existing) -> Result<(), CertsError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => CertsError::Exists {
            path: path.to_owned(),
        },
        _ => CertsError::Write {
            path: path.to_owned(),
            source,
        },
    };
    let directory = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)
        .map_err(failed)?;
    let written = match existing {
        Existing::Refuse => fill(path, text, mode),
        Existing::Renew | Existing::Replace => replace(path, text, mode),
    };
    written
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(failed)
}

/// Puts a certificate file in the place of the one there is, durably.
pub(crate) fn replace_certificate(path: &Path, pem: &str) -> io::Result<()> {
    replace(path, pem, CERT_MODE)?;
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // Renamed into place, so that a process that reloads never reads half a file.
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    let staged = Path::new(&staged);
    match fs::remove_file(staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fill(staged, text, mode)?;
    fs::rename(staged, path)
}

fn fill(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    let written = file.write_all(text.as_bytes());
    written.and_then(|()| file.sync_all()).inspect_err(|_| {
        // Half a file would stand in the way of the next try.
        let _ = fs::remove_file(path);
    })
}
