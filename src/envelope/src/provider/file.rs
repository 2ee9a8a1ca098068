//! The `file` provider: the root key in a file of its owner.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{ProviderError, SealProvider};
use crate::aead::KEY_BYTES;
use crate::limits::ROOT_KEY_FILE_BYTES_MAX;
use crate::root::RootKey;

/// A root key in a text file: 32 bytes in base64 (`openssl rand -base64 32`), readable by its owner
/// only. It protects against the theft of the data volume, not of the machine: whoever reads the
/// file opens everything.
#[derive(Debug, Clone)]
pub struct FileProvider {
    path: PathBuf,
}

impl FileProvider {
    /// Names the file; it is read when the node unseals.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes a new random root key and writes it to a new file with mode 0600, durable on return.
    /// Fails if the file exists, and leaves none behind when writing fails.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, ProviderError> {
        let provider = Self::new(path);
        let root = RootKey::generate()?;
        let mut line = Zeroizing::new(String::with_capacity(ROOT_KEY_FILE_BYTES_MAX));
        STANDARD.encode_string(root.0.bytes(), &mut line);
        line.push('\n');
        let mut options = OpenOptions::new();
        let opened = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&provider.path);
        let mut file = opened.map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => ProviderError::Exists {
                path: provider.path.clone(),
            },
            _ => provider.io("create", source),
        })?;
        let written = file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all());
        let written = written.and_then(|()| sync_parent(&provider.path));
        written.map_err(|source| {
            // Half a key would stand in the way of the next try.
            let _ = std::fs::remove_file(&provider.path);
            provider.io("write", source)
        })?;
        Ok(provider)
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let file = File::open(&self.path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => ProviderError::Missing {
                path: self.path.clone(),
            },
            _ => self.io("read", source),
        })?;
        // Asked of the open file, not of the path: the file that is judged is the one that is read.
        let metadata = file.metadata().map_err(|source| self.io("read", source))?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(ProviderError::OpenToOthers {
                path: self.path.clone(),
                mode,
            });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(ROOT_KEY_FILE_BYTES_MAX + 1));
        let limit = ROOT_KEY_FILE_BYTES_MAX as u64 + 1;
        file.take(limit)
            .read_to_end(&mut text)
            .map_err(|source| self.io("read", source))?;
        Ok(text)
    }

    fn io(&self, action: &'static str, source: io::Error) -> ProviderError {
        ProviderError::Io {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

impl SealProvider for FileProvider {
    fn name(&self) -> &'static str {
        "file"
    }

    fn unseal(&self) -> Result<RootKey, ProviderError> {
        let malformed = || ProviderError::Malformed {
            path: self.path.clone(),
        };
        let text = self.read()?;
        if text.len() > ROOT_KEY_FILE_BYTES_MAX {
            return Err(malformed());
        }
        let decoded = STANDARD.decode(text.trim_ascii()).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| malformed())?;
        let bytes: &[u8; KEY_BYTES] = decoded.as_slice().try_into().map_err(|_| malformed())?;
        Ok(RootKey::from_bytes(bytes))
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
