//! A new file for something secret: its owner's alone, and there in whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::value::ValueError;

/// A file that is gone again when this is dropped before it was filled.
pub struct NewFile {
    path: PathBuf,
    file: File,
    filled: bool,
}

impl NewFile {
    /// Makes the file, with mode 0600; fails if anything has that name, a link too.
    pub fn create(path: &Path) -> Result<Self, ValueError> {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(path);
        let file = opened.map_err(|source| failed(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            filled: false,
        })
    }

    /// Writes all there is to write; it is on the disk on return.
    pub fn fill(mut self, bytes: &[u8]) -> Result<(), ValueError> {
        let written = self.file.write_all(bytes);
        let written = written.and_then(|()| self.file.sync_all());
        written.map_err(|source| failed(&self.path, source))?;
        self.filled = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.filled {
            // Half a file is worse than none; if it stays, the next try says that it exists.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn failed(path: &Path, source: std::io::Error) -> ValueError {
    ValueError::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_filled_file_is_its_owners_and_overwrites_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        NewFile::create(&path).unwrap().fill(&[1, 2, 3]).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(NewFile::create(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn a_link_is_not_followed_and_a_file_that_was_not_filled_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let (link, target) = (directory.path().join("link"), directory.path().join("to"));
        symlink(&target, &link).unwrap();
        assert!(NewFile::create(&link).is_err());
        drop(NewFile::create(&target).unwrap());
        assert!(!target.exists());
    }
}
