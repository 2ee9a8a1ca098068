//! The store of one node, as a node opens it: sealed by a real keyring, with small segments.

use std::path::Path;
use std::sync::Arc;

use envelope::{RootKey, StorageKeyring};
use store::{
    Cipher, CipherFault, Packing, Place, Rows, RowsOptions, SledRows, SnapshotDir, Stamped, Wal,
    WalOptions,
};

/// Small enough that a short workload fills many.
pub const SEGMENT_BYTES: u64 = 64 * 1024;

/// Everything a node has open.
pub struct Node {
    pub log: Arc<Wal>,
    pub rows: Box<dyn Rows>,
    pub snapshots: SnapshotDir,
    /// Whether the rows were given up and begun anew.
    pub rebuilt: bool,
}

/// Writes the keyring file that all processes of a test share.
pub fn write_keyring(path: &Path) {
    let keyring = StorageKeyring::generate(CLUSTER).unwrap();
    std::fs::write(path, keyring.to_sealed_bytes(&root_key()).unwrap()).unwrap();
}

impl Node {
    /// Opens the store in `directory`.
    pub fn open(directory: &Path, keyring: &Path) -> Result<Node, Box<dyn std::error::Error>> {
        let file = std::fs::read(keyring)?;
        let keyring = StorageKeyring::from_sealed_bytes(&root_key(), CLUSTER, &file)?;
        let cipher: Arc<dyn Cipher> = Arc::new(Sealing(keyring));
        let stamped = Stamped {
            cluster: CLUSTER,
            region: "eu-west-1".into(),
            node: 1,
        };
        let options = WalOptions {
            segment_bytes: SEGMENT_BYTES,
            cache_bytes: 16 * 1024,
        };
        let log = Wal::open(&directory.join("log"), &stamped, cipher.clone(), options)?;
        let snapshots = SnapshotDir::open(&directory.join("snapshots"), &stamped, cipher.clone())?;
        let cache = RowsOptions {
            cache_bytes: 1024 * 1024,
            packing: Some(Packing {
                first_byte: b'r',
                key_bytes: 7,
            }),
        };
        let opened = SledRows::open(&directory.join("rows"), &stamped, cipher, cache)?;
        Ok(Node {
            log: Arc::new(log),
            rows: Box::new(opened.rows),
            snapshots,
            rebuilt: opened.rebuilt,
        })
    }
}

const CLUSTER: [u8; 16] = *b"power-loss-test!";

fn root_key() -> RootKey {
    RootKey::from_bytes(&[7; 32])
}

struct Sealing(StorageKeyring);

impl Cipher for Sealing {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let sealed = self.0.seal(place.table, place.key, plain);
        sealed.map_err(|error| CipherFault::Seal(error.into()))
    }

    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let opened = self.0.open(place.table, place.key, sealed);
        opened.map_err(|_| CipherFault::Open)
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        self.0.is_by_active(sealed)
    }
}
