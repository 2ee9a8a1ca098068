//! Writes a snapshot file, block by block.

use std::io::{BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bytes::put_bytes;
use crate::files::Unfinished;
use crate::limits::{BULK_SYNC_BYTES, KEY_BYTES_MAX, ROW_BYTES_MAX, SNAPSHOT_BLOCK_BYTES};
use crate::log::within;
use crate::{Cipher, Fault, Place, Row, format};

use super::{END, SnapshotDir, SnapshotError, block_key};

/// Most of what a snapshot holds is sealed already and does not get smaller.
const ZSTD_LEVEL: i32 = 1;

/// Writes header, meta, rows and end, synced now and then; the caller makes it durable.
pub(super) fn write(
    dir: &SnapshotDir,
    id: &str,
    meta: &[u8],
    rows: impl Iterator<Item = Result<Row, Fault>>,
    unfinished: &Unfinished,
) -> Result<(), SnapshotError> {
    within("snapshot metadata", meta.len(), ROW_BYTES_MAX)?;
    let mut writer = Writer {
        out: BufWriter::new(&unfinished.file),
        path: &unfinished.path,
        cipher: &*dir.cipher,
        id,
        hash: Sha256::new(),
        blocks: 0,
        unsynced: 0,
    };
    writer.put(&format::encode(
        format::SNAPSHOT,
        &dir.stamped,
        id.as_bytes(),
    ))?;
    writer.block(meta)?;
    let (mut block, mut count, mut last) = (Vec::new(), 0u64, None);
    for row in rows {
        let (key, value) = row?;
        within("a row key", key.len(), KEY_BYTES_MAX)?;
        within("a row", value.len(), ROW_BYTES_MAX)?;
        if last.as_ref().is_some_and(|last| *last >= key) {
            return Err(SnapshotError::OutOfOrder);
        }
        put_bytes(&mut block, &key);
        put_bytes(&mut block, &value);
        count += 1;
        last = Some(key);
        if block.len() >= SNAPSHOT_BLOCK_BYTES {
            writer.block(&block)?;
            writer.sync_some()?;
            block.clear();
        }
    }
    if !block.is_empty() {
        writer.block(&block)?;
    }
    writer.end(count)
}

struct Writer<'a> {
    out: BufWriter<&'a std::fs::File>,
    path: &'a Path,
    cipher: &'a dyn Cipher,
    id: &'a str,
    hash: Sha256,
    blocks: u64,
    unsynced: usize,
}

impl Writer<'_> {
    fn block(&mut self, content: &[u8]) -> Result<(), SnapshotError> {
        let number = self.blocks;
        self.blocks += 1;
        self.sealed(number, content)
    }

    fn end(mut self, rows: u64) -> Result<(), SnapshotError> {
        let mut content = self.blocks.to_le_bytes().to_vec();
        content.extend_from_slice(&rows.to_le_bytes());
        content.extend_from_slice(&self.hash.clone().finalize());
        self.sealed(END, &content)?;
        self.out
            .flush()
            .map_err(|error| Fault::io("write", self.path, error).into())
    }

    fn sealed(&mut self, number: u64, content: &[u8]) -> Result<(), SnapshotError> {
        let fault = |error| Fault::io("compress a block of", self.path, error);
        let compressed = zstd::bulk::compress(content, ZSTD_LEVEL).map_err(fault)?;
        let key = block_key(self.id, number);
        let sealed = self.cipher.seal(
            Place {
                table: "snapshot",
                key: &key,
            },
            &compressed,
        );
        let sealed = sealed.map_err(|source| {
            let path = self.path.to_path_buf();
            SnapshotError::Cipher {
                path,
                block: number,
                source,
            }
        })?;
        let mut head = crc32c::crc32c(&sealed).to_le_bytes().to_vec();
        put_bytes(&mut head, &sealed);
        Ok(self.put(&head)?)
    }

    /// Syncs what was written, if it is much: all of it at the end would keep the disk from the
    /// log for long.
    fn sync_some(&mut self) -> Result<(), Fault> {
        if self.unsynced < BULK_SYNC_BYTES {
            return Ok(());
        }
        self.unsynced = 0;
        let written = self.out.flush();
        written.map_err(|error| Fault::io("write", self.path, error))?;
        let synced = self.out.get_ref().sync_data();
        synced.map_err(|error| Fault::io("sync", self.path, error))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.hash.update(bytes);
        self.unsynced += bytes.len();
        self.out
            .write_all(bytes)
            .map_err(|error| Fault::io("write", self.path, error))
    }
}
