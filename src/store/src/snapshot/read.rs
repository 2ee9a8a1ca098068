//! Reads a snapshot file, and believes nothing of it before it was checked.

use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::bytes::Reader;
use crate::format::{self, FormatError, Header};
use crate::limits::{FORMAT_HEADER_BYTES_MAX, SEALED_BLOCK_BYTES_MAX, SNAPSHOT_BLOCK_BYTES_MAX};
use crate::{Cipher, Fault, Place, Row};

use super::{END, SnapshotDir, SnapshotError, block_key};

const BLOCK_HEAD_BYTES: usize = 8;

/// The rows of a snapshot, in the order of their keys.
///
/// A row is handed out as soon as its block was verified; only when the iterator ends without an
/// error is the whole file known to be complete.
pub struct SnapshotReader {
    file: Arc<File>,
    path: PathBuf,
    id: String,
    cipher: Arc<dyn Cipher>,
    meta: Vec<u8>,
    hash: Sha256,
    offset: u64,
    len: u64,
    blocks: u64,
    rows: u64,
    block: std::vec::IntoIter<Row>,
    last: Option<Vec<u8>>,
    ended: bool,
}

impl SnapshotReader {
    pub(super) fn open(
        dir: &SnapshotDir,
        id: &str,
        path: &Path,
        file: &Arc<File>,
    ) -> Result<SnapshotReader, SnapshotError> {
        let fault = |error| Fault::io("read", path, error);
        let len = file.metadata().map_err(fault)?.len();
        let mut head = vec![0; FORMAT_HEADER_BYTES_MAX.min(usize::try_from(len).unwrap_or(0))];
        file.read_exact_at(&mut head, 0).map_err(fault)?;
        let header = check_header(dir, &head).map_err(|source| SnapshotError::Format {
            path: path.to_path_buf(),
            source,
        })?;
        if header.extra != id.as_bytes() {
            let found = String::from_utf8_lossy(&header.extra).into_owned();
            return Err(SnapshotError::OtherSnapshot {
                found,
                expected: id.to_owned(),
            });
        }
        let mut reader = SnapshotReader {
            file: Arc::clone(file),
            path: path.to_path_buf(),
            id: id.to_owned(),
            cipher: Arc::clone(&dir.cipher),
            meta: Vec::new(),
            hash: Sha256::new(),
            offset: header.len as u64,
            len,
            blocks: 0,
            rows: 0,
            block: Vec::new().into_iter(),
            last: None,
            ended: false,
        };
        reader
            .hash
            .update(head.get(..header.len).unwrap_or_default());
        let (sealed, head) = reader.sealed()?;
        reader.meta = reader.opened(0, &sealed)?;
        reader.advance(&head, &sealed);
        Ok(reader)
    }

    /// The meta the snapshot was written with.
    pub fn meta(&self) -> &[u8] {
        &self.meta
    }

    fn next_row(&mut self) -> Result<Option<Row>, SnapshotError> {
        loop {
            if let Some((key, value)) = self.block.next() {
                if self.last.as_ref().is_some_and(|last| *last >= key) {
                    return Err(self.damaged());
                }
                self.last = Some(key.clone());
                self.rows += 1;
                return Ok(Some((key, value)));
            }
            if self.ended {
                return Ok(None);
            }
            self.next_block()?;
        }
    }

    fn next_block(&mut self) -> Result<(), SnapshotError> {
        let (sealed, head) = self.sealed()?;
        let size = (BLOCK_HEAD_BYTES + sealed.len()) as u64;
        if self.offset + size == self.len {
            let content = self.opened(END, &sealed)?;
            self.check_end(&content).ok_or_else(|| self.damaged())?;
            self.ended = true;
            return Ok(());
        }
        let content = self.opened(self.blocks, &sealed)?;
        let rows = split_rows(&content).ok_or_else(|| self.damaged())?;
        self.block = rows.into_iter();
        self.advance(&head, &sealed);
        Ok(())
    }

    /// Reads the block at the present offset, checksum verified.
    fn sealed(&self) -> Result<(Vec<u8>, [u8; BLOCK_HEAD_BYTES]), SnapshotError> {
        let fault = |error| Fault::io("read", &self.path, error);
        let mut head = [0; BLOCK_HEAD_BYTES];
        let left = self.len.checked_sub(self.offset + BLOCK_HEAD_BYTES as u64);
        let left = left.ok_or_else(|| self.damaged())?;
        self.file
            .read_exact_at(&mut head, self.offset)
            .map_err(fault)?;
        let mut fields = Reader::new(&head);
        let crc = fields.u32().unwrap_or(0);
        let len = fields.u32().unwrap_or(0);
        if u64::from(len) > left || len as usize > SEALED_BLOCK_BYTES_MAX {
            return Err(self.damaged());
        }
        let mut sealed = vec![0; len as usize];
        let start = self.offset + BLOCK_HEAD_BYTES as u64;
        self.file.read_exact_at(&mut sealed, start).map_err(fault)?;
        if crc32c::crc32c(&sealed) != crc {
            return Err(self.damaged());
        }
        Ok((sealed, head))
    }

    fn opened(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, SnapshotError> {
        let key = block_key(&self.id, number);
        let compressed = self.cipher.open(
            Place {
                table: "snapshot",
                key: &key,
            },
            sealed,
        );
        let compressed = compressed.map_err(|source| SnapshotError::Cipher {
            path: self.path.clone(),
            block: number,
            source,
        })?;
        zstd::bulk::decompress(&compressed, SNAPSHOT_BLOCK_BYTES_MAX).map_err(|_| self.damaged())
    }

    fn advance(&mut self, head: &[u8], sealed: &[u8]) {
        self.hash.update(head);
        self.hash.update(sealed);
        self.offset += (head.len() + sealed.len()) as u64;
        self.blocks += 1;
    }

    fn check_end(&self, content: &[u8]) -> Option<()> {
        let mut fields = Reader::new(content);
        let counted = fields.u64()? == self.blocks && fields.u64()? == self.rows;
        let hash = fields.take(32)? == self.hash.clone().finalize().as_slice();
        (counted && hash && fields.is_empty()).then_some(())
    }

    fn damaged(&self) -> SnapshotError {
        SnapshotError::Damaged {
            path: self.path.clone(),
            offset: self.offset,
        }
    }
}

impl Iterator for SnapshotReader {
    type Item = Result<Row, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.next_row();
        if row.is_err() {
            self.ended = true;
            self.block = Vec::new().into_iter();
        }
        row.transpose()
    }
}

impl Debug for SnapshotReader {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotReader")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Another node's snapshot of the same region is as good as ours.
fn check_header(dir: &SnapshotDir, head: &[u8]) -> Result<Header, FormatError> {
    let header = format::decode(format::SNAPSHOT, head)?;
    dir.stamped.check_region(&header.stamped)?;
    Ok(header)
}

fn split_rows(content: &[u8]) -> Option<Vec<Row>> {
    let mut fields = Reader::new(content);
    let mut rows = Vec::new();
    while !fields.is_empty() {
        rows.push((fields.bytes()?.to_vec(), fields.bytes()?.to_vec()));
    }
    (!rows.is_empty()).then_some(rows)
}
