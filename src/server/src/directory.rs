//! The data directory: whose it is, that nobody else uses it, and the sealed keyring.
//!
//! ```text
//! LOCK  node.toml  keyring  log/  rows/  snapshots/
//! ```
//!
//! A file here appears whole or not at all: written beside, synced, renamed, the directory synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use wire::PeerIdentity;

/// The newest format of a data directory that this release reads and writes.
const FORMAT: u32 = 1;

const LOCK: &str = "LOCK";
const NODE: &str = "node.toml";
const KEYRING: &str = "keyring";

/// Says why a data directory cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another process has it.
    #[error(
        "the data directory {} is in use by {}: stop that one first",
        path.display(),
        holder(*process)
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Its id, if it has written it already.
        process: Option<u32>,
    },
    /// It belongs to another node.
    #[error(
        "the data directory {} belongs to {found} but the certificate is of {wanted}: \
         give this node its own directory, or its own certificate", path.display()
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose certificate was given.
        wanted: String,
    },
    /// A newer release wrote it.
    #[error(
        "the data directory {} has format {found} but this release knows {FORMAT}: \
         start the release that wrote it, or a newer one", path.display()
    )]
    FutureFormat {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// `node.toml` is not readable as such.
    #[error("{} is damaged: restore it, or rejoin with an empty directory", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: toml::de::Error,
    },
    /// The system refused.
    #[error("cannot {action} {}: check its owner, its mode and the disk", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What `node.toml` holds, in clear.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    format: u32,
    cluster: String,
    region: String,
    node: u64,
}

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory when it is missing, and takes it for this process.
    ///
    /// # Errors
    /// When the system refuses or another process has it.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let failed = |action| {
            let path = path.to_owned();
            move |source| DataError::Io {
                action,
                path,
                source,
            }
        };
        make_durably(path).map_err(failed("make"))?;
        let lock = path.join(LOCK);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock);
        let lock = opened.map_err(failed("lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(DataError::InUse {
                    path: path.to_owned(),
                    process: io::read_to_string(&lock)
                        .ok()
                        .and_then(|id| id.trim().parse().ok()),
                });
            }
            Err(errno) => return Err(failed("lock")(errno.into())),
        }
        // The name is for people: a disk that is full does not stop the start here.
        if let Err(error) = write_holder(&lock) {
            tracing::warn!(%error, "the lock file does not name this process");
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// A path below the directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.path
    }

    /// Whether the directory is this node's; false when it is nobody's yet.
    ///
    /// # Errors
    /// When it is another node's, of a newer format, or unreadable.
    pub fn belongs_to(&self, wanted: &PeerIdentity) -> Result<bool, DataError> {
        let path = self.path(NODE);
        let Some(bytes) = self.read(&path)? else {
            return Ok(false);
        };
        let text = String::from_utf8_lossy(&bytes);
        let format = toml::from_str::<toml::Table>(&text);
        let format = format.map_err(|source| DataError::Damaged {
            path: path.clone(),
            source,
        })?;
        let format = format
            .get("format")
            .and_then(toml::Value::as_integer)
            .unwrap_or(0);
        let format = u32::try_from(format).unwrap_or(u32::MAX);
        if format > FORMAT {
            return Err(DataError::FutureFormat {
                path: self.path.clone(),
                found: format,
            });
        }
        let file: NodeFile =
            toml::from_str(&text).map_err(|source| DataError::Damaged { path, source })?;
        if (&file.cluster, &file.region, file.node)
            != (&wanted.cluster, &wanted.region, wanted.node)
        {
            return Err(DataError::OtherNode {
                path: self.path.clone(),
                found: format!("{}/{}/node/{}", file.cluster, file.region, file.node),
                wanted: format!("{}/{}/node/{}", wanted.cluster, wanted.region, wanted.node),
            });
        }
        Ok(true)
    }

    /// Marks the directory as this node's: the last step of the first start.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn claim(&self, owner: &PeerIdentity) -> Result<(), DataError> {
        let file = NodeFile {
            format: FORMAT,
            cluster: owner.cluster.clone(),
            region: owner.region.clone(),
            node: owner.node,
        };
        let text = toml::to_string(&file).map_err(|error| DataError::Io {
            action: "write",
            path: self.path(NODE),
            source: io::Error::other(error),
        })?;
        self.replace(NODE, text.as_bytes())
    }

    /// The sealed keyring; none before the first start is through.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn keyring(&self) -> Result<Option<Vec<u8>>, DataError> {
        self.read(&self.path(KEYRING))
    }

    /// Keeps the sealed keyring.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn keep_keyring(&self, sealed: &[u8]) -> Result<(), DataError> {
        self.replace(KEYRING, sealed)
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, DataError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataError::Io {
                action: "read",
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        let path = self.path(name);
        let beside = self.path(&format!("{name}.new"));
        let written = || {
            let mut options = OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&beside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &path)?;
            File::open(&self.path)?.sync_all()
        };
        written().map_err(|source| DataError::Io {
            action: "write",
            path: path.clone(),
            source,
        })
    }
}

/// Makes a directory and what is missing above it; each entry is on the disk on return, or a power
/// cut could take everything below with it.
fn make_durably(path: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)?;
    for made in missing {
        let above = made.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Names this process in the lock file, for whoever finds the directory taken. The lock itself is
/// the kernel's and ends with the process.
fn write_holder(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

fn holder(process: Option<u32>) -> String {
    process.map_or_else(
        || "another process".to_owned(),
        |id| format!("process {id}"),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use envelope::{FileProvider, RootKey, SealProvider, StorageKeyring};
    use wire::PeerIdentity;

    use super::{DataDir, DataError};

    const CLUSTER: &str = "00112233445566778899aabbccddeeff";
    const CLUSTER_ID: [u8; 16] = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();

    fn node(node: u64) -> PeerIdentity {
        let cluster = CLUSTER.to_owned();
        PeerIdentity {
            cluster,
            region: "eu-west-1".to_owned(),
            node,
            public_key: [0; 32],
        }
    }

    #[test]
    fn a_directory_is_nobodys_then_its_owners_only() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(&place.path().join("a/b")).unwrap();
        assert!(!data.belongs_to(&node(1)).unwrap());
        data.claim(&node(1)).unwrap();
        assert!(data.belongs_to(&node(1)).unwrap());
        assert!(matches!(
            data.belongs_to(&node(2)),
            Err(DataError::OtherNode { .. })
        ));
    }

    #[test]
    fn one_process_has_a_directory_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let held = DataDir::open(place.path()).unwrap();
        let refused = DataDir::open(place.path()).unwrap_err();
        assert!(matches!(refused, DataError::InUse { .. }));
        let holder = format!("in use by process {}:", std::process::id());
        assert!(refused.to_string().contains(&holder), "{refused}");
        drop(held);
        DataDir::open(place.path()).unwrap();
    }

    #[test]
    fn a_future_format_and_a_damaged_file_are_told_apart() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir::open(place.path()).unwrap();
        std::fs::write(place.path().join("node.toml"), "format = 2\nmore = 1\n").unwrap();
        let error = data.belongs_to(&node(1)).unwrap_err();
        assert!(matches!(error, DataError::FutureFormat { found: 2, .. }));
        for text in ["format = ", "format = 1\n", "", "format = 1\nnode = \"x\""] {
            std::fs::write(place.path().join("node.toml"), text).unwrap();
            let error = data.belongs_to(&node(1)).unwrap_err();
            assert!(matches!(error, DataError::Damaged { .. }), "{text}");
        }
    }
    /// Directories that releases wrote; a root key for tests, and nothing else, lies beside them.
    fn fixtures() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/storage")
    }

    fn test_root_key(release: &Path, place: &Path) -> RootKey {
        let copy = place.join("root.key");
        fs::copy(release.join("test-root.key"), &copy).unwrap();
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
        FileProvider::new(copy).unseal().unwrap()
    }

    #[test]
    fn the_identity_and_keyring_of_every_release_open() {
        let own = fixtures().join(env!("CARGO_PKG_VERSION"));
        if std::env::var_os("UPDATE_GOLDENFILES").is_some() && !own.join("keyring").exists() {
            let place = tempfile::tempdir().unwrap();
            let data = DataDir::open(&place.path().join("data")).unwrap();
            let root = test_root_key(&own, place.path());
            let mut keyring = StorageKeyring::generate(CLUSTER_ID).unwrap();
            keyring.rotate().unwrap();
            let sealed = keyring.to_sealed_bytes(&root).unwrap();
            data.keep_keyring(&sealed).unwrap();
            data.claim(&node(1)).unwrap();
            for name in ["keyring", "node.toml"] {
                fs::copy(data.path(name), own.join(name)).unwrap();
            }
        }
        for release in fs::read_dir(fixtures()).unwrap() {
            let release = release.unwrap().path();
            let place = tempfile::tempdir().unwrap();
            let data = DataDir::open(&place.path().join("data")).unwrap();
            for name in ["keyring", "node.toml"] {
                fs::copy(release.join(name), data.path(name)).unwrap();
            }
            assert!(data.belongs_to(&node(1)).unwrap(), "{}", release.display());
            let root = test_root_key(&release, place.path());
            let sealed = data.keyring().unwrap().unwrap();
            let keyring = StorageKeyring::from_sealed_bytes(&root, CLUSTER_ID, &sealed).unwrap();
            assert_eq!(keyring.active_version(), 2);
        }
    }
}
