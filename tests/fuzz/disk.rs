//! Files for the store to open, with checksums as it writes them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::{Cipher, CipherFault, Place, Row, Stamped};
use tempfile::TempDir;

/// What the header of a segment takes of it.
pub const HEADER_BLOCK_BYTES: usize = 4096;
/// What stands before the body of a header: magic, kind, version and its checksum.
const PRELUDE_BYTES: usize = 20;

/// Flips every bit and takes any checksum, so that an input need not find the right one.
struct Veil;

impl Cipher for Veil {
    fn seal(&self, _: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let veiled = plain.iter().map(|byte| !byte);
        Ok([0; 4].into_iter().chain(veiled).collect())
    }

    fn open(&self, _: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let (_, veiled) = sealed.split_first_chunk::<4>().ok_or(CipherFault::Open)?;
        Ok(veiled.iter().map(|byte| !byte).collect())
    }

    fn is_current(&self, _: &[u8]) -> bool {
        true
    }
}

/// A cipher that opens everything.
pub fn plain() -> Arc<dyn Cipher> {
    Arc::new(Veil)
}

/// Whose files the golden ones are.
pub fn stamped() -> Stamped {
    Stamped {
        cluster: [7; 16],
        region: "eu-west-1".into(),
        node: 3,
    }
}

/// An empty directory, in memory where the system has one there.
pub fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let asked = std::env::var_os("TMPDIR").is_some();
    let made = match memory.is_dir() && !asked {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("a directory")
}

/// Writes a file and answers where it is.
pub fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// A directory whose files are written again and again, for their owner only.
pub struct Scratch(TempDir);

impl Default for Scratch {
    fn default() -> Self {
        Self(directory())
    }
}

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and answers where it is.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;

        let path = self.0.path().join(name);
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&path).expect("a file");
        file.write_all(bytes).expect("there is room");
        path
    }
}

/// Rows of keys and values one after the other, by key, each key once.
pub fn rows(pairs: &[[Vec<u8>; 2]]) -> Vec<Row> {
    let pairs = pairs.iter().cloned();
    let mut rows: Vec<Row> = pairs.map(|[key, row]| (key, row)).collect();
    rows.sort();
    rows.dedup_by(|one, other| one.0 == other.0);
    rows
}

/// The header of a file of this kind, with what the kind adds.
pub fn header(kind: &[u8; 4], extra: &[u8]) -> Vec<u8> {
    let owner = stamped();
    let mut bytes = b"strongrm".to_vec();
    bytes.extend(kind);
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(crc32c(&bytes).to_le_bytes());
    let mut body = owner.cluster.to_vec();
    body.extend(owner.node.to_le_bytes());
    for part in [owner.region.as_bytes(), extra] {
        body.extend((part.len() as u32).to_le_bytes());
        body.extend(part);
    }
    bytes.extend(crc32c(&body).to_le_bytes());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// Writes good checksums into the header of a file, and answers where it ends.
pub fn mend_header(file: &mut [u8]) -> usize {
    let Some((prelude, rest)) = file.split_first_chunk_mut::<PRELUDE_BYTES>() else {
        return file.len();
    };
    let (checked, crc) = prelude.split_at_mut(PRELUDE_BYTES - 4);
    crc.copy_from_slice(&crc32c(checked).to_le_bytes());
    let Some((head, body)) = rest.split_first_chunk_mut::<8>() else {
        return file.len();
    };
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if let Some(body) = body.get(..length) {
        head[..4].copy_from_slice(&crc32c(body).to_le_bytes());
    }
    PRELUDE_BYTES + 8 + length
}

/// CRC-32C, bit by bit: inputs are small.
pub fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    })
}
